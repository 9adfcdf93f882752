// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The contractions that GPT-2's pre-tokeniser knows.
#pragma once

#include <cstddef>
#include <string_view>

namespace gpt2::text {

/// Bytes of the contraction ('s 't 'm 'd 're 've 'll) at the apostrophe at `begin`; 0 if there is
/// none.
inline std::size_t count_contraction_bytes(std::string_view text, std::size_t begin) {
  const char first = begin + 1 < text.size() ? text[begin + 1] : '\0';
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  const char second = begin + 2 < text.size() ? text[begin + 2] : '\0';
  if (((first == 'r' || first == 'v') && second == 'e') || (first == 'l' && second == 'l'))
    return 3;
  return 0;
}

}  // namespace gpt2::text
