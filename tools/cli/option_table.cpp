// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/cli/option_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <type_traits>

#include "formats/errors.h"

namespace gpt2::cli {
namespace {

/// Letters to insert, delete or replace to make `b` of `a` (Levenshtein 1966).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

double number_of(const OptionTarget& target) {
  return std::visit(
      [](const auto* value) {
        if constexpr (std::is_arithmetic_v<std::remove_pointer_t<decltype(value)>>) {
          return static_cast<double>(*value);
        } else {
          throw std::logic_error("only a number has a least value");
          return 0.0;
        }
      },
      target);
}

}  // namespace

std::string Option::spec() const {
  std::string text = "--" + name;
  if (letter != '\0') text = fmt::format("-{}, {}", letter, text);
  if (!is_flag()) text += " " + value_name;
  return is_list() ? text + "..." : text;
}

void Option::unset() {
  assign(target, words_of(target, initial));
  source = Source::kDefault;
}

void Option::set(const std::vector<std::string>& words, std::string_view name_of_source) {
  try {
    if (!choices.empty() && words.size() == 1 &&
        std::find(choices.begin(), choices.end(), words.front()) == choices.end()) {
      throw formats::UsageError(
          fmt::format("'{}' is none of {}", words.front(), fmt::join(choices, ", ")));
    }
    assign(target, words);
    if (least && number_of(target) < *least) {
      throw formats::UsageError(
          fmt::format("{} is too small; the least is {}", words.front(), *least));
    }
  } catch (const formats::UsageError& error) {
    throw formats::UsageError(fmt::format("{}: {}", name_of_source, error.what()));
  }
}

std::vector<Option*> Command::Data::all_options() {
  std::vector<Option*> all;
  for (auto& option : options) all.push_back(&option);
  if (tool != nullptr) {
    for (auto& option : tool->options) all.push_back(&option);
  }
  return all;
}

Option* Command::Data::find(std::string_view option_name) {
  for (auto* option : all_options()) {
    if (option->name == option_name) return option;
  }
  return nullptr;
}

std::vector<Option> CommonSettings::options() {
  return {
      {.name = "config",
       .value_name = "FILE",
       .help = "options from a YAML file, one 'name: value' a line",
       .target = &config},
      {.name = "print-config",
       .help = "print the configuration that results, as YAML, and exit",
       .target = &print_config},
      {.name = "progress",
       .value_name = "WHEN",
       .help = "a progress line on stderr; auto: on a terminal",
       .default_text = progress,
       .choices = {"auto", "on", "off"},
       .target = &progress},
      {.name = "quiet", .help = "no words but errors", .target = &quiet, .letter = 'q'},
      {.name = "verbose", .help = "more words on stderr", .target = &verbose, .letter = 'v'},
      {.name = "help", .help = "print this page and exit", .target = &help, .letter = 'h'},
      {.name = "version", .help = "print the version and exit", .target = &version, .letter = 'V'},
      {.name = "generate",
       .value_name = "WHAT",
       .help = "print the man page or the completion of a shell",
       .choices = {"man-page", "bash-completion", "zsh-completion"},
       .target = &generate,
       .is_hidden = true}};
}

std::string nearest_name(std::string_view wrong, const std::vector<std::string>& names) {
  std::string nearest;
  std::size_t least = std::max<std::size_t>(2, wrong.size() / 3) + 1;
  for (const auto& name : names) {
    const bool abbreviated = wrong.size() >= 3 && name.starts_with(wrong);
    const std::size_t distance = abbreviated ? 1 : edit_distance(wrong, name);
    if (distance < std::min(least, std::max(wrong.size(), name.size()))) {
      least = distance;
      nearest = name;
    }
  }
  return nearest;
}

std::string advice_on(std::string_view wrong, const std::vector<std::string>& names,
                      std::string_view before) {
  const auto nearest = nearest_name(wrong, names);
  return nearest.empty() ? "; see --help" : fmt::format("; did you mean {}{}?", before, nearest);
}

std::vector<std::string> names_of(const std::vector<Option*>& options) {
  std::vector<std::string> names;
  for (const auto* option : options) {
    if (!option->is_hidden) names.push_back(option->name);
  }
  return names;
}

}  // namespace gpt2::cli
