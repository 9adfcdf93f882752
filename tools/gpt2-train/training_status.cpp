// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/gpt2-train/training_status.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace gpt2::tools {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kLineEvery = std::chrono::seconds(10);

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::uint64_t>(seconds);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min", (whole + 30) / 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

}  // namespace

void TrainingStatus::on_notice(const std::string& sentence) { cli::notice(sentence); }

void TrainingStatus::on_begin(const train::RunSummary& summary) {
  const auto& plan = summary.plan;
  first_step_ = step_ = summary.first_step;
  max_steps_ = plan.max_steps;
  begin_ = last_line_ = Clock::now();
  // The rate and the time left are those of this start, not of the steps done before.
  if (cli::progress_wanted()) line_.emplace("train", "steps", max_steps_ - first_step_);
  cli::notice(fmt::format(
      "{} parameters: {} layers, {} heads, {} channels, {} tokens in the vocabulary; {}",
      summary.parameter_count, summary.shape.layers, summary.shape.heads, summary.shape.channels,
      summary.shape.vocab_size, summary.device));
  cli::notice(fmt::format(
      "{} steps of {} tokens ({} slots x {} micro-batches x {} sequences x {}), {:.2f} epochs of "
      "{} tokens",
      plan.max_steps, plan.tokens_per_step(), plan.slots, plan.micro_batches, plan.B, plan.T,
      static_cast<double>(plan.max_steps) * static_cast<double>(plan.sequences_per_step) /
          static_cast<double>(plan.windows_per_epoch),
      summary.training_tokens));
}

std::string TrainingStatus::time_left(std::uint64_t step) const {
  const double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
  return duration_text(seconds / static_cast<double>(step - first_step_) *
                       static_cast<double>(max_steps_ - step));
}

void TrainingStatus::show_step(const formats::TrainLogRecord& record) {
  step_ = record.step;
  const std::string numbers =
      fmt::format("loss {:.4f}  norm {:.3f}  lr {:.2e}  {:.0f} tokens/s", record.numbers.at("loss"),
                  record.numbers.at("gradient_norm"), record.numbers.at("learning_rate"),
                  record.numbers.at("tokens_per_second"));
  if (line_) {
    // The line counts the steps of this start.
    const auto step_text = first_step_ > 0 ? fmt::format("step {}  ", step_) : std::string();
    line_->update(step_ - first_step_, step_text + numbers);
    return;
  }
  const auto now = Clock::now();
  if (step_ != first_step_ + 1 && step_ != max_steps_ && now - last_line_ < kLineEvery) return;
  last_line_ = now;
  cli::notice(fmt::format("step {}/{}  {}  {} left", step_, max_steps_, numbers, time_left(step_)));
}

/// Asked for by --profile, so not silenced by -q.
void TrainingStatus::show_profile(const formats::TrainLogRecord& record) {
  constexpr std::string_view kSeconds = ".seconds";
  constexpr double kGiga = 1e9;
  if (line_) line_->clear();
  std::vector<std::string> names;
  for (const auto& [key, value] : record.numbers) {
    if (key.ends_with(kSeconds)) names.push_back(key.substr(0, key.size() - kSeconds.size()));
  }
  const auto number = [&](const std::string& name, std::string_view what) {
    return record.numbers.at(fmt::format("{}.{}", name, what));
  };
  std::sort(names.begin(), names.end(), [&](const auto& a, const auto& b) {
    return number(a, "seconds") > number(b, "seconds");
  });
  const double all_seconds = record.numbers.at("seconds");
  double other_seconds = all_seconds;
  const auto share = [&](double seconds) {
    return all_seconds > 0 ? 100 * seconds / all_seconds : 0;
  };
  fmt::print(stderr, "{:28} {:>8} {:>10} {:>7} {:>9} {:>8}\n", "operation", "calls", "seconds",
             "share", "GFLOP/s", "GB/s");
  for (const auto& name : names) {
    const double seconds = number(name, "seconds"), operations = number(name, "operations");
    other_seconds -= seconds;
    fmt::print(stderr, "{:28} {:8.0f} {:10.3f} {:5.1f} % {:>9} {:8.1f}\n", name,
               number(name, "calls"), seconds, share(seconds),
               operations > 0 ? fmt::format("{:.1f}", operations / seconds / kGiga) : "",
               number(name, "bytes") / seconds / kGiga);
  }
  fmt::print(stderr, "{:28} {:8} {:10.3f} {:5.1f} %\n", "all else", "", other_seconds,
             share(other_seconds));
}

void TrainingStatus::on_record(const formats::TrainLogRecord& record) {
  if (record.kind == "train") {
    show_step(record);
  } else if (record.kind == "val") {
    cli::notice(fmt::format("step {}/{}  validation loss {:.4f}", record.step, max_steps_,
                            record.numbers.at("loss")));
  } else if (record.kind == "sample") {
    cli::notice(fmt::format("step {}/{}  sample: {}", record.step, max_steps_, record.text));
  } else if (record.kind == "profile") {
    show_profile(record);
  } else if (record.kind == "checkpoint" && cli::verbosity() > 0) {
    cli::notice(fmt::format("step {}/{}  saved in {:.1f} s", record.step, max_steps_,
                            record.numbers.at("seconds")));
  }
}

void TrainingStatus::on_validation(std::uint64_t tokens_done, std::uint64_t tokens) {
  if (line_)
    line_->update(step_ - first_step_, fmt::format("validating {}/{} tokens", tokens_done, tokens));
}

}  // namespace gpt2::tools
