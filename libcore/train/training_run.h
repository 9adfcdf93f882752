// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A whole run: settings, data, tokenizer, model and checkpoint brought together, then the loop.
#pragma once

#include <set>
#include <string>

#include "libcore/comm/communicator.h"
#include "libcore/train/training_config.h"
#include "libcore/train/training_observer.h"

namespace gpt2::train {

/// Begins a run in `asked.out`, or goes on with one (`asked.resume`), and trains it to the end.
/// `given`: names of the options that the user set; on resume all others come from the checkpoint.
/// Ends at once if the run is complete. All ranks of `communicator` call it with the same settings;
/// the first tells `observer`. Throws: EndedByAnotherRank where another rank throws one of these:
/// UsageError; InputError; ExistsError when the folder holds a run or another trainer;
/// ContradictionError; UnavailableError; IoError; StoppedError; DivergedError.
void run_training(const TrainingConfig& asked, const std::set<std::string>& given,
                  TrainingObserver& observer, const StopSignal& stop_signal,
                  comm::Communicator& communicator);

}  // namespace gpt2::train
