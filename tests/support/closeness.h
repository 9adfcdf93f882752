// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Checks of whole tensors.
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "tests/support/backend.h"

namespace gpt2::support {

/// Fails when an element of `actual` differs from `expected` by more than `tolerance` x the largest
/// magnitude in `expected`, or is no number. `name` names the tensor in the report.
void check_close(std::string_view name, std::span<const float> actual,
                 std::span<const double> expected, double tolerance);

/// The largest difference of two tensors, as a share of the largest magnitude in `expected`.
double relative_difference(std::span<const double> actual, std::span<const double> expected);

/// Fails unless `run` returns the same bits on backends of 1, 2, 3 and 7 threads.
void check_same_bits_for_any_thread_count(
    const std::function<std::vector<std::vector<float>>(Backend&)>& run);

}  // namespace gpt2::support
