// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What all tools share: one option table serves flags, GPT2_* environment, --config YAML,
// --print-config and --help; one catch turns errors into exit codes (DESIGN 4). CLI11 is included
// by tool.cpp alone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpt2::cli {

/// How another program names an option in its configuration file.
struct ConfigKey {
  std::string key;        // "n-layer"; "wandb.project": in that group alone
  std::string option;     // what it sets; several take a word of a list each; empty: nothing
  std::string note = {};  // why it sets nothing
  /// Its values and what they are here, "#" for any whole number; empty: the same.
  std::vector<std::pair<std::string, std::string>> values = {};
};

/// One option table: of a tool, or of one of its commands.
class Command {
 public:
  struct Data;
  explicit Command(std::unique_ptr<Data> data);
  Command(Command&&) noexcept;
  ~Command();

  void reads(std::string_view text);        // "Reads   ..." of --help
  void writes(std::string_view text);       // "Writes  ..." of --help
  void example(std::string_view line);      // "Example: ..." of --help; several may be given
  void redirection(std::string_view text);  // end of the usage line: "< STREAM"

  /// `spec` is "--name VALUE". Defaults shown by --help are the targets' values at this call.
  /// Integers take K, M, G, Ki, Mi, Gi; a value that does not parse, overflows, or is negative for
  /// an unsigned target is refused (64).
  void option(std::string_view spec, std::string& target, std::string_view help);
  void option(std::string_view spec, std::int64_t& target, std::string_view help);
  void option(std::string_view spec, std::uint64_t& target, std::string_view help);
  void option(std::string_view spec, std::uint32_t& target, std::string_view help);
  void option(std::string_view spec, int& target, std::string_view help);
  void option(std::string_view spec, double& target, std::string_view help);
  void option(std::string_view spec, float& target, std::string_view help);
  /// Several words: --train a.bin b.bin, or given several times; a YAML list.
  void option(std::string_view spec, std::vector<std::string>& target, std::string_view help);
  /// One of `choices`.
  void choice(std::string_view spec, std::string& target, std::vector<std::string> choices,
              std::string_view help);
  /// --name; YAML and environment take true and false; --name=false too.
  void flag(std::string_view name, bool& target, std::string_view help);
  void positional(std::string_view name, std::vector<std::string>& target, std::string_view help);
  /// Of these options, which exclude each other, those are as if not given that a weaker source
  /// (flag, environment, file: in this order) sets than another one.
  void alternatives(std::vector<std::string> names);
  /// What --config takes beside options: groups, "training:" with keys under it, and other
  /// programs' keys, which are told by notice().
  void config_keys(std::vector<std::string> groups, std::vector<ConfigKey> keys);
  /// The last added option or positional must be given, by flag, environment or YAML.
  Command& required();
  /// The last added option, a number, must not be below `least`.
  Command& at_least(double least);
  /// Was the option set by flag, environment or YAML (not a default)? `name` without dashes.
  bool given(std::string_view name) const;

 private:
  friend class Tool;
  std::unique_ptr<Data> data_;
};

class Tool : public Command {
 public:
  Tool(std::string_view name, std::string_view summary);
  ~Tool();
  /// A command of the tool ("decode"); `is_default`: taken when no command is named.
  Command& command(std::string_view name, std::string_view summary, std::function<void()> action,
                   bool is_default = false);
  /// The action handles signals itself; without this call SIGINT, SIGTERM and SIGHUP remove
  /// unfinished files and end the process.
  void handles_signals() { handles_signals_ = true; }
  /// Lines that --version shows under the first.
  void version_details(std::function<std::string()> describe_build) {
    describe_build_ = std::move(describe_build);
  }
  /// Parses, runs `action` (or the command's) and gives the exit code of DESIGN 4; prints "tool:
  /// message" on stderr; checks that stdout took everything (74). Also -h -V -q -v, --config,
  /// --print-config, --progress.
  int run(int argc, char** argv, std::function<void()> action = {});

 private:
  void answer(std::vector<std::string> arguments, const std::function<void()>& action);
  struct Commands;
  std::unique_ptr<Commands> commands_;
  std::function<std::string()> describe_build_;
  bool handles_signals_ = false;
};

/// Verbosity, as -q and -v set it: -1, 0, 1 ...
int verbosity();
/// One line of words on stderr, "tool: text"; not with -q.
void notice(std::string_view text);
/// The same of something that stands out among notices: bold on a terminal, unless NO_COLOR is set.
void event(std::string_view text);
/// True when a progress line may be drawn on stderr (--progress, terminal, -q).
bool progress_wanted();
/// Characters in a line of the terminal at stderr; 80 if there is none.
int terminal_columns();
/// 0:07, 12:34, 1:23:45.
std::string clock_text(double seconds);
/// 999, 12.3K, 4.56M: three digits and K, M, G, T, P.
std::string short_number(double value);
/// The one of `names` that `wrong` was most likely meant to be; empty when none is near.
std::string nearest_name(std::string_view wrong, const std::vector<std::string>& names);
/// Writes to stdout. Throws: IoError with the reason.
void print(std::string_view text);
/// Refuses to write binary data to a terminal. Throws: UsageError.
void refuse_binary_to_terminal(int descriptor, std::string_view what);

/// A line on stderr that is redrawn at most ten times a second: label, share done, rate, time left.
/// Silent unless progress_wanted(); the destructor wipes it.
class ProgressLine {
 public:
  ProgressLine(std::string label, std::string unit, std::uint64_t total);  // total 0: unknown
  ~ProgressLine();
  void set_total(std::uint64_t total);
  void update(std::uint64_t done, std::string_view extra = {});
  /// Draws `line` instead of all that; what the terminal has no room for is cut off.
  void show(std::string line);
  void clear();

 private:
  bool is_due();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gpt2::cli
