// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/plot/curves_svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "formats/durable_file.h"
#include "formats/utf8.h"
#include "libcore/plot/axis.h"

namespace gpt2::plot {
namespace {

// Pixels.
constexpr double kWidth = 960, kLeft = 72, kRight = 72, kTop = 68, kBottom = 56;
constexpr double kPanelGap = 52, kLegendRise = 14;
constexpr double kPlotWidth = kWidth - kLeft - kRight;

constexpr std::string_view kStyle = R"(<style>
  text { font: 12px system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif; fill: #4b5563; }
  .card { fill: #ffffff; }
  .title { font-size: 17px; font-weight: 600; fill: #111827; }
  .heading { font-size: 13px; font-weight: 600; fill: #111827; }
  .grid { stroke: #e5e7eb; stroke-width: 1; }
  .frame { stroke: #9ca3af; stroke-width: 1; fill: none; }
  .curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }
  .raw { stroke-width: 1; opacity: 0.32; }
  .training { stroke: #2563eb; } .training-ink { fill: #2563eb; }
  .validation { stroke: #ea580c; } .validation-ink { fill: #ea580c; }
  .rate { stroke: #0d9488; } .rate-ink { fill: #0d9488; }
  .norm { stroke: #9333ea; } .norm-ink { fill: #9333ea; }
  .accuracy { stroke: #be185d; } .accuracy-ink { fill: #be185d; }
  @media (prefers-color-scheme: dark) {
    text { fill: #a3adbb; }
    .card { fill: #14171c; }
    .title, .heading { fill: #eef1f5; }
    .grid { stroke: #2a2f38; }
    .frame { stroke: #5b6472; }
    .training { stroke: #6ea8fe; } .training-ink { fill: #6ea8fe; }
    .validation { stroke: #ff9f5a; } .validation-ink { fill: #ff9f5a; }
    .rate { stroke: #3fd0c0; } .rate-ink { fill: #3fd0c0; }
    .norm { stroke: #c792ff; } .norm-ink { fill: #c792ff; }
    .accuracy { stroke: #ff7eb6; } .accuracy-ink { fill: #ff7eb6; }
  }
</style>
)";

enum class Look { kNoisy, kPlain, kDotted };  // faint with a smooth line over it; a line; with dots

struct Line {
  std::string colour;  // class of kStyle
  std::string label;
  const Curve* curve;
  Look look;
};

struct Axis {
  Range range;
  std::vector<Line> lines;
};

struct Panel {
  std::string heading;
  double height;
  std::vector<Axis> axes;  // the left one, then perhaps the right one
};

/// `text` for an XML element; what no XML may hold becomes '?'.
std::string escaped(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const auto length = formats::utf8_sequence_length(text);
    const char c = text.front();
    if (c == '&') {
      result += "&amp;";
    } else if (c == '<') {
      result += "&lt;";
    } else if (length == 0 || (length == 1 && c < ' ')) {
      result += '?';
    } else {
      result += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(1, length));
  }
  return result;
}

/// The end of a name that is too long for the picture.
std::string shortened(std::string_view name) {
  constexpr std::size_t kMostBytes = 90;
  if (name.size() <= kMostBytes) return std::string(name);
  name.remove_prefix(name.size() - kMostBytes);
  while (!name.empty() && formats::utf8_sequence_length(name) == 0) name.remove_prefix(1);
  return "..." + std::string(name);
}

/// A whole picture is built top to bottom: each panel adds itself at `y`.
class Picture {
 public:
  explicit Picture(const RunCurves& curves) : curves_(curves) {
    Range steps{INFINITY, -INFINITY};
    for (const auto* curve : {&curves.training_loss, &curves.validation_loss, &curves.accuracy}) {
      if (curve->empty()) continue;
      steps.low = std::min(steps.low, curve->points.front().step);
      steps.high = std::max(steps.high, curve->last().step);
    }
    // From 0 where the run is there from its beginning; a single step stands in the middle.
    if (steps.low == steps.high) {
      steps = with_air(steps);
    } else if (steps.low < 0.02 * steps.high) {
      steps.low = 0;
    }
    steps_ = steps;
  }

  std::string draw(const std::vector<Panel>& panels) {
    double height = kTop + kBottom - kPanelGap;
    for (const auto& panel : panels) height += panel.height + kPanelGap;
    body_ += fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
        "height=\"{1}\" role=\"img\">\n<title>{2}</title>\n",
        kWidth, height, escaped("Training curves of " + curves_.name));
    body_ += kStyle;
    body_ +=
        fmt::format("<rect class=\"card\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n", kWidth, height);
    text(kLeft, 30, "start", "title", shortened(curves_.name));
    double y = kTop;
    for (std::size_t i = 0; i < panels.size(); ++i) {
      draw_panel(panels[i], y, i + 1 == panels.size(), i);
      y += panels[i].height + kPanelGap;
    }
    return body_ + "</svg>\n";
  }

 private:
  double x_of(double step) const { return kLeft + kPlotWidth * steps_.place_of(step); }

  void text(double x, double y, std::string_view anchor, std::string_view style,
            std::string_view content) {
    body_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"", x, y, anchor);
    if (!style.empty()) body_ += fmt::format(" class=\"{}\"", style);
    body_ += fmt::format(">{}</text>\n", escaped(content));
  }

  void grid_line(double x1, double y1, double x2, double y2) {
    body_ += fmt::format(
        "<line class=\"grid\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n", x1, y1,
        x2, y2);
  }

  void draw_panel(const Panel& panel, double top, bool lowest, std::size_t index) {
    const double bottom = top + panel.height;
    text(kLeft, top - kLegendRise, "start", "heading", panel.heading);
    draw_legend(panel, top - kLegendRise);
    draw_steps(top, bottom, lowest);
    for (std::size_t side = 0; side < panel.axes.size(); ++side) {
      const auto& axis = panel.axes[side];
      const auto ink = panel.axes.size() > 1 ? axis.lines.front().colour + "-ink" : "";
      draw_scale(axis.range, top, bottom, side == 0, ink);
    }
    body_ += fmt::format(
        "<clipPath id=\"panel{0}\"><rect x=\"{1}\" y=\"{2}\" width=\"{3}\" "
        "height=\"{4}\"/></clipPath>\n<g clip-path=\"url(#panel{0})\">\n",
        index, kLeft, top, kPlotWidth, panel.height);
    for (auto axis = panel.axes.rbegin(); axis != panel.axes.rend(); ++axis) {
      for (const auto& line : axis->lines) draw_line(line, axis->range, top, bottom);
    }
    body_ += "</g>\n";
    body_ += fmt::format("<rect class=\"frame\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>\n",
                         kLeft, top, kPlotWidth, panel.height);
  }

  /// One text, so that the reader's font decides the distances.
  void draw_legend(const Panel& panel, double y) {
    body_ +=
        fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">", kLeft + kPlotWidth, y);
    bool first = true;
    for (const auto& axis : panel.axes) {
      for (const auto& line : axis.lines) {
        body_ += fmt::format("<tspan class=\"{}-ink\"{}>&#9679;</tspan><tspan dx=\"5\">{}</tspan>",
                             line.colour, first ? "" : " dx=\"18\"", escaped(line.label));
        first = false;
      }
    }
    body_ += "</text>\n";
  }

  void draw_steps(double top, double bottom, bool with_texts) {
    const auto ticks = ticks_in(steps_, 8, 1);
    const auto texts = tick_texts(ticks);
    for (std::size_t i = 0; i < ticks.size(); ++i) {
      grid_line(x_of(ticks[i]), top, x_of(ticks[i]), bottom);
      if (with_texts) text(x_of(ticks[i]), bottom + 18, "middle", "", texts[i]);
    }
    if (!with_texts) return;
    const double tokens = curves_.tokens_per_step;
    text(kLeft + kPlotWidth / 2, bottom + 40, "middle", "",
         tokens >= 1 ? fmt::format("step ({} tokens each)", grouped(tokens)) : "step");
  }

  void draw_scale(Range range, double top, double bottom, bool left, const std::string& ink) {
    constexpr double kTickPixels = 36;
    const auto ticks = ticks_in(range, std::max(2, static_cast<int>((bottom - top) / kTickPixels)));
    const auto texts = tick_texts(ticks);
    for (std::size_t i = 0; i < ticks.size(); ++i) {
      const double y = bottom - (bottom - top) * range.place_of(ticks[i]);
      if (left) grid_line(kLeft, y, kLeft + kPlotWidth, y);
      text(left ? kLeft - 8 : kLeft + kPlotWidth + 8, y + 4, left ? "end" : "start", ink, texts[i]);
    }
  }

  void draw_line(const Line& line, Range range, double top, double bottom) {
    // What lies outside is clipped; far outside, numbers would only grow long.
    const auto y_of = [&](double value) {
      return bottom - (bottom - top) * std::clamp(range.place_of(value), -1.0, 2.0);
    };
    const auto& points = line.curve->points;
    const auto path = [&](const std::vector<Point>& drawn, const char* style) {
      body_ += fmt::format("<polyline class=\"curve {}{}\" points=\"", line.colour, style);
      for (const auto& point : thinned(drawn, static_cast<int>(kPlotWidth))) {
        body_ += fmt::format("{:.1f},{:.1f} ", x_of(point.step), y_of(point.value));
      }
      body_.back() = '"';
      body_ += "/>\n";
    };
    constexpr std::size_t kFewestToSmooth = 100;
    if (line.look == Look::kNoisy && points.size() >= kFewestToSmooth) {
      path(points, " raw");
      // A spike counts as high as it is drawn, or the mean would be all spike.
      auto capped = points;
      for (auto& point : capped) point.value = std::min(point.value, range.high);
      path(smoothed(capped), "");
    } else if (points.size() > 1) {
      path(points, "");
    }
    // Dots where a line alone would hide how few points there are, or show nothing.
    constexpr std::size_t kMostDots = 80;
    if (points.size() == 1 || (line.look == Look::kDotted && points.size() <= kMostDots)) {
      for (const auto& point : points) {
        body_ += fmt::format("<circle class=\"{}-ink\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.6\"/>\n",
                             line.colour, x_of(point.step), y_of(point.value));
      }
    }
  }

  const RunCurves& curves_;
  Range steps_;
  std::string body_;
};

/// "validation, best 3.2981 at step 1,250".
std::string best_text(const char* name, const Point& best) {
  return fmt::format("{}, best {:.4f} at step {}", name, best.value, grouped(best.step));
}

Panel loss_panel(const RunCurves& curves) {
  Panel panel{.heading = "Loss", .height = 360, .axes = {Axis{}}};
  auto& [range, lines] = panel.axes.front();
  range = {INFINITY, -INFINITY};
  const auto add = [&](const Curve& curve, const char* colour, std::string label, Look look) {
    const Range own = range_without_spikes(curve.points);
    range = {std::min(range.low, own.low), std::max(range.high, own.high)};
    lines.push_back({colour, std::move(label), &curve, look});
  };
  if (const auto& training = curves.training_loss; !training.empty()) {
    add(training, "training", fmt::format("training, last {:.4f}", training.last().value),
        Look::kNoisy);
  }
  if (const auto& validation = curves.validation_loss; !validation.empty()) {
    add(validation, "validation", best_text("validation", validation.lowest()), Look::kDotted);
  }
  range = with_air(range);
  return panel;
}

std::optional<Panel> schedule_panel(const RunCurves& curves) {
  Panel panel{.heading = "", .height = 150, .axes = {}};
  const auto add = [&](const Curve& curve, const char* colour, const std::string& name, Look look) {
    if (curve.empty()) return;
    const Range range{0, range_without_spikes(curve.points).high};
    panel.heading += panel.heading.empty() ? name : " (left) and " + name + " (right)";
    panel.axes.push_back({with_air(range), {{colour, name, &curve, look}}});
  };
  add(curves.learning_rate, "rate", "learning rate", Look::kPlain);
  add(curves.gradient_norm, "norm", "gradient norm", Look::kNoisy);
  if (panel.axes.empty()) return std::nullopt;
  panel.heading.front() = panel.heading.front() == 'l' ? 'L' : 'G';
  return panel;
}

std::optional<Panel> accuracy_panel(const RunCurves& curves) {
  const auto& accuracy = curves.accuracy;
  if (accuracy.empty()) return std::nullopt;
  const Range range = with_air({accuracy.lowest().value, accuracy.highest().value});
  return Panel{.heading = "HellaSwag accuracy",
               .height = 150,
               .axes = {{range,
                         {{"accuracy", best_text("accuracy", accuracy.highest()), &accuracy,
                           Look::kDotted}}}}};
}

}  // namespace

std::vector<Point> smoothed(const std::vector<Point>& points) {
  constexpr std::size_t kWidestHalf = 250;
  const auto half_window = std::min(points.size() / 100, kWidestHalf);
  std::vector<Point> result(points.size());
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::size_t half = std::min({half_window, i, points.size() - 1 - i});
    double sum = 0;  // anew for each point: a running one would never forget a spike of 1e30
    for (std::size_t j = i - half; j <= i + half; ++j) sum += points[j].value;
    result[i] = {points[i].step, sum / static_cast<double>(2 * half + 1)};
  }
  return result;
}

std::vector<Point> thinned(const std::vector<Point>& points, int columns) {
  if (points.size() < 2) return points;
  const Range steps{points.front().step, points.back().step};
  const auto column_of = [&](const Point& point) {
    return static_cast<int>(columns * steps.place_of(point.step));
  };
  const auto by_value = [](const Point& a, const Point& b) { return a.value < b.value; };
  std::vector<Point> kept;
  for (auto begin = points.begin(); begin != points.end();) {
    const auto end = std::find_if(begin, points.end(), [&](const Point& point) {
      return column_of(point) != column_of(*begin);
    });
    auto [low, high] = std::minmax_element(begin, end, by_value);
    if (high < low) std::swap(low, high);
    auto previous = points.end();
    for (const auto point : {begin, low, high, end - 1}) {
      if (point != previous) kept.push_back(*point);
      previous = point;
    }
    begin = end;
  }
  return kept;
}

std::string draw_curves(const RunCurves& curves) {
  std::vector<Panel> panels{loss_panel(curves)};
  if (auto panel = schedule_panel(curves)) panels.push_back(*std::move(panel));
  if (auto panel = accuracy_panel(curves)) panels.push_back(*std::move(panel));
  return Picture(curves).draw(panels);
}

void save_curves(const RunCurves& curves, const std::filesystem::path& path) {
  formats::DurableFile file(path);
  file.write(draw_curves(curves));
  file.commit();
}

}  // namespace gpt2::plot
