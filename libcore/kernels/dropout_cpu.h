// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Dropout of the CPU kernels: factors by Philox numbers (DECISIONS, Random numbers).
#pragma once

#include <cstdint>

#include "libcore/kernels/kernels.h"

namespace gpt2::kernels {

/// factors[i] = 1 / (1 - p) where element first_element + i of row `b`'s sequence is kept, else 0.
/// Throws: UsageError for a probability outside of [0, 1).
void fill_dropout_factors(const Dropout& dropout, std::int64_t b, std::int64_t first_element,
                          std::int64_t count, float* factors);

}  // namespace gpt2::kernels
