// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// GPT-2's pattern read as a backtracking engine reads it, alternative by alternative: what the
// pre-tokeniser is compared with.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "libcore/text/unicode_classes.h"

namespace gpt2::test {

struct PlainCharacter {
  std::string_view bytes;
  text::CharacterClass kind;
};

/// Where the match that begins at `begin` ends.
inline std::size_t match_pattern(std::span<const PlainCharacter> text, std::size_t begin) {
  using text::CharacterClass;
  const auto literal = [&](std::size_t place, std::string_view bytes) {
    return place < text.size() && text[place].bytes == bytes;
  };
  const auto is = [&](std::size_t place, CharacterClass kind) {
    return place < text.size() && text[place].kind == kind;
  };
  for (const std::string_view word : {"s", "t", "re", "ve", "m", "ll", "d"}) {
    bool matches = literal(begin, "'");
    for (std::size_t place = 0; place < word.size(); ++place) {
      matches = matches && literal(begin + 1 + place, word.substr(place, 1));
    }
    if (matches) return begin + 1 + word.size();
  }
  for (const auto kind :
       {CharacterClass::kLetter, CharacterClass::kNumber, CharacterClass::kOther}) {
    std::size_t end = begin + (literal(begin, " ") ? 1 : 0);
    const std::size_t first = end;
    while (is(end, kind)) ++end;
    if (end > first) return end;
  }
  std::size_t run_end = begin;
  while (is(run_end, CharacterClass::kSpace)) ++run_end;
  for (std::size_t end = run_end; end > begin; --end) {  // \s+(?!\S), giving back one by one
    if (end == text.size() || is(end, CharacterClass::kSpace)) return end;
  }
  return run_end;
}

}  // namespace gpt2::test
