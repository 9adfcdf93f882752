// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The curves of a run as one SVG picture that needs nothing beside it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "libcore/plot/run_curves.h"

namespace gpt2::plot {

/// Loss on top; below it learning rate with gradient norm, and accuracy, where they were logged.
/// The picture has a background of its own, light or dark as the reader's system prefers.
std::string draw_curves(const RunCurves& curves);
/// Writes it. Throws: IoError.
void save_curves(const RunCurves& curves, const std::filesystem::path& path);

/// The mean of each point and its neighbours, 1 % of the points (at most 250) to either side; fewer
/// towards both ends, the same number on either side, so that the curve does not bend there.
std::vector<Point> smoothed(const std::vector<Point>& points);
/// At most 4 points for each of `columns` equal parts of the steps: first, lowest, highest, last.
/// The drawn line is the same at that width.
std::vector<Point> thinned(const std::vector<Point>& points, int columns);

}  // namespace gpt2::plot
