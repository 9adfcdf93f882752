// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// bfloat16 and IEEE half as bits: exact to float, round to nearest even from float. NaN stays NaN.
#pragma once

#include <cstdint>

namespace gpt2::formats {

float float_from_bfloat16(std::uint16_t bits);
float float_from_half(std::uint16_t bits);
std::uint16_t bfloat16_from_float(float value);
std::uint16_t half_from_float(float value);  // above 65504: infinity

}  // namespace gpt2::formats
