// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What follows a matrix product, done to a tile while it is in the cache. `stride` is the distance
// of two rows.
#pragma once

#include "libcore/kernels/product_cpu.h"

namespace gpt2::kernels {

/// y += bias, for the elements of `tile`.
void add_bias(const Tiling::Tile& tile, const float* bias, std::int64_t stride, float* y);
/// pre_activation += bias (null: none); y = gelu(pre_activation), the tanh form. y may be it.
/// Source: Hendrycks and Gimpel 2016, Gaussian Error Linear Units, section 2.
void add_bias_gelu(const Tiling::Tile& tile, const float* bias, std::int64_t stride,
                   float* pre_activation, float* y);
/// dx *= gelu'(pre_activation).
void multiply_by_gelu_slope(const Tiling::Tile& tile, const float* pre_activation,
                            std::int64_t stride, float* dx);

}  // namespace gpt2::kernels
