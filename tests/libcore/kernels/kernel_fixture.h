// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What the tests of kernels share: the tolerance of fp32, and inputs as float for the twin, double
// for the reference.
#pragma once

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "tests/reference/reference.h"
#include "tests/support/backend.h"
#include "tests/support/closeness.h"

namespace gpt2::kernels {

using support::Backend;
using support::check_close;
using support::check_same_bits_for_any_thread_count;
using support::random_floats;
using support::random_ints;
using Outputs = std::vector<std::vector<float>>;

/// As a share of a tensor's largest element: 50 roundings of 6e-8. Sums of thousands of terms of
/// random sign err by the square root of their number, and the largest sum is larger than one term
/// in the same way.
constexpr double kFp32Tolerance = 3e-6;

/// check_close of what the twin writes in the type that it computes in, or computes from such.
inline void check_computed(std::string_view name, std::span<const float> actual,
                           std::span<const double> expected, double tolerance_of_fp32) {
  check_close(name, actual, expected, std::max(tolerance_of_fp32, support::rounding_of_twin()));
}

inline reference::Values doubles(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}
inline reference::Values sum_of(reference::Values a, const reference::Values& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

}  // namespace gpt2::kernels
