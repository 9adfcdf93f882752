// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Numbers as files hold them, for bytes that tests put together.
#pragma once

#include <cstdint>
#include <string>

#include "formats/byte_codec.h"

namespace gpt2::formats {

/// The lowest 16, 32 or 64 bits.
inline std::string u16(std::uint64_t value) {
  std::uint8_t bytes[2];
  store_u16(bytes, static_cast<std::uint16_t>(value));
  return {bytes, bytes + 2};
}
inline std::string u32(std::uint64_t value) { return u16(value) + u16(value >> 16); }
inline std::string u64(std::uint64_t value) { return u32(value) + u32(value >> 32); }

}  // namespace gpt2::formats
