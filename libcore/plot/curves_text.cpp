// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/plot/curves_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "libcore/plot/axis.h"
#include "libcore/plot/curves_svg.h"

namespace gpt2::plot {
namespace {

constexpr int kScaleColumns = 9;  // left of the axis

/// The part of a terminal in which the lines are.
class Canvas {
 public:
  Canvas(const Chart& chart, int columns, int rows)
      : chart_(chart), columns_(columns), lines_(static_cast<std::size_t>(rows)) {
    for (auto& line : lines_) line.assign(static_cast<std::size_t>(columns), ' ');
  }

  void draw(const std::vector<Point>& points, char sign) {
    for (const auto& point : points) {
      const double across = chart_.x.place_of(point.step), up = chart_.y.place_of(point.value);
      if (across < 0 || across > 1 || up < 0 || up > 1) continue;
      const auto column = static_cast<std::size_t>(std::lround(across * (columns_ - 1)));
      const auto below =
          static_cast<std::size_t>(std::lround(up * static_cast<double>(lines_.size() - 1)));
      lines_[lines_.size() - 1 - below][column] = sign;
    }
  }

  std::string text() const {
    constexpr std::size_t kScaleEvery = 4;
    std::string drawn;
    for (std::size_t row = 0; row < lines_.size(); ++row) {
      const double up = 1 - static_cast<double>(row) / static_cast<double>(lines_.size() - 1);
      const double value = chart_.y.low + up * (chart_.y.high - chart_.y.low);
      const auto scale = row % kScaleEvery == 0 ? fmt::format("{:.4g}", value) : std::string();
      auto line = fmt::format("{:>{}} |{}", scale, kScaleColumns - 2, lines_[row]);
      drawn += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    const auto low = grouped(std::max(0.0, chart_.x.low)), high = grouped(chart_.x.high);
    drawn += std::string(kScaleColumns - 1, ' ') + "+" +
             std::string(static_cast<std::size_t>(columns_), '-') + "\n";
    return drawn + fmt::format("{:{}}{}{:>{}}\n", "", kScaleColumns, low, high + " steps",
                               std::max(0, columns_ - static_cast<int>(low.size())));
  }

 private:
  const Chart& chart_;
  int columns_;
  std::vector<std::string> lines_;
};

std::string description(const RunCurves& run, const std::string& sign) {
  std::string text = run.name + ":";
  if (const auto& loss = run.training_loss; !loss.empty()) {
    text += fmt::format(" training loss (.) {:.4f} at step {}", loss.last().value,
                        grouped(loss.last().step));
  }
  if (const auto& loss = run.validation_loss; !loss.empty()) {
    text += fmt::format("{} validation loss ({}) {:.4f}, best {:.4f} at step {}",
                        run.training_loss.empty() ? "" : ",", sign, loss.last().value,
                        loss.lowest().value, grouped(loss.lowest().step));
  }
  return text + "\n";
}

}  // namespace

std::string draw_text(std::span<const RunCurves> runs, int columns, int rows) {
  const auto sign_of = [&](std::size_t run) {
    return runs.size() == 1 ? 'v' : static_cast<char>('a' + run % 26);
  };
  const auto chart = make_charts(runs, Progress::kSteps).front();
  Canvas canvas(chart, std::max(16, columns - kScaleColumns), std::max(4, rows));
  for (const auto& run : runs) canvas.draw(smoothed(run.training_loss.points), '.');
  for (std::size_t i = 0; i < runs.size(); ++i) {
    canvas.draw(runs[i].validation_loss.points, sign_of(i));
  }
  std::string text = canvas.text();
  for (std::size_t i = 0; i < runs.size(); ++i) {
    text += description(runs[i], std::string(1, sign_of(i)));
  }
  return text;
}

}  // namespace gpt2::plot
