// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/eval/python_text.h"

#include <algorithm>
#include <clocale>
#include <cwctype>
#include <memory>
#include <type_traits>

#include "formats/errors.h"
#include "formats/utf8.h"

namespace gpt2::eval {
namespace {

struct CodePoint {
  char32_t value = 0;
  std::size_t bytes = 1;
};
CodePoint first_code_point(std::string_view text) {
  const std::size_t bytes = std::max<std::size_t>(1, formats::utf8_sequence_length(text));
  const auto lead = static_cast<unsigned char>(text[0]);
  char32_t value = bytes == 1 ? lead : lead & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    value = value << 6 | (static_cast<unsigned char>(text[i]) & 0x3FU);
  }
  return {value, bytes};
}

void append_utf8(char32_t value, std::string& text) {
  const auto append = [&](char32_t byte) { text += static_cast<char>(byte); };
  if (value < 0x80) return append(value);
  if (value < 0x800) {
    append(0xC0 | value >> 6);
  } else {
    if (value < 0x10000) {
      append(0xE0 | value >> 12);
    } else {
      append(0xF0 | value >> 18);
      append(0x80 | (value >> 12 & 0x3F));
    }
    append(0x80 | (value >> 6 & 0x3F));
  }
  append(0x80 | (value & 0x3F));
}

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

/// The C library's tables of Unicode, whatever the user's language is.
locale_t unicode_locale() {
  struct Free {
    void operator()(locale_t locale) const { freelocale(locale); }
  };
  static const std::unique_ptr<std::remove_pointer_t<locale_t>, Free> kLocale(
      newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr));
  if (!kLocale) throw formats::UnavailableError("the C library has no locale C.UTF-8");
  return kLocale.get();
}

}  // namespace

std::string_view strip_right(std::string_view text) {
  std::size_t end = 0;
  for (std::size_t place = 0; place < text.size();) {
    const auto [value, bytes] = first_code_point(text.substr(place));
    place += bytes;
    if (!is_space(value)) end = place;
  }
  return text.substr(0, end);
}

std::string_view strip(std::string_view text) {
  while (!text.empty()) {
    const auto [value, bytes] = first_code_point(text);
    if (!is_space(value)) break;
    text.remove_prefix(bytes);
  }
  return strip_right(text);
}

std::uint64_t count_characters(std::string_view text) {
  std::uint64_t count = 0;
  for (; !text.empty(); ++count) text.remove_prefix(first_code_point(text).bytes);
  return count;
}

std::string capitalize(std::string_view text) {
  const auto locale = unicode_locale();
  std::string capitalized;
  for (std::size_t place = 0; place < text.size();) {
    const auto [value, bytes] = first_code_point(text.substr(place));
    const auto character = static_cast<std::wint_t>(value);
    append_utf8(static_cast<char32_t>(place == 0 ? towupper_l(character, locale)
                                                 : towlower_l(character, locale)),
                capitalized);
    place += bytes;
  }
  return capitalized;
}

}  // namespace gpt2::eval
