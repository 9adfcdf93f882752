// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// SIGTERM, SIGINT and SIGUSR1 ask a run to finish its step, save and stop.
#pragma once

namespace gpt2::tools {

/// From here on the three signals are remembered instead of ending the process, and answered with a
/// line on stderr if `announce`; a second SIGINT ends it at once. May be called again.
void catch_stop_signals(bool announce);
/// The last of them that came; 0: none.
int stop_signal_received();

}  // namespace gpt2::tools
