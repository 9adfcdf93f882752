// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The values of options as text: read from flags, environment and YAML alike, and written back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace gpt2::cli {

/// The variable that an option fills.
using OptionTarget = std::variant<std::string*, std::int64_t*, std::uint64_t*, std::uint32_t*, int*,
                                  double*, float*, bool*, std::vector<std::string>*>;

/// Sets the target from words: any number for a list, else exactly one. Nothing is set on an error.
/// Throws: UsageError that says what is wrong with the value, not which option it was given to.
void assign(const OptionTarget& target, const std::vector<std::string>& words);

/// The target's value as a text that `words_of` turns back into words; a list is a YAML list.
/// Throws: UsageError for a list with words that are not UTF-8, which YAML cannot hold.
std::string text_of(const OptionTarget& target);
/// The same as YAML, strings in quotes. Throws: UsageError for a word that is not UTF-8.
std::string yaml_of(const OptionTarget& target);
/// Throws: UsageError when a list's text is not a YAML list of words.
std::vector<std::string> words_of(const OptionTarget& target, const std::string& text);

bool is_utf8(std::string_view text);
/// Place of the first byte that YAML forbids and yaml-cpp would change or end at: no UTF-8, or a
/// control character; text.size() if there is none.
std::size_t find_forbidden_in_yaml(std::string_view text);

/// Is the target an empty string or list: a default that --help need not show?
bool is_empty(const OptionTarget& target);

}  // namespace gpt2::cli
