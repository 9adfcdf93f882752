// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// GPT-2's pre-tokeniser: cuts text into the pieces that BPE works on, without a regex engine. It
// gives what the pattern
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// gives with the classes of Unicode 16.0. Each byte outside a well-formed UTF-8 sequence (Unicode,
// table 3-7) is one character of class "other", so any bytes can be cut and the pieces joined are
// the text.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace gpt2::text {

/// Where the pre-token that begins at `begin` ends. `begin` is below text.size() and is where a
/// pre-token begins; the end of `text` is taken for the end of the document. Time is linear in the
/// bytes of the pre-token.
std::size_t find_pretoken_end(std::string_view text, std::size_t begin);

/// Finds where the pre-tokens from `begin` on end, one after the other, and gives their number: at
/// least one unless `begin` is the end of `text`, and no more than `ends` has places. It has at
/// least kPretokenStretch.
std::size_t find_pretoken_ends(std::string_view text, std::size_t begin,
                               std::span<std::size_t> ends);
inline constexpr std::size_t kPretokenStretch = 64;

/// Calls action(pre-token) for each of `text`, in order.
template <typename Action>
void for_each_pretoken(std::string_view text, const Action& action) {
  std::array<std::size_t, 4 * kPretokenStretch> ends;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t count = find_pretoken_ends(text, begin, ends);
    for (const std::size_t end : std::span(ends).first(count)) {
      action(text.substr(begin, end - begin));
      begin = end;
    }
  }
}

/// The last place in `text` where one pre-token ends and another begins, whatever text comes before
/// and after; 0 if there is none. So a long document can be encoded in parts.
std::size_t find_safe_cut(std::string_view text);

}  // namespace gpt2::text
