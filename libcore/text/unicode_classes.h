// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Unicode 16.0 as GPT-2's pre-tokeniser sees it: letters, numbers, white space, everything else.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace gpt2::text {

enum class CharacterClass : std::uint8_t { kOther = 0, kLetter = 1, kNumber = 2, kSpace = 3 };

namespace unicode_tables {
inline constexpr std::size_t kBlockCodePoints = 256;
inline constexpr std::size_t kBlockBytes = kBlockCodePoints / 4;  // two bits a code point
inline constexpr std::size_t kBlockCount = 804;                   // beyond them all is "other"
extern const std::array<std::uint8_t, kBlockCount> kBlockOf;
extern const std::uint8_t kPackedClasses[][kBlockBytes];
}  // namespace unicode_tables

/// The class of a code point; "other" for marks, punctuation, symbols, controls and what is not
/// assigned.
inline CharacterClass classify(char32_t code_point) {
  const std::size_t block = code_point / unicode_tables::kBlockCodePoints;
  if (block >= unicode_tables::kBlockCount) return CharacterClass::kOther;
  const std::size_t place = code_point % unicode_tables::kBlockCodePoints;
  const auto packed = unicode_tables::kPackedClasses[unicode_tables::kBlockOf[block]][place / 4];
  return static_cast<CharacterClass>(packed >> (2 * (place % 4)) & 3);
}

}  // namespace gpt2::text
