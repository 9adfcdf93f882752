// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What Command hides: the option table that flags, environment, YAML and --help are served from.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/cli/option_value.h"
#include "tools/cli/tool.h"

namespace gpt2::cli {

/// Where a value comes from; the later wins.
enum class Source { kDefault, kFile, kEnvironment, kFlag };

struct Option {
  std::string name;        // without dashes: "out-dir"
  std::string value_name;  // "DIR"; empty for a flag
  std::string help;
  std::string default_text;  // empty: --help shows none
  std::vector<std::string> choices;
  OptionTarget target;
  std::optional<double> least;  // of a number
  bool required = false;
  Source source = Source::kDefault;
  std::string place = {};    // of a value from a file: "train.yaml:3"
  std::string initial = {};  // text_of() the target before anything set it

  char letter = '\0';      // -q for --quiet; only the options common to all tools have one
  bool is_hidden = false;  // --help and the man page do not show it

  bool given() const { return source != Source::kDefault; }
  bool is_flag() const { return std::holds_alternative<bool*>(target); }
  bool is_list() const { return std::holds_alternative<std::vector<std::string>*>(target); }
  std::string spec() const;  // "--out-dir DIR", "--train GLOB...", "-q, --quiet"
  /// Sets the target. Throws: UsageError that begins with `name_of_source` ("--seed" ...).
  void set(const std::vector<std::string>& words, std::string_view name_of_source);
  /// As if it had not been given.
  void unset();
};

struct Positional {
  std::string name;  // "FILE", or "FILE..." when it takes several; empty: there is none
  std::string help;
  std::vector<std::string>* target = nullptr;
  bool required = false;
};

struct Command::Data {
  std::string name;  // of the tool, or of the command
  std::string summary;
  std::string reads, writes, redirection;
  std::vector<std::string> examples;
  std::vector<Option> options;
  Positional positional;
  bool positional_is_last = false;  // what required() means
  std::vector<std::vector<std::string>> alternatives;
  std::vector<std::string> config_groups;
  std::vector<ConfigKey> config_keys;
  Command::Data* tool = nullptr;      // of a command: the tool, whose options it has too
  std::function<void()> action = {};  // of a command

  /// The command's own options, then those of its tool.
  std::vector<Option*> all_options();
  /// nullptr: there is none of that name.
  Option* find(std::string_view option_name);
};

/// What every tool can be told; by flags alone, since it says how to run and is no configuration.
struct CommonSettings {
  bool help = false, version = false, quiet = false, verbose = false, print_config = false;
  std::string config, progress = "auto", generate;
  /// Their options, filling `this`, in the order of --help.
  std::vector<Option> options();
};

/// "; did you mean --seed?" for the name that is nearest, written after `before`.
std::string advice_on(std::string_view wrong, const std::vector<std::string>& names,
                      std::string_view before);
/// What --help shows of them.
std::vector<std::string> names_of(const std::vector<Option*>& options);

}  // namespace gpt2::cli
