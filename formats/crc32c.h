// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), by the processor's instruction where it
// has one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace gpt2::formats {

/// CRC-32C of `bytes`, continuing from `previous` (the CRC of what came before; 0 at the start).
/// crc32c("123456789") is 0xE3069283. Source: RFC 3720, appendix B.4.
std::uint32_t crc32c(std::span<const std::uint8_t> bytes, std::uint32_t previous = 0);
std::uint32_t crc32c(const void* data, std::size_t bytes, std::uint32_t previous = 0);

}  // namespace gpt2::formats
