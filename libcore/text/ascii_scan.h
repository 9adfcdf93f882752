// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// GPT-2's pre-tokeniser for plain ASCII, 64 bytes at a time.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace gpt2::text {

inline constexpr std::size_t kAsciiBlockBytes = 64;

/// Finds the ends of the pre-tokens from `begin` on, one after the other, and gives their number.
/// It stops before the first that is not plain ASCII, is longer than a block or lies in the last
/// block of `text`, and when fewer than kAsciiBlockBytes places of `ends` are free.
/// `begin` is where a pre-token begins.
std::size_t find_ascii_ends(std::string_view text, std::size_t begin, std::span<std::size_t> ends);

}  // namespace gpt2::text
