// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/fingerprint.h"

#include <fmt/format.h>

#include "formats/errors.h"
#include "formats/json_text.h"

namespace gpt2::formats {
namespace {

int hex_digit(char character) {
  if (character >= '0' && character <= '9') return character - '0';
  if (character >= 'a' && character <= 'f') return character - 'a' + 10;
  if (character >= 'A' && character <= 'F') return character - 'A' + 10;
  return -1;
}

}  // namespace

std::string to_hex(const Fingerprint& fingerprint) {
  return fmt::format("{:02x}", fmt::join(fingerprint, ""));
}

Fingerprint fingerprint_from_hex(std::string_view hex) {
  Fingerprint fingerprint{};
  bool valid = hex.size() == 2 * fingerprint.size();
  for (std::size_t i = 0; valid && i < fingerprint.size(); ++i) {
    const int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);
    valid = high >= 0 && low >= 0;
    fingerprint[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  if (!valid) {
    throw InputError(
        fmt::format("tokenizer fingerprint {} is not 32 hexadecimal digits", json_quote(hex)));
  }
  return fingerprint;
}

}  // namespace gpt2::formats
