// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/cli/help_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace gpt2::cli {
namespace {

constexpr std::size_t kColumns = 100;

/// `head`, then `pieces` with a blank between, broken before column 100; further lines are indented
/// to the width of `head`.
std::string wrapped(const std::string& head, const std::vector<std::string>& pieces) {
  std::string text, line = head;
  bool fresh = true;
  for (const auto& piece : pieces) {
    if (!fresh && line.size() + 1 + piece.size() > kColumns) {
      text += line + "\n";
      line.assign(head.size(), ' ');
      fresh = true;
    }
    line += (fresh ? "" : " ") + piece;
    fresh = false;
  }
  return text + line + "\n";
}

std::vector<std::string> words_in(const std::string& text) {
  std::vector<std::string> words;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const auto end = std::min(text.find(' ', begin), text.size());
    if (end > begin) words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

using Row = std::pair<std::string, std::string>;  // what is typed, what it does

std::string rows_text(const std::vector<Row>& rows) {
  constexpr std::size_t kIndent = 2, kGap = 4, kWidestName = 30;
  std::size_t name_columns = 0;
  for (const auto& [name, help] : rows) {
    if (name.size() <= kWidestName) name_columns = std::max(name_columns, name.size());
  }
  std::string text;
  for (const auto& [name, help] : rows) {
    std::string head = std::string(kIndent, ' ') + name;
    const std::size_t width = kIndent + name_columns + kGap;
    if (name.size() > kWidestName) {
      text += head + "\n";
      head.clear();
    }
    head.resize(width, ' ');
    text += wrapped(head, words_in(help));
  }
  return text;
}

/// Everything of one command but its usage line.
std::string section(Command::Data& command) {
  std::string text = wrapped("", words_in(command.summary));
  if (!command.reads.empty()) text += wrapped("Reads   ", words_in(command.reads));
  if (!command.writes.empty()) text += wrapped("Writes  ", words_in(command.writes));
  std::vector<Row> rows;
  if (!command.positional.help.empty()) {
    rows.emplace_back(command.positional.name, command.positional.help);
  }
  for (const auto* option : command.all_options()) {
    rows.emplace_back(option->spec(), explanation_of(*option));
  }
  text += rows_text(rows);
  for (const auto& example : command.examples) text += "Example: " + example + "\n";
  return text;
}

std::string common_text(const std::vector<Option>& common) {
  std::vector<Row> rows;
  for (const auto& option : common) {
    if (!option.is_hidden) rows.emplace_back(option.spec(), explanation_of(option));
  }
  std::string codes;
  for (const auto& [code, meaning] : kExitCodes) {
    codes += fmt::format("{}{} {}", codes.empty() ? "" : ", ", code, meaning);
  }
  return "\n" + rows_text(rows) + wrapped("", words_in(std::string(kPrecedence))) +
         wrapped("Exit codes: ", words_in(codes));
}

}  // namespace

std::vector<std::string> usage_pieces(Command::Data& command) {
  std::vector<std::string> pieces;
  for (const auto* option : command.all_options()) {
    if (option->required) pieces.push_back(option->spec());
  }
  pieces.push_back("[options]");
  const auto& positional = command.positional;
  if (!positional.name.empty()) {
    pieces.push_back(positional.required ? positional.name : "[" + positional.name + "]");
  }
  if (!command.redirection.empty()) pieces.push_back(command.redirection);
  return pieces;
}

std::string explanation_of(const Option& option) {
  std::string text = option.help;
  if (!option.choices.empty()) text += fmt::format(" ({})", fmt::join(option.choices, "|"));
  if (option.required) {
    text += " (required)";
  } else if (!option.default_text.empty()) {
    text += fmt::format(" [{}]", option.default_text);
  }
  return text;
}

std::string help_page(Command::Data& command, const std::vector<Option>& common) {
  const std::string name =
      command.tool == nullptr ? command.name : command.tool->name + " " + command.name;
  return wrapped("Usage: " + name + " ", usage_pieces(command)) + section(command) +
         common_text(common);
}

std::string help_page(Command::Data& tool, const std::vector<Command::Data*>& commands,
                      const Command::Data* usual, const std::vector<Option>& common) {
  std::string text;
  for (auto* command : commands) {
    const auto* format = command == usual ? "{}{} [{}] " : "{}{} {} ";
    text += wrapped(fmt::format(fmt::runtime(format), text.empty() ? "Usage: " : "       ",
                                tool.name, command->name),
                    usage_pieces(*command));
  }
  text += wrapped("", words_in(tool.summary));
  for (auto* command : commands) text += fmt::format("\n{}: {}", command->name, section(*command));
  return text + common_text(common);
}

}  // namespace gpt2::cli
