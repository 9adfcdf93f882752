// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What the tensor cores read of a float in tf32.
#pragma once

#include <bit>
#include <cstdint>

namespace gpt2::support {

/// 10 bits after the first, the nearest, ties away from 0.
inline float rounded_to_tf32(float value) {
  return std::bit_cast<float>((std::bit_cast<std::uint32_t>(value) + 0x1000) & ~0x1FFFU);
}

}  // namespace gpt2::support
