// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/plot/curves_svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

namespace gpt2::plot {
namespace {

constexpr double kWidth = 960, kTitleHeight = 56;  // pixels

/// Published accuracies of OpenAI's weights, mean loss per token of the ending.
/// Source: llm.c, dev/vislog.ipynb.
const std::array<Mark, 4> kPublishedAccuracies{{{0.2945, "GPT-2 124M, 0.294"},
                                                {0.3752, "GPT-2 355M, 0.375"},
                                                {0.4320, "GPT-2 774M, 0.432"},
                                                {0.4889, "GPT-2 1558M, 0.489"}}};

/// Colour of a run's line: the run's among several, else the line's own.
int colour_of(std::size_t run, bool several, int own) {
  return several ? static_cast<int>(run % kColours) : own;
}

/// A unit in which the longest run has a handy number.
struct Unit {
  double size = 1;
  std::string label;
};

Unit unit_of(std::span<const RunCurves> runs, Progress progress) {
  double most = 0;
  for (const auto& run : runs) {
    const auto& curve = progress == Progress::kTokens ? run.tokens : run.seconds;
    if (!curve.empty()) most = std::max(most, curve.last().value);
  }
  if (progress == Progress::kTokens) {
    if (most >= 2e9) return {1e9, "billion tokens"};
    return most >= 2e6 ? Unit{1e6, "million tokens"} : Unit{1, "tokens"};
  }
  if (most >= 2 * 86400) return {86400, "days of training"};
  if (most >= 2 * 3600) return {3600, "hours of training"};
  return most >= 120 ? Unit{60, "minutes of training"} : Unit{1, "seconds of training"};
}

std::string step_label(std::span<const RunCurves> runs) {
  const double tokens = runs.front().tokens_per_step;
  const bool same = std::ranges::all_of(
      runs, [&](const RunCurves& run) { return run.tokens_per_step == tokens; });
  return same && tokens >= 1 ? fmt::format("step ({} tokens each)", grouped(tokens)) : "step";
}

/// Collects lines of runs, all over one measure of progress.
class ChartMaker {
 public:
  ChartMaker(std::span<const RunCurves> runs, Progress progress)
      : runs_(runs), progress_(progress) {
    if (progress == Progress::kSteps) {
      unit_.label = step_label(runs);
    } else {
      unit_ = unit_of(runs, progress);
    }
  }

  std::vector<Point> placed(const RunCurves& run, const Curve& curve) const {
    if (progress_ == Progress::kSteps) return curve.points;
    auto points = over(curve, progress_ == Progress::kTokens ? run.tokens : run.seconds).points;
    for (auto& point : points) point.step /= unit_.size;
    return points;
  }

  bool several() const { return runs_.size() > 1; }

  Chart loss() const {
    Chart chart{.heading = "Loss", .x_label = unit_.label, .plot_height = 340};
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      const auto& run = runs_[i];
      const auto& [training, validation] = std::tie(run.training_loss, run.validation_loss);
      std::string training_label, validation_label;
      if (!training.empty()) {
        training_label = fmt::format("training, last {:.4f}", training.last().value);
      }
      if (!validation.empty()) validation_label = best_text("validation", validation.lowest());
      if (several()) {
        const auto name = shortened(run.name, 40) + ": ";
        training_label = training.empty() ? "" : name + training_label;
        validation_label = validation.empty() ? "" : name + validation_label;
      }
      add(chart, run, training, colour_of(i, several(), 0), training_label, Look::kNoisy);
      add(chart, run, validation, colour_of(i, several(), 1), validation_label,
          several() ? Look::kDashed : Look::kDotted);
    }
    fit(chart);
    return chart;
  }

  Chart of_curve(const char* heading, Curve RunCurves::*curve, int own_colour, Look look) const {
    Chart chart{.heading = heading, .x_label = unit_.label};
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      const auto label = several() ? shortened(runs_[i].name, 40) : "";
      add(chart, runs_[i], runs_[i].*curve, colour_of(i, several(), own_colour), label, look);
    }
    if (!chart.lines.empty()) fit(chart);
    return chart;
  }

