// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// How a run looks on stderr: one line redrawn on a terminal, else plain lines at a steady cadence.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "libcore/train/training_observer.h"
#include "tools/cli/tool.h"

namespace gpt2::tools {

class TrainingStatus : public train::TrainingObserver {
 public:
  void on_notice(const std::string& sentence) override;
  void on_begin(const train::RunSummary& summary) override;
  void on_record(const formats::TrainLogRecord& record) override;
  void on_validation(std::uint64_t tokens_done, std::uint64_t tokens) override;

 private:
  void show_step(const formats::TrainLogRecord& record);
  void show_profile(const formats::TrainLogRecord& record);
  std::string time_left(std::uint64_t step) const;

  std::uint64_t first_step_ = 0, max_steps_ = 0, step_ = 0;
  std::chrono::steady_clock::time_point begin_, last_line_;
  std::optional<cli::ProgressLine> line_;  // on a terminal
};

}  // namespace gpt2::tools
