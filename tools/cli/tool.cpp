// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/cli/tool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <map>
#include <new>
#include <optional>
#include <stdexcept>

#include "formats/errors.h"
#include "tools/cli/bash_completion.h"
#include "tools/cli/config_values.h"
#include "tools/cli/console.h"
#include "tools/cli/help_text.h"
#include "tools/cli/interruption.h"
#include "tools/cli/man_page.h"
#include "tools/cli/option_table.h"
#include "tools/cli/zsh_completion.h"

namespace gpt2::cli {
namespace {

using formats::UsageError;
using Words = std::vector<std::string>;

// ---- The command line ---------------------------------------------------------------------------

/// What was typed, sorted by option; no value is looked at yet.
struct Typed {
  std::map<const Option*, Words> options;
  Words positional;
  std::string unknown_option;  // the first that no table has
};

Option* find_option(const std::vector<Option*>& options, std::string_view name) {
  const auto found = std::find_if(options.begin(), options.end(),
                                  [&](const Option* option) { return option->name == name; });
  return found == options.end() ? nullptr : *found;
}

struct Spelled {
  Words arguments;   // as CLI11 takes them
  Words positional;  // after "--", which CLI11 would take for the end of a list before it
};

/// Writes `-` for `_` in names of options and puts each value in an argument of its own, since
/// CLI11 would read `--prompt=` as `--prompt` and swallow the next option as its value.
Spelled spell_out(const Words& typed, const std::vector<Option*>& options) {
  Spelled spelled;
  for (auto argument = typed.begin(); argument != typed.end(); ++argument) {
    if (*argument == "--") {
      spelled.positional.assign(argument + 1, typed.end());
      break;
    }
    if (!argument->starts_with("--")) {
      spelled.arguments.push_back(*argument);
      continue;
    }
    const auto equals = std::min(argument->find('='), argument->size());
    std::string name = argument->substr(0, equals);
    std::replace(name.begin(), name.end(), '_', '-');
    const Option* option = find_option(options, std::string_view(name).substr(2));
    if (option == nullptr || option->is_flag()) {
      spelled.arguments.push_back(name + argument->substr(equals));
      continue;
    }
    spelled.arguments.push_back(name);
    if (equals < argument->size()) {
      spelled.arguments.push_back(argument->substr(equals + 1));
    } else if (++argument != typed.end()) {
      spelled.arguments.push_back(*argument);
    } else {
      throw UsageError(fmt::format("{} needs a value, {}", name, option->value_name));
    }
  }
  return spelled;
}

Typed sort_arguments(const Words& arguments, const std::vector<Option*>& options) {
  constexpr int kManyWords = 1 << 20;
  const CLI::callback_t accept = [](const CLI::results_t&) { return true; };
  CLI::App app;
  app.allow_extras();
  app.set_help_flag();
  std::vector<std::pair<Option*, CLI::Option*>> parsers;
  for (auto* option : options) {
    std::string names = "--" + option->name;
    if (option->letter != '\0') names = fmt::format("-{},{}", option->letter, names);
    auto* parser = option->is_flag() ? app.add_flag(names) : app.add_option(names, accept);
    if (option->is_list()) parser->expected(1, kManyWords);
    parser->take_all();
    parsers.emplace_back(option, parser);
  }
  auto [reversed, after_mark] = spell_out(arguments, options);
  std::reverse(reversed.begin(), reversed.end());
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what());
  }
  Typed typed;
  for (const auto& [option, parser] : parsers) {
    if (parser->count() == 0) continue;
    // The last one wins, so that a wrapper's options can be overridden; lists grow.
    typed.options[option] = option->is_list() ? parser->results() : Words{parser->results().back()};
  }
  for (const auto& word : app.remaining()) {
    const bool is_option = word.starts_with('-') && word != "-";
    if (!is_option) {
      typed.positional.push_back(word);
    } else if (typed.unknown_option.empty()) {
      typed.unknown_option = word.substr(0, word.find('='));
    }
  }
  typed.positional.insert(typed.positional.end(), after_mark.begin(), after_mark.end());
  return typed;
}

// ---- Where values come from ---------------------------------------------------------------------

void set_from_flags(const Typed& typed, const std::vector<Option*>& options) {
  for (auto* option : options) {
    const auto found = typed.options.find(option);
    if (found == typed.options.end()) continue;
    option->set(found->second, "--" + option->name);
    option->source = Source::kFlag;
  }
}

