// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// How a run looks on stderr: one line redrawn on a terminal, else plain lines at a steady cadence.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "libcore/train/training_observer.h"
#include "tools/cli/tool.h"

namespace gpt2::tools {

class TrainingStatus : public train::TrainingObserver {
 public:
  void on_notice(const std::string& sentence) override;
  bool wants_matmul_rate() const override;
  void on_begin(const train::RunSummary& summary) override;
  void on_dry_run(const train::RunSummary& summary) override;
  void on_record(const formats::TrainLogRecord& record) override;
  void on_validation(std::uint64_t tokens_done, std::uint64_t tokens) override;
  /// What this start did and where it lies; nothing if it took no step.
  void show_summary() const;

 private:
  using Clock = std::chrono::steady_clock;
  void count_time(const formats::TrainLogRecord& record);
  void show_step(const formats::TrainLogRecord& record);
  void show_profile(const formats::TrainLogRecord& record);
  void show_validation(const formats::TrainLogRecord& record);
  double seconds_per_step() const;
  double seconds_to_save() const;

  std::string run_;
  double operations_per_token_ = 0, matmul_rate_ = 0;
  std::uint64_t save_every_steps_ = 0;
  double save_every_seconds_ = 0;
  std::uint64_t first_step_ = 0, max_steps_ = 0, step_ = 0;
  Clock::time_point begin_, last_line_, last_record_, last_save_;
  double mean_loss_ = 0, mean_weight_ = 0;  // over the last steps, falling off
  std::optional<double> best_validation_loss_, last_validation_loss_;
  std::uint64_t best_validation_step_ = 0;
  std::map<std::string, double> seconds_of_;  // by kind of record, of this start
  std::optional<cli::ProgressLine> line_;     // on a terminal
};

}  // namespace gpt2::tools
