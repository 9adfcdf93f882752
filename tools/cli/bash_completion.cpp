// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/cli/bash_completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace gpt2::cli {
namespace {

using Words = std::vector<std::string>;

/// One branch of a case: these words are offered.
std::string branch(std::string_view pattern, const Words& words) {
  return fmt::format("    {}) words='{}' ;;\n", pattern, fmt::join(words, " "));
}

}  // namespace

std::string bash_completion(Command::Data& tool, const std::vector<Command::Data*>& commands,
                            const Command::Data* usual, const std::vector<Option>& common) {
  std::vector<Command::Data*> tables = commands;
  if (tables.empty()) tables.push_back(&tool);
  Words names;
  for (const auto* command : commands) names.push_back(command->name);

  std::map<std::string, Words> choices;  // by option; sorted, so that equal tables give equal texts
  std::string options_of_commands;
  for (auto* table : tables) {
    Words options;
    const auto add = [&](const Option& option) {
      if (option.is_hidden) return;
      options.push_back("--" + option.name);
      if (!option.choices.empty()) choices["--" + option.name] = option.choices;
    };
    for (const auto* option : table->all_options()) add(*option);
    for (const auto& option : common) add(option);
    options_of_commands += branch(commands.empty() ? "*" : table->name, options);
  }
  std::string choices_of_options;
  for (const auto& [option, words] : choices) choices_of_options += branch(option, words);

  std::string function = "_" + tool.name;
  std::ranges::replace(function, '-', '_');
  std::string script = fmt::format("# Completion of {} for bash.\n{}() {{\n", tool.name, function);
  script += fmt::format(
      "  local command='{}' word=${{COMP_WORDS[COMP_CWORD]}} words=\n"
      "  case ' {} ' in *\" ${{COMP_WORDS[1]}} \"*) command=${{COMP_WORDS[1]}} ;; esac\n",
      usual == nullptr ? "" : usual->name, fmt::join(names, " "));
  script += fmt::format("  ((COMP_CWORD > 1)) || words='{}'\n", fmt::join(names, " "));
  script += "  [[ $word != -* ]] || case $command in\n" + options_of_commands + "  esac\n";
  script += "  case ${COMP_WORDS[COMP_CWORD - 1]} in\n" + choices_of_options + "  esac\n";
  script += "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n}\n";
  return script + fmt::format("complete -o default -F {} {}\n", function, tool.name);
}

}  // namespace gpt2::cli
