// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The one place where a run's records are written: metrics.jsonl, log.txt, and the sinks made from
// them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "formats/train_log.h"
#include "libcore/train/metric_sinks.h"
#include "libcore/train/training_config.h"

namespace gpt2::train {

class RunLog {
 public:
  /// Cuts the logs back to step `keep_through_step`, then opens the sinks that `config` asks for.
  /// Throws: IoError.
  RunLog(const std::filesystem::path& run, std::uint64_t keep_through_step,
         const TrainingConfig& config);
  /// Throws: IoError.
  void write(const formats::TrainLogRecord& record);
  /// The run ends here, with an exit code of the tool. Throws: IoError.
  void finish(int exit_code);

 private:
  formats::TrainLogWriter lines_;
  std::vector<std::unique_ptr<MetricSink>> sinks_;
};

}  // namespace gpt2::train
