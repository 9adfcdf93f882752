// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Little-endian numbers in bytes, one byte at a time: no struct is ever dumped or cast from memory.
#pragma once

#include <cstdint>

namespace gpt2::formats {

inline std::uint16_t load_u16(const std::uint8_t* bytes) {
  return static_cast<std::uint16_t>(bytes[0] | bytes[1] << 8);
}
inline std::uint32_t load_u32(const std::uint8_t* bytes) {
  return static_cast<std::uint32_t>(load_u16(bytes)) |
         static_cast<std::uint32_t>(load_u16(bytes + 2)) << 16;
}
inline std::uint64_t load_u64(const std::uint8_t* bytes) {
  return static_cast<std::uint64_t>(load_u32(bytes)) |
         static_cast<std::uint64_t>(load_u32(bytes + 4)) << 32;
}
inline void store_u16(std::uint8_t* bytes, std::uint16_t value) {
  bytes[0] = static_cast<std::uint8_t>(value);
  bytes[1] = static_cast<std::uint8_t>(value >> 8);
}
inline void store_u32(std::uint8_t* bytes, std::uint32_t value) {
  store_u16(bytes, static_cast<std::uint16_t>(value));
  store_u16(bytes + 2, static_cast<std::uint16_t>(value >> 16));
}
inline void store_u64(std::uint8_t* bytes, std::uint64_t value) {
  store_u32(bytes, static_cast<std::uint32_t>(value));
  store_u32(bytes + 4, static_cast<std::uint32_t>(value >> 32));
}

}  // namespace gpt2::formats
