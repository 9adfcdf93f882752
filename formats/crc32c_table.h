// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// CRC-32C without the instruction: the fall-back of crc32c.cpp, apart so that a test can compare
// the two.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gpt2::formats {

/// Continues the raw register `crc` (neither inverted before nor after).
std::uint32_t crc32c_update_by_table(const std::uint8_t* data, std::size_t bytes,
                                     std::uint32_t crc);

}  // namespace gpt2::formats
