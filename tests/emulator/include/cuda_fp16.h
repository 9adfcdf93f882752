// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The part of CUDA's fp16 that libcore uses, for builds with the emulator.
#pragma once

#include <cstdint>

#include "formats/half_precision.h"

struct __half {
  std::uint16_t bits;
};

inline float __half2float(__half value) { return gpt2::formats::float_from_half(value.bits); }
/// Rounds to the nearest, ties to even; infinite from 65520 on.
inline __half __float2half_rn(float value) { return {gpt2::formats::half_from_float(value)}; }
