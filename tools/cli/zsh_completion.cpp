// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/cli/zsh_completion.h"

#include <fmt/format.h>

namespace gpt2::cli {
namespace {

/// `text` in single quotes, for _arguments, where brackets and colons mean something.
std::string quoted(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\'') {
      result += "'\\''";
    } else {
      if (c == '[' || c == ']' || c == ':' || c == '\\') result += '\\';
      result += c;
    }
  }
  return result;
}

/// The line of an option in the list that _arguments takes.
std::string specification(const Option& option) {
  const auto action = option.choices.empty() ? std::string("_files")
                                             : fmt::format("({})", fmt::join(option.choices, " "));
  const auto what =
      fmt::format("[{}]{}", quoted(option.help),
                  option.is_flag() ? "" : fmt::format(":{}:{}", quoted(option.value_name), action));
  std::string line = fmt::format("      '{}--{}{}{}'\n", option.is_list() ? "*" : "", option.name,
                                 option.is_flag() ? "" : "=", what);
  if (option.letter != '\0') line += fmt::format("      '-{}{}'\n", option.letter, what);
  return line;
}

std::string branch(const std::string& pattern, Command::Data& table,
                   const std::vector<Option>& common) {
  std::string lines;
  for (const auto* option : table.all_options()) {
    if (!option->is_hidden) lines += specification(*option);
  }
  for (const auto& option : common) {
    if (!option.is_hidden) lines += specification(option);
  }
  return fmt::format("    ({}) options=(\n{}    ) ;;\n", pattern, lines);
}

}  // namespace

std::string zsh_completion(Command::Data& tool, const std::vector<Command::Data*>& commands,
                           const Command::Data* usual, const std::vector<Option>& common) {
  std::vector<std::string> names;
  std::string branches;
  for (auto* command : commands) {
    names.push_back(command->name);
    if (command != usual) branches += branch(command->name, *command, common);
  }
  for (auto* command : commands) {
    if (command == usual) branches += branch("*", *command, common);
  }
  if (commands.empty()) branches = branch("*", tool, common);
  std::string script = fmt::format("#compdef {0}\n# Completion of {0} for zsh.\n", tool.name);
  script += "local -a options\n";
  if (!names.empty()) {
    script += fmt::format("(( CURRENT == 2 )) && compadd -- {}\n", fmt::join(names, " "));
  }
  script += "  case $words[2] in\n" + branches + "  esac\n";
  return script + "_arguments -s -S $options '*:file:_files'\n";
}

}  // namespace gpt2::cli
