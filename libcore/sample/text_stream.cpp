// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/sample/text_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "formats/utf8.h"

namespace gpt2::sample {

namespace {

/// True when `text`, which begins no whole character, begins one whose last bytes may still come.
bool begins_cut_character(std::string_view text) {
  const auto lead = static_cast<std::uint8_t>(text[0]);
  if (text.size() == 1) return lead >= 0xC2 && lead <= 0xF4;
  // From the third byte on, what may follow does not depend on the character.
  return text.size() < 4 &&
         formats::utf8_sequence_length(std::string(text) + "\x80\x80") > text.size();
}

/// C0 but newline and tab, delete, and C1 (U+0080 to U+009F).
bool is_control(std::string_view character) {
  const auto first = static_cast<std::uint8_t>(character[0]);
  if (character.size() == 1) {
    return (first < 0x20 && first != '\n' && first != '\t') || first == 0x7F;
  }
  return first == 0xC2 && static_cast<std::uint8_t>(character[1]) < 0xA0;
}

std::string escaped(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("\\x{:02X}", static_cast<std::uint8_t>(byte));
  return text;
}

}  // namespace

std::string TextStream::append(std::string_view bytes) {
  held_ += bytes;
  std::string shown;
  std::string_view rest = held_;
  while (!rest.empty()) {
    const std::size_t length = formats::utf8_sequence_length(rest);
    if (length == 0 && begins_cut_character(rest)) break;
    const auto character = rest.substr(0, std::max<std::size_t>(length, 1));
    const bool plain = length > 0 && !is_control(character);
    shown += plain || !escape_ ? std::string(character) : escaped(character);
    rest.remove_prefix(character.size());
  }
  held_ = std::string(rest);
  return shown;
}

std::string TextStream::finish() {
  const auto cut = std::exchange(held_, {});
  return escape_ ? escaped(cut) : cut;
}

}  // namespace gpt2::sample
