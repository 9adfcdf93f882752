// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/run_log.h"

namespace gpt2::train {

RunLog::RunLog(const std::filesystem::path& run, std::uint64_t keep_through_step,
               const TrainingConfig& config)
    : lines_(run, keep_through_step),
      sinks_(open_metric_sinks(run, config, formats::load_train_log(run))) {}

void RunLog::write(const formats::TrainLogRecord& record) {
  lines_.write(record);
  for (const auto& sink : sinks_) sink->write(record);
}

void RunLog::finish(int exit_code) {
  for (const auto& sink : sinks_) sink->finish(exit_code);
}

}  // namespace gpt2::train
