// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Sums over rows in a fixed order, and transposition, shared by the CPU kernels.
#pragma once

#include <cstdint>

#include "libcore/kernels/parallel_cpu.h"

namespace gpt2::kernels {

/// sum[columns] += row 0 + row 1 + ... of `rows`, which lie `stride` apart; one after the other.
void add_rows(const float* rows, std::int64_t row_count, std::int64_t columns, std::int64_t stride,
              float* sum);
/// The same, its columns shared out to `team`.
void add_partial_rows(ThreadTeam& team, const float* rows, std::int64_t row_count,
                      std::int64_t columns, std::int64_t stride, float* sum);
/// to (columns, rows) = from (rows, columns), transposed by `team`.
void transpose(ThreadTeam& team, const float* from, std::int64_t rows, std::int64_t columns,
               float* to);

}  // namespace gpt2::kernels
