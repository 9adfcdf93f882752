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

struct Option {
  std::string name;        // without dashes: "out-dir"
  std::string value_name;  // "DIR"; empty for a flag
  std::string help;
  std::string default_text;  // empty: --help shows none
  std::vector<std::string> choices;
  OptionTarget target;
  std::optional<double> least;  // of a number
  bool required = false;
  bool given = false;  // set by flag, environment or YAML

  char letter = '\0';      // -q for --quiet; only the options common to all tools have one
  bool is_hidden = false;  // --help and the man page do not show it

  bool is_flag() const { return std::holds_alternative<bool*>(target); }
  bool is_list() const { return std::holds_alternative<std::vector<std::string>*>(target); }
  std::string spec() const;  // "--out-dir DIR", "--train GLOB...", "-q, --quiet"
  /// Sets the target. Throws: UsageError that begins with `source` ("--seed", "GPT2_SEED" ...).
  void set(const std::vector<std::string>& words, std::string_view source);
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
  bool positional_is_last = false;    // what required() means
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

}  // namespace gpt2::cli
