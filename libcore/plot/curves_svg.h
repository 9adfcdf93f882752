// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The curves of one or several runs as one SVG picture that needs nothing beside it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "libcore/plot/chart_svg.h"
#include "libcore/plot/run_curves.h"

namespace gpt2::plot {

/// What the runs' progress is measured in.
enum class Progress { kSteps, kTokens, kTime };

/// Loss first, then accuracy, learning rate, gradient norm and tokens per second, where they were
/// logged. Of one run the lines of a chart have colours of their own; of several each run has one.
/// Runs that did not log `progress` are left out.
std::vector<Chart> make_charts(std::span<const RunCurves> runs, Progress progress);

/// All charts over steps. The picture has a background of its own, light or dark as the reader's
/// system prefers.
std::string draw_curves(std::span<const RunCurves> runs);

}  // namespace gpt2::plot
