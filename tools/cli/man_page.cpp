// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/cli/man_page.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/cli/help_text.h"

namespace gpt2::cli {
namespace {

/// `text` as roff shows it: no sign commands the formatter, and what is copied from the page can be
/// typed.
std::string escaped(std::string_view text) {
  std::string roff = text.starts_with('.') || text.starts_with('\'') ? "\\&" : "";
  for (const char c : text) {
    switch (c) {
      case '\\':
        roff += "\\e";
        break;
      case '-':
        roff += "\\-";
        break;
      case '\'':
        roff += "\\(aq";
        break;
      case '`':
        roff += "\\(ga";
        break;
      case '^':
        roff += "\\(ha";
        break;
      case '~':
        roff += "\\(ti";
        break;
      case '"':
        roff += "\\(dq";
        break;
      default:
        roff += c;
    }
  }
  return roff;
}

std::string bold(std::string_view text) { return "\\fB" + escaped(text) + "\\fR"; }

std::string tagged(const std::string& tag, std::string_view text) {
  return fmt::format(".TP\n{}\n{}\n", tag, escaped(text));
}

std::string option_rows(const std::vector<Option*>& options) {
  std::string roff;
  for (const auto* option : options) {
    if (!option->is_hidden) roff += tagged(bold(option->spec()), explanation_of(*option));
  }
  return roff;
}

std::string usage(const std::string& name, Command::Data& command) {
  return fmt::format("{} {}\n", bold(name),
                     escaped(fmt::format("{}", fmt::join(usage_pieces(command), " "))));
}

/// What a command reads and writes, and its options.
std::string body(Command::Data& command) {
  std::string roff = escaped(command.summary) + "\n";
  if (!command.reads.empty()) roff += tagged("Reads", command.reads);
  if (!command.writes.empty()) roff += tagged("Writes", command.writes);
  if (!command.positional.help.empty()) {
    roff += tagged(bold(command.positional.name), command.positional.help);
  }
  return roff + option_rows(command.all_options());
}

std::string without_full_stop(std::string text) {
  if (text.ends_with('.')) text.pop_back();
  return text;
}

std::string capitals(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return text;
}

}  // namespace

std::string man_page(Command::Data& tool, const std::vector<Command::Data*>& commands,
                     const Command::Data* usual, const std::vector<Option>& common,
                     std::string_view version) {
  std::string roff = fmt::format(".TH {} 1 \"\" \"gpt2\\-tools {}\" \"gpt2\\-tools\"\n",
                                 escaped(capitals(tool.name)), version);
  roff += fmt::format(".SH NAME\n{} \\- {}\n", escaped(tool.name),
                      escaped(without_full_stop(tool.summary)));
  roff += ".SH SYNOPSIS\n";
  if (commands.empty()) roff += usage(tool.name, tool);
  for (auto* command : commands) {
    if (command != commands.front()) roff += ".br\n";
    const auto* form = command == usual ? "{} [{}]" : "{} {}";
    roff += usage(fmt::format(fmt::runtime(form), tool.name, command->name), *command);
  }
  roff += ".SH DESCRIPTION\n";
  std::vector<std::string> examples = tool.examples;
  if (commands.empty()) {
    roff += body(tool);
  } else {
    roff += escaped(tool.summary) + "\n";
  }
  for (auto* command : commands) {
    roff += fmt::format(".SS {}\n{}", escaped(command->name), body(*command));
    examples.insert(examples.end(), command->examples.begin(), command->examples.end());
  }
  roff += ".SH COMMON OPTIONS\n";
  for (const auto& option : common) {
    if (!option.is_hidden) roff += tagged(bold(option.spec()), explanation_of(option));
  }
  roff += ".SH ENVIRONMENT\n";
  roff +=
      tagged(bold("GPT2_OPTION_NAME"),
             "Sets --option-name, so GPT2_SEED sets --seed. The common options have no variable.");
  roff += fmt::format(".PP\n{}\n", escaped(kPrecedence));
  roff += ".SH EXIT STATUS\n";
  for (const auto& [code, meaning] : kExitCodes) roff += tagged(std::to_string(code), meaning);
  roff += ".SH EXAMPLES\n";
  for (const auto& example : examples) roff += fmt::format(".PP\n.EX\n{}\n.EE\n", escaped(example));
  return roff;
}

}  // namespace gpt2::cli
