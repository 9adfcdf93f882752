// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Tokenizer fingerprint: 16 bytes that two tokenizers share exactly when they give the same ids.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace gpt2::formats {

using Fingerprint = std::array<std::uint8_t, 16>;

/// All zero: unknown, matches anything.
inline bool is_unknown(const Fingerprint& fingerprint) {
  return std::all_of(fingerprint.begin(), fingerprint.end(), [](auto byte) { return byte == 0; });
}
/// True when both are the same or one is unknown.
inline bool may_match(const Fingerprint& a, const Fingerprint& b) {
  return is_unknown(a) || is_unknown(b) || a == b;
}
/// 32 lower-case hexadecimal digits.
std::string to_hex(const Fingerprint& fingerprint);
/// Throws: InputError unless `hex` is 32 hexadecimal digits.
Fingerprint fingerprint_from_hex(std::string_view hex);

}  // namespace gpt2::formats
