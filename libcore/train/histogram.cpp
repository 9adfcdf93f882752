// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/histogram.h"

#include <algorithm>

namespace gpt2::train {

Histogram histogram_of(std::span<const float> values, std::size_t bin_count) {
  const auto [smallest, largest] = std::ranges::minmax(values);
  Histogram histogram{.low = smallest, .high = largest, .counts = {}};
  if (smallest == largest) {
    histogram.low -= 0.5;
    histogram.high += 0.5;
  }
  histogram.counts.resize(bin_count);
  const double bins_per_unit = static_cast<double>(bin_count) / (histogram.high - histogram.low);
  for (const double value : values) {
    histogram.sum += value;
    histogram.sum_squares += value * value;
    const auto bin = static_cast<std::size_t>((value - histogram.low) * bins_per_unit);
    ++histogram.counts[std::min(bin, bin_count - 1)];  // the largest value closes the last bin
  }
  return histogram;
}

}  // namespace gpt2::train
