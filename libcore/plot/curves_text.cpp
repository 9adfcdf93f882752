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

struct TextLine {
  std::vector<Point> points;
  char sign = '.';
};

/// Spans what is drawn: the mean of a noisy loss takes less room than the loss.
Range heights_of(const std::vector<TextLine>& lines) {
  Range range{INFINITY, -INFINITY};
  for (const auto& line : lines) {
    if (line.points.empty()) continue;
    const auto own = range_without_spikes(line.points);
    range = {std::min(range.low, own.low), std::max(range.high, own.high)};
  }
  return with_air(range);
}

/// The part of a terminal in which the lines are, and its axes.
class Canvas {
 public:
  Canvas(Range x, Range y, int columns, int rows)
      : x_(x), y_(y), columns_(columns), rows_(static_cast<std::size_t>(rows)) {
    for (auto& row : rows_) row.assign(static_cast<std::size_t>(columns), ' ');
  }

  void draw(const TextLine& line) {
    for (const auto& [step, value] : line.points) {
      const double across = x_.place_of(step), up = y_.place_of(value);
      if (across < 0 || across > 1 || up < 0 || up > 1) continue;
      rows_[row_of(value)][column_of(step)] = line.sign;
    }
  }

  std::string text() const {
    constexpr int kRowsOfTick = 4;
    const auto ticks = ticks_in(y_, std::max(2, static_cast<int>(rows_.size()) / kRowsOfTick));
    const auto texts = tick_texts(ticks);
    std::vector<std::string> scale(rows_.size());
    for (std::size_t i = 0; i < ticks.size(); ++i) scale[row_of(ticks[i])] = texts[i];
    std::string drawn;
    for (std::size_t row = 0; row < rows_.size(); ++row) {
      const auto line = fmt::format("{:>{}} {}{}", scale[row], kScaleColumns - 2,
                                    scale[row].empty() ? '|' : '+', rows_[row]);
      drawn += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    return drawn + steps_axis();
  }

 private:
  std::size_t row_of(double value) const {
    const auto last = static_cast<double>(rows_.size() - 1);
    return rows_.size() - 1 - static_cast<std::size_t>(std::lround(y_.place_of(value) * last));
  }
  std::size_t column_of(double step) const {
    return static_cast<std::size_t>(std::lround(x_.place_of(step) * (columns_ - 1)));
  }

  std::string steps_axis() const {
    constexpr int kColumnsOfTick = 16;
    const auto ticks = ticks_in(x_, std::max(2, columns_ / kColumnsOfTick), /*smallest_gap=*/1);
    const auto texts = tick_texts(ticks);
    const auto columns = static_cast<std::size_t>(columns_);
    std::string axis(columns, '-'), labels(columns, ' ');
    std::size_t taken = 0;  // columns, by labels and a blank after each
    for (std::size_t i = 0; i < ticks.size(); ++i) {
      const auto column = column_of(ticks[i]), length = texts[i].size();
      axis[column] = '+';
      if (length > columns) continue;
      const auto begin = std::min(column - std::min(column, length / 2), columns - length);
      if (begin < taken) continue;
      labels.replace(begin, length, texts[i]);
      taken = begin + length + 1;
    }
    const auto line = fmt::format("{:>{}}  {}", "step", kScaleColumns - 2, labels);
    return fmt::format("{:>{}}{}\n{}\n", "+", kScaleColumns, axis,
                       line.substr(0, line.find_last_not_of(' ') + 1));
  }

  Range x_, y_;
  int columns_;
  std::vector<std::string> rows_;
};

/// The letter of a run's training loss among several, and its capital of the validation loss.
struct Signs {
  char training = '.', validation = 'v';
};

Signs signs_of(std::size_t run, std::size_t run_count) {
  if (run_count == 1) return {};
  const auto place = static_cast<int>(run % 26);
  return {static_cast<char>('a' + place), static_cast<char>('A' + place)};
}

std::string description(const RunCurves& run, const Signs& signs) {
  std::string text = run.name + ":";
  if (const auto& loss = run.training_loss; !loss.empty()) {
    text += fmt::format(" training loss ({}) {:.4f} at step {}", signs.training, loss.last().value,
                        grouped(loss.last().step));
  }
  if (const auto& loss = run.validation_loss; !loss.empty()) {
    text += fmt::format("{} validation loss ({}) {:.4f}, best {:.4f} at step {}",
                        run.training_loss.empty() ? "" : ",", signs.validation, loss.last().value,
                        loss.lowest().value, grouped(loss.lowest().step));
  }
  return text + "\n";
}

}  // namespace

std::string draw_text(std::span<const RunCurves> runs, int columns, int rows) {
  std::vector<TextLine> lines;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    lines.push_back({smoothed(runs[i].training_loss.points), signs_of(i, runs.size()).training});
  }
  for (std::size_t i = 0; i < runs.size(); ++i) {
    lines.push_back({runs[i].validation_loss.points, signs_of(i, runs.size()).validation});
  }
  Canvas canvas(make_charts(runs, Progress::kSteps).front().x, heights_of(lines),
                std::max(16, columns - kScaleColumns), std::max(4, rows));
  for (const auto& line : lines) canvas.draw(line);
  std::string text = canvas.text();
  for (std::size_t i = 0; i < runs.size(); ++i) {
    text += description(runs[i], signs_of(i, runs.size()));
  }
  return text;
}

}  // namespace gpt2::plot
