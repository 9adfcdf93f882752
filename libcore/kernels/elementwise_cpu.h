// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Sums over rows in a fixed order, shared by the CPU kernels that make gradients of parameters.
#pragma once

#include <cstdint>

namespace gpt2::kernels {

/// sum[columns] += row 0 + row 1 + ... of `rows`, which lie `stride` apart; one after the other.
void add_rows(const float* rows, std::int64_t row_count, std::int64_t columns, std::int64_t stride,
              float* sum);
/// The same, its columns shared out to `threads` threads.
void add_partial_rows(int threads, const float* rows, std::int64_t row_count, std::int64_t columns,
                      std::int64_t stride, float* sum);

}  // namespace gpt2::kernels
