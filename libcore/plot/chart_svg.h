// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// One chart of lines over a common measure of progress, as a piece of SVG.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libcore/plot/axis.h"
#include "libcore/plot/run_curves.h"

namespace gpt2::plot {

/// How a line looks: faint with a smooth one over it; plain; with dots; dashed with dots.
enum class Look { kNoisy, kPlain, kDotted, kDashed };

struct Line {
  int colour = 0;     // 0 to kColours - 1, in the order of the palette
  std::string label;  // of the legend; empty: not in it
  std::vector<Point> points;
  Look look = Look::kPlain;
};
inline constexpr int kColours = 8;

/// A height to compare with.
struct Mark {
  double value = 0;
  std::string label;
};

struct Chart {
  std::string heading, x_label;
  double plot_height = 150;
  Range x, y;
  std::vector<Line> lines;
  std::vector<Mark> marks;
};

/// Spans the steps of the charts, from 0 if that is near.
Range common_x(const std::vector<Chart>& charts);

/// What all charts need once: a <style> element.
std::string chart_style();
/// Pixels from a chart's top to its bottom.
double chart_height(const Chart& chart, double width);
/// A <g> with the chart, its top at `top`. `id` is one for each chart of a document.
std::string draw_chart(const Chart& chart, double width, double top, std::string_view id);

/// `text` for XML and HTML; what no XML may hold becomes '?'.
std::string escaped(std::string_view text);
/// The end of a name that is too long.
std::string shortened(std::string_view name, std::size_t most_bytes = 90);

/// The mean of each point and its neighbours, 1 % of the points (at most 250) to either side; fewer
/// towards both ends, the same number on either side, so that the curve does not bend there.
std::vector<Point> smoothed(const std::vector<Point>& points);
/// At most 4 points for each of `columns` equal parts of the steps: first, lowest, highest, last.
/// The drawn line is the same at that width.
std::vector<Point> thinned(const std::vector<Point>& points, int columns);

}  // namespace gpt2::plot