  /// The same with an axis from 0.
  Chart from_zero(const char* heading, Curve RunCurves::*curve, int own_colour, Look look) const {
    auto chart = of_curve(heading, curve, own_colour, look);
    if (!chart.lines.empty()) chart.y = with_air({0, chart.y.high});
    return chart;
  }

  Chart accuracy() const {
    auto chart = of_curve("HellaSwag accuracy", &RunCurves::accuracy, 4, Look::kDotted);
    if (chart.lines.empty()) return chart;
    for (std::size_t i = 0, line = 0; i < runs_.size(); ++i) {
      if (placed(runs_[i], runs_[i].accuracy).empty()) continue;
      auto best = best_text("accuracy", runs_[i].accuracy.highest());
      auto& label = chart.lines[line++].label;
      label = label.empty() ? best : label + ": " + best;
    }
    // Up to the first published model that is better than all runs.
    for (const auto& mark : kPublishedAccuracies) {
      const bool beaten = mark.value < chart.y.high;
      chart.marks.push_back(mark);
      chart.y.high = std::max(chart.y.high, mark.value + 0.01);
      if (!beaten) break;
    }
    return chart;
  }

 private:
  static std::string best_text(const char* name, const Point& best) {
    return fmt::format("{}, best {:.4f} at step {}", name, best.value, grouped(best.step));
  }

  void add(Chart& chart, const RunCurves& run, const Curve& curve, int colour, std::string label,
           Look look) const {
    auto points = placed(run, curve);
    if (!points.empty()) chart.lines.push_back({colour, std::move(label), std::move(points), look});
  }

  static void fit(Chart& chart) {
    chart.y = {INFINITY, -INFINITY};
    for (const auto& line : chart.lines) {
      const Range own = range_without_spikes(line.points);
      chart.y = {std::min(chart.y.low, own.low), std::max(chart.y.high, own.high)};
    }
    chart.y = with_air(chart.y);
  }

  std::span<const RunCurves> runs_;
  Progress progress_;
  Unit unit_;
};

}  // namespace

std::vector<Chart> make_charts(std::span<const RunCurves> runs, Progress progress) {
  const ChartMaker maker(runs, progress);
  std::vector<Chart> charts{
      maker.loss(), maker.accuracy(),
      maker.from_zero("Learning rate", &RunCurves::learning_rate, 2, Look::kPlain),
      maker.from_zero("Gradient norm", &RunCurves::gradient_norm, 3, Look::kNoisy),
      maker.from_zero("Tokens per second", &RunCurves::tokens_per_second, 5, Look::kNoisy)};
  std::erase_if(charts, [](const Chart& chart) { return chart.lines.empty(); });
  if (charts.empty()) return charts;
  const Range x = common_x(charts);
  for (auto& chart : charts) chart.x = x;
  return charts;
}

std::string draw_curves(std::span<const RunCurves> runs) {
  const auto charts = make_charts(runs, Progress::kSteps);
  double height = kTitleHeight;
  for (const auto& chart : charts) height += chart_height(chart, kWidth);
  const auto title = runs.size() == 1 ? runs.front().name : fmt::format("{} runs", runs.size());
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" role=\"img\">\n<title>{2}</title>\n",
      kWidth, height, escaped("Training curves of " + title));
  svg += chart_style();
  svg +=
      fmt::format("<rect class=\"card\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n", kWidth, height);
  svg +=
      fmt::format("<text x=\"64\" y=\"30\" class=\"title\">{}</text>\n", escaped(shortened(title)));
  double top = kTitleHeight;
  for (std::size_t i = 0; i < charts.size(); ++i) {
    svg += draw_chart(charts[i], kWidth, top, fmt::format("chart{}", i));
    top += chart_height(charts[i], kWidth);
  }
  return svg + "</svg>\n";
}

}  // namespace gpt2::plot
