// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Where a run's records go beside metrics.jsonl, which they are all derived from: TensorBoard, W&B,
// Prometheus.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "formats/train_log.h"
#include "libcore/train/training_config.h"

namespace gpt2::train {

class MetricSink {
 public:
  virtual ~MetricSink() = default;
  /// Throws: IoError.
  virtual void write(const formats::TrainLogRecord& record) = 0;
  /// The run ends here with an exit code of the tool; it may go on later. Throws: IoError.
  virtual void finish(int /*exit_code*/) {}
};

/// The sinks that `config` asks for, each as if it had been given the records `so_far` by this
/// start: a run that was stopped, killed or set back has no step twice and none is missing.
/// Throws: IoError.
std::vector<std::unique_ptr<MetricSink>> open_metric_sinks(
    const std::filesystem::path& run, const TrainingConfig& config,
    const std::vector<formats::TrainLogRecord>& so_far);

}  // namespace gpt2::train
