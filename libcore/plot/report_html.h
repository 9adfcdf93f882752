// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// One or several runs as one page of HTML that needs nothing beside it: no script, no network.
#pragma once

#include <span>
#include <string>

#include "libcore/plot/run_curves.h"

namespace gpt2::plot {

/// A table of the runs, their charts (loss over steps, tokens and time), the settings in which they
/// differ, and the newest samples. Charts are there twice, for wide and for narrow screens.
/// `reload_seconds` above 0: the page asks for itself anew after so many.
std::string draw_report(std::span<const RunCurves> runs, int reload_seconds = 0);

}  // namespace gpt2::plot
