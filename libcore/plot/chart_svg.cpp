// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/plot/chart_svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "formats/utf8.h"

namespace gpt2::plot {
namespace {

// Pixels.
constexpr double kLeft = 64, kRight = 16, kHeadingRise = 10, kLegendLine = 18, kBelow = 54;
constexpr double kCharacter = 6.6;  // of a text, about

constexpr std::string_view kStyle = R"(<style>
  svg text { font: 12px system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif; fill: #4b5563; }
  svg .card { fill: #ffffff; }
  svg .title { font-size: 17px; font-weight: 600; fill: #111827; }
  svg .heading { font-size: 13px; font-weight: 600; fill: #111827; }
  .grid { stroke: #e5e7eb; stroke-width: 1; }
  .frame { stroke: #9ca3af; stroke-width: 1; fill: none; }
  .mark { stroke: #6b7280; stroke-width: 1; stroke-dasharray: 2 4; }
  .curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }
  .raw { stroke-width: 1; opacity: 0.32; }
  .dashed { stroke-dasharray: 6 4; }
)";

struct Colour {
  std::string_view light, dark;
};
constexpr Colour kPalette[kColours] = {
    {"#2563eb", "#6ea8fe"}, {"#ea580c", "#ff9f5a"}, {"#0d9488", "#3fd0c0"}, {"#9333ea", "#c792ff"},
    {"#be185d", "#ff7eb6"}, {"#4d7c0f", "#a3d65c"}, {"#92400e", "#e0b070"}, {"#475569", "#a9b8cc"}};

struct LegendItem {
  const Line* line;
  double x = 0;
  int row = 0;
};

/// Items left to right, row by row, by the width that their texts have about.
std::vector<LegendItem> arranged_legend(const Chart& chart, double width) {
  std::vector<LegendItem> items;
  double x = kLeft;
  int row = 0;
  for (const auto& line : chart.lines) {
    if (line.label.empty()) continue;
    const double item_width = 34 + kCharacter * static_cast<double>(line.label.size());
    if (x > kLeft && x + item_width > width) {
      x = kLeft;
      ++row;
    }
    items.push_back({&line, x, row});
    x += item_width;
  }
  return items;
}

/// From the chart's top to its frame.
double head_height(const Chart& chart, double width) {
  const auto items = arranged_legend(chart, width);
  return 24 + (items.empty() ? 0 : kLegendLine * (items.back().row + 1));
}

class Drawing {
 public:
  Drawing(const Chart& chart, double width, double top)
      : chart_(chart),
        plot_width_(width - kLeft - kRight),
        width_(width),
        top_(top + head_height(chart, width)),
        bottom_(top_ + chart.plot_height) {}

  std::string draw(double top, std::string_view id) {
    text(kLeft, top + kHeadingRise, "start", "heading", chart_.heading);
    draw_legend(top + kHeadingRise);
    draw_x_axis();
    draw_y_axis();
    body_ += fmt::format(
        "<clipPath id=\"{0}\"><rect x=\"{1}\" y=\"{2:.1f}\" width=\"{3}\" "
        "height=\"{4}\"/></clipPath>\n<g clip-path=\"url(#{0})\">\n",
        id, kLeft, top_, plot_width_, chart_.plot_height);
    for (const auto& line : chart_.lines) draw_line(line);
    body_ += "</g>\n";
    for (const auto& line : chart_.lines) draw_dots(line);
    for (const auto& mark : chart_.marks) draw_mark(mark);
    body_ +=
        fmt::format("<rect class=\"frame\" x=\"{}\" y=\"{:.1f}\" width=\"{}\" height=\"{}\"/>\n",
                    kLeft, top_, plot_width_, chart_.plot_height);
    return "<g>\n" + body_ + "</g>\n";
  }

 private:
  double x_of(double step) const { return kLeft + plot_width_ * chart_.x.place_of(step); }
  /// What lies outside is clipped; far outside, numbers would only grow long.
  double y_of(double value) const {
    return bottom_ - chart_.plot_height * std::clamp(chart_.y.place_of(value), -1.0, 2.0);
  }

  void text(double x, double y, std::string_view anchor, std::string_view style,
            std::string_view content) {
    body_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"", x, y, anchor);
    if (!style.empty()) body_ += fmt::format(" class=\"{}\"", style);
    body_ += fmt::format(">{}</text>\n", escaped(content));
  }

  void straight(std::string_view style, double x1, double y1, double x2, double y2) {
    body_ += fmt::format(
        "<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n", style, x1,
        y1, x2, y2);
  }

  void draw_legend(double y) {
    for (const auto& [line, x, row] : arranged_legend(chart_, width_)) {
      const double line_y = y + kLegendLine * (row + 1);
      const auto* dashes = line->look == Look::kDashed ? " dashed" : "";
      straight(fmt::format("curve c{}{}", line->colour, dashes), x, line_y - 4, x + 16, line_y - 4);
      text(x + 21, line_y, "start", "", line->label);
    }
  }

  void draw_x_axis() {
    const auto ticks = ticks_in(chart_.x, std::max(2, static_cast<int>(plot_width_ / 100)),
                                chart_.x_label.starts_with("step") ? 1 : 0);
    const auto texts = tick_texts(ticks);
    for (std::size_t i = 0; i < ticks.size(); ++i) {
      straight("grid", x_of(ticks[i]), top_, x_of(ticks[i]), bottom_);
      text(x_of(ticks[i]), bottom_ + 17, "middle", "", texts[i]);
    }
    text(kLeft + plot_width_ / 2, bottom_ + 36, "middle", "", chart_.x_label);
  }

  void draw_y_axis() {
    constexpr double kTickPixels = 36;
    const auto ticks =
        ticks_in(chart_.y, std::max(2, static_cast<int>(chart_.plot_height / kTickPixels)));
    const auto texts = tick_texts(ticks);
    for (std::size_t i = 0; i < ticks.size(); ++i) {
      straight("grid", kLeft, y_of(ticks[i]), kLeft + plot_width_, y_of(ticks[i]));
      text(kLeft - 8, y_of(ticks[i]) + 4, "end", "", texts[i]);
    }
  }

  void draw_mark(const Mark& mark) {
    if (mark.value < chart_.y.low || mark.value > chart_.y.high) return;
    straight("mark", kLeft, y_of(mark.value), kLeft + plot_width_, y_of(mark.value));
    const bool fits_above = y_of(mark.value) - top_ > 14;
    text(kLeft + 6, y_of(mark.value) + (fits_above ? -4 : 13), "start", "", mark.label);
  }

  void draw_path(const Line& line, const std::vector<Point>& drawn, std::string_view style) {
    body_ += fmt::format("<polyline class=\"curve c{}{}\" points=\"", line.colour, style);
    for (const auto& point : thinned(drawn, static_cast<int>(plot_width_))) {
      body_ += fmt::format("{:.1f},{:.1f} ", x_of(point.step), y_of(point.value));
    }
    body_.back() = '"';
    body_ += "/>\n";
  }

  void draw_line(const Line& line) {
    const auto& points = line.points;
    constexpr std::size_t kFewestToSmooth = 100;
    if (line.look == Look::kNoisy && points.size() >= kFewestToSmooth) {
      draw_path(line, points, " raw");
      // A spike counts as high as it is drawn, or the mean would be all spike.
      auto capped = points;
      for (auto& point : capped) point.value = std::min(point.value, chart_.y.high);
      draw_path(line, smoothed(capped), "");
    } else if (points.size() > 1) {
      draw_path(line, points, line.look == Look::kDashed ? " dashed" : "");
    }
  }

  /// Where a line alone would hide how few points there are, or show nothing. Whole ones, at the
  /// frame, too.
  void draw_dots(const Line& line) {
    const auto& points = line.points;
    constexpr std::size_t kMostDots = 80;
    const bool dotted = line.look == Look::kDotted || line.look == Look::kDashed;
    if (points.size() == 1 || (dotted && points.size() <= kMostDots)) {
      for (const auto& point : points) {
        if (point.value < chart_.y.low || point.value > chart_.y.high) continue;
        body_ += fmt::format("<circle class=\"c{}-ink\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.6\"/>\n",
                             line.colour, x_of(point.step), y_of(point.value));
      }
    }
  }

  const Chart& chart_;
  double plot_width_, width_, top_, bottom_;
  std::string body_;
};

}  // namespace

Range common_x(const std::vector<Chart>& charts) {
  Range range{INFINITY, -INFINITY};
  for (const auto& chart : charts) {
    for (const auto& line : chart.lines) {
      if (line.points.empty()) continue;
      range.low = std::min(range.low, line.points.front().step);
      range.high = std::max(range.high, line.points.back().step);
    }
  }
  // From 0 where a run is there from its beginning; a single step stands in the middle.
  if (range.low == range.high) return with_air(range);
  if (range.low < 0.02 * range.high) range.low = 0;
  return range;
}

std::string chart_style() {
  std::string light, dark;
  for (int i = 0; i < kColours; ++i) {
    constexpr auto* kRules = "  .c{0} {{ stroke: {1}; }} .c{0}-ink {{ fill: {1}; }}\n";
    light += fmt::format(kRules, i, kPalette[i].light);
    dark += "  " + fmt::format(kRules, i, kPalette[i].dark);
  }
  return std::string(kStyle) + light + R"(  @media (prefers-color-scheme: dark) {
    svg text { fill: #a3adbb; }
    svg .card { fill: #14171c; }
    svg .title, svg .heading { fill: #eef1f5; }
    .grid { stroke: #2a2f38; }
    .frame { stroke: #5b6472; }
)" + dark +
         "  }\n</style>\n";
}

double chart_height(const Chart& chart, double width) {
  return head_height(chart, width) + chart.plot_height + kBelow;
}

std::string draw_chart(const Chart& chart, double width, double top, std::string_view id) {
  return Drawing(chart, width, top).draw(top, id);
}

std::string escaped(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const auto length = formats::utf8_sequence_length(text);
    const char c = text.front();
    if (c == '&') {
      result += "&amp;";
    } else if (c == '"') {
      result += "&quot;";
    } else if (c == '<') {
      result += "&lt;";
    } else if (length == 0 || (length == 1 && c < ' ' && c != '\n' && c != '\t')) {
      result += '?';
    } else {
      result += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(1, length));
  }
  return result;
}

std::string shortened(std::string_view name, std::size_t most_bytes) {
  if (name.size() <= most_bytes) return std::string(name);
  name.remove_prefix(name.size() - most_bytes);
  while (!name.empty() && formats::utf8_sequence_length(name) == 0) name.remove_prefix(1);
  return "..." + std::string(name);
}

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

}  // namespace gpt2::plot
