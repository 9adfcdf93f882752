// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/text/pretokenizer.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "formats/utf8.h"
#include "libcore/text/ascii_scan.h"
#include "libcore/text/contraction.h"
#include "libcore/text/unicode_classes.h"

namespace gpt2::text {
namespace {

struct Character {
  std::size_t bytes;
  CharacterClass kind;
};

constexpr bool is_ascii(char byte) { return static_cast<unsigned char>(byte) < 0x80; }

constexpr CharacterClass classify_ascii(unsigned char byte) {
  if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z')) return CharacterClass::kLetter;
  if (byte >= '0' && byte <= '9') return CharacterClass::kNumber;
  if (byte == ' ' || (byte >= '\t' && byte <= '\r')) return CharacterClass::kSpace;
  return CharacterClass::kOther;
}

constexpr std::uint8_t kNotAscii = 0xFF;  // differs from every class
constexpr auto kClassOfByte = [] {
  std::array<std::uint8_t, 256> classes{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    classes[byte] =
        byte < 0x80 ? static_cast<std::uint8_t>(classify_ascii(static_cast<unsigned char>(byte)))
                    : kNotAscii;
  }
  return classes;
}();

std::uint8_t class_of_byte(char byte) { return kClassOfByte[static_cast<unsigned char>(byte)]; }

/// The character at `begin`, whose first byte is not ASCII.
Character decode_beyond_ascii(std::string_view text, std::size_t begin) {
  const std::size_t bytes = formats::utf8_sequence_length(text.substr(begin));
  if (bytes == 0) return {1, CharacterClass::kOther};
  char32_t code_point = static_cast<unsigned char>(text[begin]) & (0x7FU >> bytes);
  for (std::size_t index = 1; index < bytes; ++index) {
    code_point = code_point << 6 | (static_cast<unsigned char>(text[begin + index]) & 0x3FU);
  }
  return {bytes, classify(code_point)};
}

Character character_at(std::string_view text, std::size_t begin) {
  const std::uint8_t kind = class_of_byte(text[begin]);
  if (kind == kNotAscii) return decode_beyond_ascii(text, begin);
  return {1, static_cast<CharacterClass>(kind)};
}

/// The character that ends at `end` > 0, which is where a character begins. A lead byte is never
/// inside a well-formed sequence, so looking back for one finds the same characters as reading
/// forward.
Character character_before(std::string_view text, std::size_t end) {
  for (std::size_t bytes = 1; bytes <= std::min<std::size_t>(4, end); ++bytes) {
    const Character character = character_at(text.substr(0, end), end - bytes);
    if (character.bytes == bytes && (bytes > 1 || is_ascii(text[end - 1]))) return character;
  }
  return {1, CharacterClass::kOther};
}

/// End of the run of `kind` that goes on at `position`.
std::size_t find_run_end(std::string_view text, std::size_t position, CharacterClass kind) {
  while (position < text.size()) {
    const std::uint8_t found = class_of_byte(text[position]);
    if (found == static_cast<std::uint8_t>(kind)) {
      ++position;
    } else if (found == kNotAscii) {
      const Character character = decode_beyond_ascii(text, position);
      if (character.kind != kind) break;
      position += character.bytes;
    } else {
      break;
    }
  }
  return position;
}

/// Are the next bytes plain ASCII, so that looking at a block of them is worth its while?
bool is_ascii_ahead(std::string_view text, std::size_t begin) {
  std::uint64_t bytes = 0;
  if (begin + sizeof bytes > text.size()) return false;
  std::memcpy(&bytes, text.data() + begin, sizeof bytes);
  return (bytes & UINT64_C(0x8080808080808080)) == 0;
}

}  // namespace

std::size_t find_pretoken_end(std::string_view text, std::size_t begin) {
  if (text[begin] == '\'') {
    if (const std::size_t bytes = count_contraction_bytes(text, begin)) return begin + bytes;
  }
  Character first = character_at(text, begin);
  std::size_t position = begin + first.bytes;
  if (text[begin] == ' ' && position < text.size()) {
    // A space joins what follows, unless that is white space too.
    if (const Character next = character_at(text, position); next.kind != CharacterClass::kSpace) {
      first = next;
      position += next.bytes;
    }
  }
  if (first.kind != CharacterClass::kSpace) return find_run_end(text, position, first.kind);

  const std::size_t end = find_run_end(text, position, CharacterClass::kSpace);
  if (end == text.size() || end == position) return end;  // at the end of the text, or alone
  return end - character_before(text, end).bytes;         // the last one stays with what follows
}

std::size_t find_pretoken_ends(std::string_view text, std::size_t begin,
                               std::span<std::size_t> ends) {
  std::size_t count = 0;
  while (begin < text.size() && (count == 0 || count + kAsciiBlockBytes <= ends.size())) {
    const std::size_t in_ascii =
        is_ascii_ahead(text, begin) ? find_ascii_ends(text, begin, ends.subspan(count)) : 0;
    if (in_ascii == 0) {
      ends[count++] = find_pretoken_end(text, begin);
    } else {
      count += in_ascii;
    }
    begin = ends[count - 1];
  }
  return count;
}

std::size_t find_safe_cut(std::string_view text) {
  // Between characters of two classes a pre-token always ends, but for white space before something
  // (it may be taken along) and for an apostrophe (it may begin a contraction).
  for (std::size_t cut = text.empty() ? 0 : text.size() - 1; cut > 0; --cut) {
    const Character right = character_at(text, cut);
    const bool begins_character = is_ascii(text[cut]) || right.bytes > 1;
    if (!begins_character || text[cut - 1] == '\'') continue;
    const Character left = character_before(text, cut);
    if (left.kind != CharacterClass::kSpace && left.kind != right.kind) return cut;
  }
  return 0;
}

}  // namespace gpt2::text