void set_from_environment(Command::Data& table) {
  for (auto* option : table.all_options()) {
    std::string name = "GPT2_" + option->name;
    std::transform(name.begin(), name.end(), name.begin(), [](char c) {
      return c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    const char* value = std::getenv(name.c_str());
    if (value == nullptr || *value == '\0') continue;
    option->set({value}, name);
    option->source = Source::kEnvironment;
  }
}

void drop_weaker_alternatives(Command::Data& table) {
  for (const auto& names : table.alternatives) {
    auto strongest = Source::kDefault;
    for (const auto& name : names) strongest = std::max(strongest, table.find(name)->source);
    for (const auto& name : names) {
      auto* option = table.find(name);
      if (option->given() && option->source < strongest) option->unset();
    }
  }
}

void set_positional(const Words& words, Command::Data& table, const Words& command_names) {
  const auto& positional = table.positional;
  if (!words.empty()) {
    const auto& first = words.front();
    const auto nearest = nearest_name(first, command_names);
    const bool is_misspelt_command =
        !nearest.empty() && nearest != first && !std::filesystem::exists(first);
    if (positional.target == nullptr || is_misspelt_command) {
      throw UsageError(fmt::format("unexpected word '{}'{}", first,
                                   advice_on(first, command_names, "the command ")));
    }
  }
  if (positional.target == nullptr) return;
  if (words.size() > 1 && !positional.name.ends_with("...")) {
    throw UsageError(fmt::format("one {} only, not {}: '{}' is too much", positional.name,
                                 words.size(), words[1]));
  }
  *positional.target = words;
}

[[noreturn]] void refuse_unknown_option(const std::string& unknown,
                                        const std::vector<Option*>& options) {
  const auto dashes = std::min(unknown.find_first_not_of('-'), unknown.size());
  throw UsageError(fmt::format("unknown option {}{}", unknown,
                               advice_on(unknown.substr(dashes), names_of(options), "--")));
}

[[noreturn]] void refuse_missing_command(const Words& positional, const Words& command_names) {
  throw UsageError(
      fmt::format("name a command: {}{}", fmt::join(command_names, ", "),
                  advice_on(positional.empty() ? "" : positional.front(), command_names, "")));
}

/// Throws: UsageError naming everything that is required and was not given, or is an empty text.
void require(Command::Data& table) {
  Words missing;
  for (const auto* option : table.all_options()) {
    if (option->required && (!option->given() || is_empty(option->target))) {
      missing.push_back(option->spec());
    }
  }
  const auto& positional = table.positional;
  if (positional.required && positional.target->empty()) missing.push_back(positional.name);
  if (!missing.empty()) {
    throw UsageError(fmt::format("{} must be given; see --help", fmt::join(missing, " and ")));
  }
}

/// As YAML for --config: what was given, and the defaults as comments, so that an option that was
/// not given is not given by the file either.
std::string config_text(Command::Data& table, const std::string& tool_name) {
  std::string text =
      fmt::format("# {} --config; lines that begin with # are defaults\n", tool_name);
  for (const auto* option : table.all_options()) {
    if (option->required && !option->given()) {
      text += fmt::format("# {}: (required)\n", option->name);
    } else {
      text += fmt::format("{}{}: {}\n", option->given() ? "" : "# ", option->name,
                          yaml_of(option->target));
    }
  }
  return text;
}

// ---- Ends ---------------------------------------------------------------------------------------

/// A standard descriptor that was closed would be given to the next file that is opened, and words
/// for stdout would end up in it. It is filled so that using it fails.
void fill_closed_descriptors() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(descriptor, F_GETFD) == -1 && errno == EBADF) {
      static_cast<void>(open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY));
    }
  }
}

[[noreturn]] void throw_stdout_error() {
  throw formats::IoError(errno == 0
                             ? "writing to stdout failed"
                             : fmt::format("writing to stdout failed: {}", std::strerror(errno)));
}

/// Throws: IoError unless stdout took everything. Closing a copy makes network file systems say
/// what they held back.
void finish_stdout() {
  errno = 0;  // a write that failed before has left none
  std::cout.flush();
  if (std::fflush(stdout) != 0 || !std::cout.good() || std::ferror(stdout) != 0) {
    throw_stdout_error();
  }
  const int copy = dup(STDOUT_FILENO);
  if (copy == -1 || close(copy) != 0) throw_stdout_error();
}

/// The exit code of the exception in flight, after telling it.
int tell_exception() {
  const auto tell = [](const std::exception& error, int code) {
    complain(error.what());
    return code;
  };
  try {
    throw;
  } catch (const formats::UsageError& error) {
    return tell(error, 64);
  } catch (const formats::InputError& error) {
    return tell(error, 65);
  } catch (const formats::UnavailableError& error) {
    return tell(error, 69);
  } catch (const formats::ExistsError& error) {
    return tell(error, 73);
  } catch (const formats::IoError& error) {
    return tell(error, 74);
  } catch (const formats::StoppedError& error) {
    return tell(error, 75);
  } catch (const formats::DivergedError& error) {
    return tell(error, 76);
  } catch (const formats::ContradictionError& error) {
    return tell(error, 78);
  } catch (const std::filesystem::filesystem_error& error) {
    return tell(error, 74);
  } catch (const std::ios_base::failure& error) {
    return tell(error, 74);
  } catch (const std::bad_alloc&) {
    complain("out of memory");
  } catch (const std::exception& error) {
    complain(fmt::format("internal error: {}", error.what()));
  } catch (...) {
    complain("internal error: an exception of an unknown type");
  }
  return 70;
}

