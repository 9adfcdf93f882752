// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// GPT-2's pre-tokeniser: cuts text into the pieces that BPE works on, without a regex engine. It
// gives what the pattern
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// gives with the classes of Unicode 16.0. Each byte outside a well-formed UTF-8 sequence (Unicode,
// table 3-7) is one character of class "other", so any bytes can be cut and the pieces joined are
// the text.
#pragma once

#include <cstddef>
#include <string_view>

namespace gpt2::text {

/// Where the pre-token that begins at `begin` ends. `begin` is below text.size() and is where a
/// pre-token begins; the end of `text` is taken for the end of the document. Time is linear in the
/// bytes of the pre-token.
std::size_t find_pretoken_end(std::string_view text, std::size_t begin);

/// The last place in `text` where one pre-token ends and another begins, whatever text comes before
/// and after; 0 if there is none. So a long document can be encoded in parts.
std::size_t find_safe_cut(std::string_view text);

}  // namespace gpt2::text
