// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The scale of an axis: which values it spans, where its ticks are, and how they are written.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "libcore/plot/run_curves.h"

namespace gpt2::plot {

struct Range {
  double low = 0, high = 1;

  /// 0 for low, 1 for high.
  double place_of(double value) const { return (value - low) / (high - low); }
};

/// `range` with 4 % of air at both ends; a range of one value becomes one around it.
Range with_air(Range range);

/// Spans the points, but leaves out rare heights far above the rest: what the highest 0.5 % have
/// above all others, unless the curve begins there. Points must not be empty.
Range range_without_spikes(std::span<const Point> points);

/// Ticks at 1, 2 or 5 times a power of ten inside `range`, about `count` of them; `smallest_gap`: 1
/// for whole numbers.
std::vector<double> ticks_in(Range range, int count, double smallest_gap = 0);

/// The ticks as texts, all with the decimals that they need to differ; thousands are grouped.
std::vector<std::string> tick_texts(std::span<const double> ticks);

/// 1234567 as 1,234,567.
std::string grouped(double whole_number);

}  // namespace gpt2::plot