void add_option(Command::Data& data, std::string_view spec, OptionTarget target,
                std::string_view help, Words choices = {}) {
  Option option;
  const auto blank = std::min(spec.find(' '), spec.size());
  if (!spec.starts_with("--") || (blank == spec.size()) != std::holds_alternative<bool*>(target)) {
    throw std::logic_error(fmt::format("option '{}' is not of the form --name VALUE", spec));
  }
  option.name = spec.substr(2, blank - 2);
  option.value_name = spec.substr(std::min(blank + 1, spec.size()));
  option.help = help;
  option.target = target;
  option.choices = std::move(choices);
  option.initial = text_of(target);
  if (!option.is_flag() && !is_empty(target)) option.default_text = option.initial;
  if (data.find(option.name) != nullptr) {
    throw std::logic_error(fmt::format("--{} is declared twice", option.name));
  }
  data.options.push_back(std::move(option));
  data.positional_is_last = false;
}

}  // namespace

void print(std::string_view text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) throw_stdout_error();
}

// ---- Command ------------------------------------------------------------------------------------

Command::Command(std::unique_ptr<Data> data) : data_(std::move(data)) {}
Command::Command(Command&&) noexcept = default;
Command::~Command() = default;

void Command::reads(std::string_view text) { data_->reads = text; }
void Command::writes(std::string_view text) { data_->writes = text; }
void Command::redirection(std::string_view text) { data_->redirection = text; }
void Command::example(std::string_view line) { data_->examples.emplace_back(line); }

void Command::option(std::string_view spec, std::string& target, std::string_view help) {
  add_option(*data_, spec, &target, help);
}
void Command::option(std::string_view spec, std::int64_t& target, std::string_view help) {
  add_option(*data_, spec, &target, help);
}
void Command::option(std::string_view spec, std::uint64_t& target, std::string_view help) {
  add_option(*data_, spec, &target, help);
}
void Command::option(std::string_view spec, std::uint32_t& target, std::string_view help) {
  add_option(*data_, spec, &target, help);
}
void Command::option(std::string_view spec, int& target, std::string_view help) {
  add_option(*data_, spec, &target, help);
}
void Command::option(std::string_view spec, double& target, std::string_view help) {
  add_option(*data_, spec, &target, help);
}
void Command::option(std::string_view spec, float& target, std::string_view help) {
  add_option(*data_, spec, &target, help);
}
void Command::option(std::string_view spec, std::vector<std::string>& target,
                     std::string_view help) {
  add_option(*data_, spec, &target, help);
}
void Command::choice(std::string_view spec, std::string& target, std::vector<std::string> choices,
                     std::string_view help) {
  add_option(*data_, spec, &target, help, std::move(choices));
}
void Command::flag(std::string_view name, bool& target, std::string_view help) {
  add_option(*data_, name, &target, help);
}

void Command::positional(std::string_view name, std::vector<std::string>& target,
                         std::string_view help) {
  if (data_->positional.target != nullptr) {
    throw std::logic_error("a command has one positional argument");
  }
  data_->positional = {std::string(name), std::string(help), &target, false};
  data_->positional_is_last = true;
}

Command& Command::required() {
  (data_->positional_is_last ? data_->positional.required : data_->options.back().required) = true;
  return *this;
}

Command& Command::at_least(double least) {
  data_->options.back().least = least;
  return *this;
}

void Command::alternatives(std::vector<std::string> names) {
  data_->alternatives.push_back(std::move(names));
}

void Command::config_keys(std::vector<std::string> groups, std::vector<ConfigKey> keys) {
  data_->config_groups = std::move(groups);
  data_->config_keys = std::move(keys);
}

bool Command::given(std::string_view name) const {
  const auto* option = data_->find(name);
  if (option == nullptr) throw std::logic_error(fmt::format("there is no option --{}", name));
  return option->given();
}

// ---- Tool ---------------------------------------------------------------------------------------

struct Tool::Commands {
  std::vector<std::unique_ptr<Command>> list;
  std::vector<Data*> tables;  // of `list`
  Words names;                // of `list`
  Data* usual = nullptr;      // taken when none is named

