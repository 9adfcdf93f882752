// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/crc32c.h"

#include <array>
#include <cstring>

#include "formats/crc32c_table.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#endif

namespace gpt2::formats {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0x82F63B78 : crc >> 1;
    table[byte] = crc;
  }
  return table;
}
constexpr auto kTable = make_table();

using Update = std::uint32_t (*)(const std::uint8_t*, std::size_t, std::uint32_t);

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t update_by_instruction(const std::uint8_t* data,
                                                                      std::size_t bytes,
                                                                      std::uint32_t crc) {
  std::uint64_t wide = crc;
  for (; bytes >= 8; data += 8, bytes -= 8) {
    std::uint64_t word;
    std::memcpy(&word, data, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  crc = static_cast<std::uint32_t>(wide);
  for (; bytes > 0; ++data, --bytes) crc = _mm_crc32_u8(crc, *data);
  return crc;
}
Update choose_update() {
  return __builtin_cpu_supports("sse4.2") ? update_by_instruction : crc32c_update_by_table;
}
#elif defined(__aarch64__)
__attribute__((target("+crc"))) std::uint32_t update_by_instruction(const std::uint8_t* data,
                                                                    std::size_t bytes,
                                                                    std::uint32_t crc) {
  for (; bytes >= 8; data += 8, bytes -= 8) {
    std::uint64_t word;
    std::memcpy(&word, data, 8);
    crc = __crc32cd(crc, word);
  }
  for (; bytes > 0; ++data, --bytes) crc = __crc32cb(crc, *data);
  return crc;
}
Update choose_update() {
  constexpr unsigned long kHwcapCrc32 = 1UL << 7;
  return getauxval(AT_HWCAP) & kHwcapCrc32 ? update_by_instruction : crc32c_update_by_table;
}
#else
Update choose_update() { return crc32c_update_by_table; }
#endif

}  // namespace

std::uint32_t crc32c_update_by_table(const std::uint8_t* data, std::size_t bytes,
                                     std::uint32_t crc) {
  for (; bytes > 0; ++data, --bytes) crc = kTable[(crc ^ *data) & 0xFF] ^ crc >> 8;
  return crc;
}

std::uint32_t crc32c(const void* data, std::size_t bytes, std::uint32_t previous) {
  static const Update update = choose_update();
  return ~update(static_cast<const std::uint8_t*>(data), bytes, ~previous);
}

std::uint32_t crc32c(std::span<const std::uint8_t> bytes, std::uint32_t previous) {
  return crc32c(bytes.data(), bytes.size(), previous);
}

}  // namespace gpt2::formats
