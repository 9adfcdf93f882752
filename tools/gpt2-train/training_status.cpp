// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/gpt2-train/training_status.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/utf8.h"

namespace gpt2::tools {
namespace {

constexpr auto kLineEvery = std::chrono::seconds(10);

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::uint64_t>(seconds);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min", (whole + 30) / 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

/// The first of `pieces`, which begin with what matters most, that the terminal's line has room
/// for.
std::string joined_to_fit(const std::vector<std::string>& pieces) {
  constexpr std::string_view kBetween = "  ";
  const auto room = static_cast<std::size_t>(cli::terminal_columns() - 1);
  std::string line;
  for (const auto& piece : pieces) {
    if (piece.empty()) continue;
    if (!line.empty() && line.size() + kBetween.size() + piece.size() > room) break;
    line += line.empty() ? piece : fmt::format("{}{}", kBetween, piece);
  }
  return line;
}

}  // namespace

bool TrainingStatus::wants_matmul_rate() const { return cli::progress_wanted(); }

void TrainingStatus::on_notice(const std::string& sentence) { cli::notice(sentence); }

void TrainingStatus::on_begin(const train::RunSummary& summary) {
  const auto& plan = summary.plan;
  first_step_ = step_ = summary.first_step;
  max_steps_ = plan.max_steps;
  begin_ = last_line_ = last_record_ = last_save_ = Clock::now();
  run_ = summary.run.string();
  matmul_rate_ = summary.matmul_rate;
  save_every_steps_ = summary.save_every_steps;
  save_every_seconds_ = summary.save_every_seconds;
  if (const auto& best = summary.best_validation) {
    best_validation_loss_ = best->numbers.at("loss");
    best_validation_step_ = best->step;
  }
  const auto& shape = summary.shape;
  // Forward and backward: 6 for each weight, 12 for each pair of a query and a key's channel.
  operations_per_token_ = 6 * static_cast<double>(summary.parameter_count) +
                          12 * static_cast<double>(shape.layers * shape.channels * plan.T);
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
  cli::notice(fmt::format(
      "{} of memory at the most ({}); {} free", train::bytes_text(summary.memory.device_bytes()),
      train::figures_text(summary.memory), train::bytes_text(summary.memory.device_free)));
  if (matmul_rate_ > 0) {
    cli::notice(
        fmt::format("large matrix products run at {:.0f} GFLOP/s here: the peak that steps "
                    "are compared with",
                    matmul_rate_ / 1e9));
  }
}

/// The result that --dry-run was given for, so on stdout.
void TrainingStatus::on_dry_run(const train::RunSummary& summary) {
  const auto& plan = summary.plan;
  const auto& memory = summary.memory;
  const auto line = [](std::string_view what, std::string_view value) {
    cli::print(fmt::format("{:12} {}\n", what, value));
  };
  line("device", summary.device);
  line("steps", fmt::format("{} of {} tokens", plan.max_steps, plan.tokens_per_step()));
  line("step", fmt::format("{} slots x {} micro-batches x {} sequences x {} tokens", plan.slots,
                           plan.micro_batches, plan.B, plan.T));
  for (const auto& [what, bytes] : memory.items_on_device()) line(what, train::bytes_text(bytes));
  line("in all", train::bytes_text(memory.device_bytes()));
  line("free", train::bytes_text(memory.device_free));
  if (!memory.device_is_host) {
    line("on the host", fmt::format("snapshot {}, {} free", train::bytes_text(memory.snapshot),
                                    train::bytes_text(memory.host_free)));
  }
}

/// With all that comes between steps.
double TrainingStatus::seconds_per_step() const {
  const double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
  return seconds / static_cast<double>(step_ - first_step_);
}

/// By steps, by time, or at the end.
double TrainingStatus::seconds_to_save() const {
  auto steps = max_steps_ - step_;
  if (save_every_steps_ > 0) steps = std::min(steps, save_every_steps_ - step_ % save_every_steps_);
  const double seconds = static_cast<double>(steps) * seconds_per_step();
  if (save_every_seconds_ <= 0) return seconds;
  const double since = std::chrono::duration<double>(Clock::now() - last_save_).count();
  return std::min(seconds, std::max(0.0, save_every_seconds_ - since));
}

void TrainingStatus::show_step(const formats::TrainLogRecord& record) {
  constexpr double kKept = 0.98;  // of the mean loss, at each step
  step_ = record.step;
  const double loss = record.numbers.at("loss"), rate = record.numbers.at("tokens_per_second");
  const double norm = record.numbers.at("gradient_norm");
  const double learning_rate = record.numbers.at("learning_rate");
  mean_loss_ = kKept * mean_loss_ + (1 - kKept) * loss;
  mean_weight_ = kKept * mean_weight_ + (1 - kKept);
  const double seconds_left = static_cast<double>(max_steps_ - step_) * seconds_per_step();
  if (line_) {
    const double share = matmul_rate_ > 0 ? rate * operations_per_token_ / matmul_rate_ : 0;
    return line_->show(joined_to_fit(
        {fmt::format("step {:{}}/{}", step_, std::to_string(max_steps_).size(), max_steps_),
         fmt::format("loss {:.4f} (mean {:.4f})", loss, mean_loss_ / mean_weight_),
         fmt::format("{} tokens/s", cli::short_number(rate)),
         fmt::format("{} left", cli::clock_text(seconds_left)),
         share > 0 ? fmt::format("{:2.0f} % of peak", 100 * share) : "",
         fmt::format("norm {:.2f}", norm), fmt::format("lr {:.2e}", learning_rate),
         fmt::format("save in {}", cli::clock_text(seconds_to_save()))}));
  }
  const auto now = Clock::now();
  if (step_ != first_step_ + 1 && step_ != max_steps_ && now - last_line_ < kLineEvery) return;
  last_line_ = now;
  cli::notice(
      fmt::format("step {}/{}  loss {:.4f}  norm {:.3f}  lr {:.2e}  {:.0f} tokens/s  {} left",
                  step_, max_steps_, loss, norm, learning_rate, rate, duration_text(seconds_left)));
}

/// The time since the record before went into this one; a save is written beside the steps.
void TrainingStatus::count_time(const formats::TrainLogRecord& record) {
  if (record.kind == "checkpoint") {
    seconds_of_["checkpoint"] += record.numbers.at("stall_seconds");
    const std::chrono::duration<double> since(record.numbers.at("seconds"));
    last_save_ = Clock::now() - std::chrono::duration_cast<Clock::duration>(since);
    return;
  }
  const auto now = Clock::now();
  seconds_of_[record.kind] += std::chrono::duration<double>(now - last_record_).count();
  last_record_ = now;
}

void TrainingStatus::show_summary() const {
  if (step_ == first_step_) return;
  const double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
  std::string shares;
  for (const auto& [kind, what] : {std::pair{"train", "training"},
                                   {"val", "validating"},
                                   {"hella", "on HellaSwag"},
                                   {"sample", "sampling"},
                                   {"histogram", "on histograms"},
                                   {"checkpoint", "waiting for saves"}}) {
    const auto spent = seconds_of_.find(kind);
    if (spent == seconds_of_.end()) continue;
    shares += fmt::format(", {:.0f} % {}", 100 * spent->second / seconds, what);
  }
  cli::notice(fmt::format("{} steps in {}{}", step_ - first_step_, duration_text(seconds), shares));
  if (last_validation_loss_) {
    cli::notice(fmt::format("validation loss {:.4f}, best {:.4f} at step {}",
                            *last_validation_loss_, *best_validation_loss_, best_validation_step_));
  }
  cli::notice(fmt::format(
      "checkpoints in {0}/checkpoints, losses in {0}/metrics.jsonl; gpt2-plot {0} draws them",
      run_));
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

void TrainingStatus::show_validation(const formats::TrainLogRecord& record) {
  const double loss = record.numbers.at("loss");
  const bool is_best = !best_validation_loss_ || loss < *best_validation_loss_;
  last_validation_loss_ = loss;
  if (is_best) {
    best_validation_loss_ = loss;
    best_validation_step_ = record.step;
  }
  cli::event(fmt::format("step {}/{}  validation loss {:.4f}{}", record.step, max_steps_, loss,
                         is_best ? ""
                                 : fmt::format(" (best {:.4f} at step {})", *best_validation_loss_,
                                               best_validation_step_)));
}

void TrainingStatus::on_record(const formats::TrainLogRecord& record) {
  count_time(record);
  if (record.kind == "train") {
    show_step(record);
  } else if (record.kind == "val") {
    show_validation(record);
  } else if (record.kind == "hella") {
    cli::event(fmt::format("step {}/{}  HellaSwag {:.4f} of {:.0f} questions", record.step,
                           max_steps_, record.numbers.at("accuracy"), record.numbers.at("items")));
  } else if (record.kind == "sample") {
    cli::event(fmt::format("step {}/{}  sample:", record.step, max_steps_));
    std::istringstream lines(formats::well_formed(record.text));
    for (std::string line; std::getline(lines, line);) cli::notice("  | " + line);
  } else if (record.kind == "profile") {
    show_profile(record);
  } else if (record.kind == "checkpoint" && cli::verbosity() > 0) {
    cli::notice(fmt::format("step {}/{}  saved in {:.1f} s", record.step, max_steps_,
                            record.numbers.at("seconds")));
  }
}

void TrainingStatus::on_validation(std::uint64_t tokens_done, std::uint64_t tokens) {
  if (line_) {
    line_->show(fmt::format("step {}/{}  validating, {} of {} tokens", step_, max_steps_,
                            cli::short_number(static_cast<double>(tokens_done)),
                            cli::short_number(static_cast<double>(tokens))));
  }
}

}  // namespace gpt2::tools