  /// Takes the command's name off the arguments; nullptr when none is named. It is the first word,
  /// so that a file of a command's name can be given after it.
  Data* take_named(Words& arguments) const {
    const auto word = std::find_if(arguments.begin(), arguments.end(), [](const auto& argument) {
      const Words before_a_command{"-q", "-v", "--quiet", "--verbose"};
      return std::find(before_a_command.begin(), before_a_command.end(), argument) ==
             before_a_command.end();
    });
    if (word == arguments.end()) return nullptr;
    const auto found = std::find(names.begin(), names.end(), *word);
    if (found == names.end()) return nullptr;
    arguments.erase(word);
    return tables[static_cast<std::size_t>(found - names.begin())];
  }
};

Tool::Tool(std::string_view name, std::string_view summary)
    : Command(std::make_unique<Data>()), commands_(std::make_unique<Commands>()) {
  data_->name = name;
  data_->summary = summary;
}
Tool::~Tool() = default;

Command& Tool::command(std::string_view name, std::string_view summary,
                       std::function<void()> action, bool is_default) {
  auto data = std::make_unique<Data>();
  data->name = name;
  data->summary = summary;
  data->tool = data_.get();
  data->action = std::move(action);
  if (is_default) commands_->usual = data.get();
  commands_->tables.push_back(data.get());
  commands_->names.emplace_back(name);
  return *commands_->list.emplace_back(std::make_unique<Command>(std::move(data)));
}

namespace {

/// "train.yaml:3: " when the first option that `message` names, as "--heads" or, where it has none
/// such, as "heads", has its value from a file.
std::string place_of_fault(std::string_view message, Command::Data& table) {
  constexpr std::string_view kNameLetters = "abcdefghijklmnopqrstuvwxyz0123456789-";
  if (const auto dashes = message.find("--"); dashes != std::string_view::npos) {
    message =
        message.substr(dashes + 2, message.find_first_not_of(kNameLetters, dashes) - dashes - 2);
  }
  while (!message.empty()) {
    const auto end = std::min(message.find_first_not_of(kNameLetters), message.size());
    const auto* option = table.find(message.substr(0, end));
    if (option != nullptr && option->source == Source::kFile) return option->place + ": ";
    message.remove_prefix(std::min(end + 1, message.size()));
  }
  return {};
}

}  // namespace

int Tool::run(int argc, char** argv, std::function<void()> action) {
  fill_closed_descriptors();
  std::ios::sync_with_stdio(false);  // or std::cin takes a read that fails for the end of its input
  console() = {.tool_name = data_->name};
  try {
    answer(Words(argv + std::min(argc, 1), argv + argc), action);
    finish_stdout();
    return 0;
  } catch (...) {
    return tell_exception();
  }
}

void Tool::answer(std::vector<std::string> arguments, const std::function<void()>& action) {
  const auto& [list, tables, names, usual] = *commands_;
  Data* named = commands_->take_named(arguments);
  Data& table = *(named != nullptr ? named : usual != nullptr ? usual : data_.get());
  CommonSettings settings;
  auto common = settings.options();
  std::vector<Option*> options = table.all_options();
  for (auto& option : common) options.push_back(&option);

  const Typed typed = sort_arguments(arguments, options);
  set_from_flags(typed, {options.end() - std::ssize(common), options.end()});
  console().verbosity = settings.quiet ? -1 : settings.verbose ? 1 : 0;
  console().progress = settings.progress;
  if (settings.help) {
    return print(list.empty() || named != nullptr ? help_page(table, common)
                                                  : help_page(*data_, tables, usual, common));
  }
  if (settings.version) {
    print(fmt::format("{} (gpt2-tools) {}\n", data_->name, GPT2_VERSION));
    return print(describe_build_ ? describe_build_() + "\n" : "");
  }
  if (settings.generate == "man-page") {
    return print(man_page(*data_, tables, usual, common, GPT2_VERSION));
  }
  if (settings.generate == "bash-completion") {
    return print(bash_completion(*data_, tables, usual, common));
  }
  if (settings.generate == "zsh-completion") {
    return print(zsh_completion(*data_, tables, usual, common));
  }
  if (!typed.unknown_option.empty()) refuse_unknown_option(typed.unknown_option, options);
  if (!list.empty() && &table == data_.get()) refuse_missing_command(typed.positional, names);
  if (find_option(options, "config")->given()) set_from_config_file(settings.config, table);
  set_from_environment(table);
  set_from_flags(typed, table.all_options());
  drop_weaker_alternatives(table);
  set_positional(typed.positional, table, named == nullptr ? names : Words{});
  if (settings.print_config) return print(config_text(table, data_->name));
  require(table);
  std::optional<Interruption> interruption;
  if (!handles_signals_) interruption.emplace();
  try {
    (list.empty() ? action : table.action)();
  } catch (const UsageError& error) {
    throw UsageError(place_of_fault(error.what(), table) + error.what());
  }
}

}  // namespace gpt2::cli
