// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/plot/axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace gpt2::plot {

Range with_air(Range range) {
  double air = 0.04 * (range.high - range.low);
  // Also when the values differ by less than a picture, or a double, can show.
  const double least = 1e-9 * std::max(std::abs(range.low), std::abs(range.high));
  if (!(air > least))
    air = range.low == 0 && range.high == 0 ? 1 : std::max(least, 0.1 * std::abs(range.high));
  return {range.low - air, range.high + air};
}

Range range_without_spikes(std::span<const Point> points) {
  constexpr double kShareOfSpikes = 0.005;
  std::vector<double> values;
  for (const auto& point : points) values.push_back(point.value);
  const auto spikes =
      static_cast<std::ptrdiff_t>(kShareOfSpikes * static_cast<double>(values.size()));
  const auto low = *std::min_element(values.begin(), values.end());
  const auto highest_kept = values.end() - 1 - spikes;
  std::nth_element(values.begin(), highest_kept, values.end());
  return {low, std::max(*highest_kept, points.front().value)};
}

std::vector<double> ticks_in(Range range, int count, double smallest_gap) {
  const double rough = (range.high - range.low) / count;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double gap = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= 0.75 * rough) gap = factor * power;
  }
  gap = std::max(gap, smallest_gap);
  std::vector<double> ticks;
  const double first = std::ceil(range.low / gap);
  const double end =
      range.high + 1e-9 * gap;  // a tick at the very end counts, however it is rounded
  for (int i = 0; i <= 2 * count && (first + i) * gap <= end; ++i) {
    ticks.push_back((first + i) * gap + 0.0);  // never -0
  }
  return ticks;
}

std::string grouped(double whole_number) {
  const std::string digits = fmt::format("{:.0f}", std::abs(whole_number));
  std::string text;
  if (whole_number < 0) text += '-';
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::vector<std::string> tick_texts(std::span<const double> ticks) {
  double largest = 0;
  for (const double tick : ticks) largest = std::max(largest, std::abs(tick));
  const double gap = ticks.size() > 1 ? ticks[1] - ticks[0] : largest;
  // Multiples of 1, 2 or 5 times a power of ten need no more decimals than the gap.
  const int decimals =
      gap > 0 ? std::max(0, static_cast<int>(-std::floor(std::log10(gap) + 1e-9))) : 0;
  const bool scientific = largest >= 1e7 || decimals > 4;
  std::vector<std::string> texts;
  for (const double tick : ticks) {
    texts.push_back(tick == 0      ? "0"
                    : scientific   ? fmt::format("{:.3g}", tick)
                    : decimals > 0 ? fmt::format("{:.{}f}", tick, decimals)
                                   : grouped(tick));
  }
  return texts;
}

}  // namespace gpt2::plot
