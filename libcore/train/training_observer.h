// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What a run tells the one who watches it, and what that one can ask of it. The library itself
// prints nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "formats/train_log.h"
#include "libcore/model/gpt2_config.h"
#include "libcore/train/memory_plan.h"
#include "libcore/train/training_config.h"

namespace gpt2::train {

/// A run that is about to take its first step.
struct RunSummary {
  std::filesystem::path run;
  std::string device;
  model::Gpt2Config shape;
  std::int64_t parameter_count = 0;
  std::uint64_t training_tokens = 0;
  int rank_count = 1;
  std::uint64_t first_step = 0;  // steps done before
  TrainingPlan plan;
  MemoryPlan memory;                   // of this rank
  std::uint64_t save_every_steps = 0;  // 0: not by steps
  double save_every_seconds = 0;       // 0: not by time
  /// Operations a second of all ranks' large matrix products; 0: not asked for.
  double matmul_rate = 0;
  std::optional<formats::TrainLogRecord> best_validation;  // of the steps done before
};

/// Every function may be left as it is.
class TrainingObserver {
 public:
  virtual ~TrainingObserver() = default;
  virtual void on_notice(const std::string& /*sentence*/) {}
  /// Measuring RunSummary::matmul_rate takes a moment.
  virtual bool wants_matmul_rate() const { return false; }
  virtual void on_begin(const RunSummary& /*summary*/) {}
  /// A dry run ends here, with all of the summary but the rate and the validation known.
  virtual void on_dry_run(const RunSummary& /*summary*/) {}
  /// Each line of metrics.jsonl, after it was written.
  virtual void on_record(const formats::TrainLogRecord& /*record*/) {}
  virtual void on_validation(std::uint64_t /*tokens_done*/, std::uint64_t /*tokens*/) {}
};

/// The number of the signal that asks the run to save and stop; 0: none yet. Asked once a step and
/// while validating and answering.
using StopSignal = std::function<int()>;

}  // namespace gpt2::train
