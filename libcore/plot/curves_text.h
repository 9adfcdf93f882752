// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The loss of runs as a picture of characters, for a terminal.
#pragma once

#include <span>
#include <string>

#include "libcore/plot/run_curves.h"

namespace gpt2::plot {

/// `columns` x `rows` characters with the axes: the smoothed training loss as dots and the
/// validation loss as v; of several runs as a, b, c ... and A, B, C ... in their order. Then a line
/// for each run.
std::string draw_text(std::span<const RunCurves> runs, int columns, int rows);

}  // namespace gpt2::plot
