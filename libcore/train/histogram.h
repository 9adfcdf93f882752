// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// How the values of a tensor are spread: equal bins between the smallest and the largest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gpt2::train {

struct Histogram {
  double low = 0, high = 0;  // outer edges of the bins: the smallest and the largest value
  double sum = 0, sum_squares = 0;
  std::vector<std::uint64_t> counts;
};

/// Values that are all equal lie in the middle of bins that span 1, as in numpy.
/// Preconditions: `values` is not empty and all are finite; `bin_count` > 0.
Histogram histogram_of(std::span<const float> values, std::size_t bin_count = 64);

}  // namespace gpt2::train
