// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/trainer.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <csignal>
#include <ctime>
#include <sstream>
#include <tuple>
#include <utility>

#include "formats/errors.h"
#include "libcore/data/sequence_order.h"
#include "libcore/eval/loss.h"
#include "libcore/model/model_directory.h"
#include "libcore/sample/sampler.h"
#include "libcore/train/checkpoint_store.h"
#include "libcore/train/histogram.h"

namespace gpt2::train {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* kBadStepsKey = "bad_steps_in_row";
constexpr const char* kSkippedStepsKey = "skipped_steps";
constexpr const char* kLossScaleKey = "loss_scale";
constexpr const char* kGoodStepsKey = "good_steps_at_loss_scale";
constexpr const char* kOverflowedStepsKey = "overflowed_steps";
constexpr std::int64_t kSampleTokens = 64;

/// Leaves a validation or a sample that a stop signal cuts short.
struct Interrupted {};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double seconds_since_epoch() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string utc_now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

/// Kinds of the records that the log has of `step`. The first rank reads it.
std::set<std::string> kinds_logged(const fs::path& run, std::uint64_t step,
                                   comm::Communicator& communicator) {
  std::string kinds;
  communicator.together([&] {
    if (communicator.rank() != 0) return;
    for (const auto& record : formats::load_train_log(run)) {
      if (record.step == step) kinds += record.kind + "\n";
    }
  });
  std::istringstream lines(communicator.from_first(kinds));
  std::set<std::string> known;
  for (std::string kind; std::getline(lines, kind);) known.insert(kind);
  return known;
}

std::optional<LossScale> loss_scale_of(const formats::CheckpointManifest& manifest,
                                       const std::string& where) {
  if (!manifest.state.contains(kLossScaleKey)) return std::nullopt;
  const LossScale scale{.value = state_count(manifest, kLossScaleKey, where),
                        .good_steps = state_count(manifest, kGoodStepsKey, where),
                        .overflowed_steps = state_count(manifest, kOverflowedStepsKey, where)};
  if (!std::has_single_bit(scale.value) || scale.value > LossScale::kMost) {
    throw formats::InputError(
        fmt::format("{}: checkpoint.json, state, {}: is {}, must be a power of two up to {}", where,
                    kLossScaleKey, scale.value, LossScale::kMost));
  }
  return scale;
}

bool is_due(std::uint64_t step, std::uint64_t every) { return every > 0 && step % every == 0; }

}  // namespace

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data())
                                                          : std::string();
}

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name != nullptr ? fmt::format("SIG{}", name) : fmt::format("signal {}", signal);
}

void TrainingProgress::store(formats::CheckpointManifest& manifest) const {
  manifest.step = step;
  manifest.sequences_consumed = sequences_consumed;
  manifest.validation_loss = validation_loss;
  manifest.state[kBadStepsKey] = static_cast<double>(bad_steps_in_row);
  manifest.state[kSkippedStepsKey] = static_cast<double>(skipped_steps);
  if (!loss_scale) return;
  manifest.state[kLossScaleKey] = static_cast<double>(loss_scale->value);
  manifest.state[kGoodStepsKey] = static_cast<double>(loss_scale->good_steps);
  manifest.state[kOverflowedStepsKey] = static_cast<double>(loss_scale->overflowed_steps);
}

TrainingProgress TrainingProgress::load(const formats::CheckpointManifest& manifest,
                                        const std::string& where) {
  return {.step = manifest.step,
          .sequences_consumed = manifest.sequences_consumed,
          .bad_steps_in_row = state_count(manifest, kBadStepsKey, where),
          .skipped_steps = state_count(manifest, kSkippedStepsKey, where),
          .validation_loss = manifest.validation_loss,
          .loss_scale = loss_scale_of(manifest, where)};
}

Trainer::Trainer(TrainerParts parts, TrainingProgress progress, fs::path resumed_from)
    : parts_(std::move(parts)),
      progress_(progress),
      share_(parts_.plan.share_of(parts_.communicator.rank(), parts_.communicator.size())),
      batches_(parts_.train_set,
               data::SequenceOrder(parts_.train_set, parts_.plan.T, parts_.config.seed),
               parts_.plan.B, parts_.plan.T,
               static_cast<std::uint32_t>(parts_.model.config().vocab_size),
               progress.sequences_consumed + share_.first_sequence,
               {static_cast<std::uint64_t>(share_.slots * share_.micro_batches),
                parts_.plan.sequences_per_step}),
      slots_(parts_.model.device(), parts_.model.kernels(), parts_.model.table().buffer_elements(),
             parts_.communicator, parts_.plan.wire),
      losses_(parts_.model.device(), share_, parts_.plan),
      saved_(std::move(resumed_from)),
      last_save_(Clock::now()),
      saves_(parts_.folder, parts_.model, parts_.optimizer,
             parts_.tokenizer != nullptr ? &parts_.tokenizer->files() : nullptr,
             parts_.config.keep_last, parts_.communicator) {
  parts_.communicator.together([&] {
    if (is_first()) log_.emplace(parts_.folder.path(), progress_.step, parts_.config);
  });
  logged_ = kinds_logged(parts_.folder.path(), progress_.step, parts_.communicator);
  if (parts_.model.kernels().compute_type() != device::DataType::kF16) {
    progress_.loss_scale.reset();
  } else if (!progress_.loss_scale) {
    progress_.loss_scale.emplace();
  }
}

Trainer::~Trainer() {
  if (queued_.empty()) return;
  try {
    parts_.model.device().synchronize();  // copies under way write to the queued steps
  } catch (const std::exception&) {       // a broken device: what ends the run is told already
    return;
  }
}

void Trainer::run() {
  try {
    run_to_end();
  } catch (const formats::StoppedError&) {
    if (log_) log_->finish(75);
    throw;
  } catch (const formats::DivergedError&) {
    if (log_) log_->finish(76);
    throw;
  }
  if (log_) log_->finish(0);
}

void Trainer::run_to_end() {
  adopt_start();
  for (;;) {
    report_save(saves_.finished());
    stop_if_asked();
    if (!complete_step()) continue;
    if (progress_.step >= parts_.plan.max_steps) break;
    take_step();
  }
  report_save(saves_.wait());
  log_profile();
}

/// One update: the gradients of all slots, their norm, the decision, AdamW. On a GPU all of it is
/// only queued, and the step before is settled meanwhile, so that the GPU never waits for the host.
void Trainer::take_step() {
  auto& device = parts_.model.device();
  queued_.push_back(
      {.step = progress_.step + 1,
       .sequences_consumed = progress_.sequences_consumed + parts_.plan.sequences_per_step,
       .learning_rate = parts_.plan.schedule.at(static_cast<std::int64_t>(progress_.step)),
       .begun = Clock::now()});
  const float scale_of_gradients = loss_scale();
  const auto& gradients = queue_gradients();
  queue_update(gradients);
  auto& step = queued_.back();
  device.queue_to_host(&step.outcome, parts_.optimizer.outcome(), sizeof step.outcome);
  step.mark = device.mark();
  progress_.step = step.step;
  progress_.sequences_consumed = step.sequences_consumed;
  logged_.clear();
  saved_.clear();
  // The outcome decides on the next step's loss scale.
  const bool at_once =
      device.is_host() || parts_.communicator.size() > 1 || progress_.loss_scale.has_value();
  settle(at_once ? 0 : 1);
  if (!is_due(progress_.step, parts_.config.histogram_every)) return;
  settle();
  if (last_is_done_) log_histograms(gradients, scale_of_gradients);
}

float Trainer::loss_scale() const {
  return progress_.loss_scale ? static_cast<float>(progress_.loss_scale->value) : 1.0F;
}

const device::DeviceBuffer& Trainer::queue_gradients() {
  const auto& plan = parts_.plan;
  parts_.communicator.say_phase(fmt::format("forward and backward of step {}", progress_.step + 1));
  const auto scale =
      static_cast<float>(1 / static_cast<double>(plan.tokens_per_step())) * loss_scale();
  for (std::int64_t slot = 0; slot < share_.slots; ++slot) {
    const auto& gradients = slots_.open_slot();
    for (std::int64_t micro_batch = 0; micro_batch < share_.micro_batches; ++micro_batch) {
      const auto& batch = batches_.next();
      model::FinishedFrom finished_from;
      if (slots_.sums_early() && slot + 1 == share_.slots &&
          micro_batch + 1 == share_.micro_batches) {
        finished_from = [&](std::int64_t first) { slots_.finish_from(first); };
      }
      parts_.model.forward_backward(batch.inputs, batch.targets, batch.B, batch.T, scale,
                                    {.probability = static_cast<float>(parts_.config.dropout),
                                     .seed = parts_.config.seed,
                                     .first_sequence = batch.first_sequence},
                                    gradients, losses_.of_micro_batch(slot, micro_batch),
                                    finished_from);
    }
    slots_.close_slot();
  }
  parts_.communicator.say_phase(fmt::format("sum of the gradients of step {}", progress_.step + 1));
  return slots_.join();
}

/// One update of all weights on all ranks, each of which has its share of the gradients.
void Trainer::queue_update(const device::DeviceBuffer& gradients) {
  const bool keeps_share = parts_.config.zero == "1";
  const auto token_count = static_cast<double>(parts_.plan.tokens_per_step());
  parts_.optimizer.decide(gradients,
                          {.sums = losses_.sums(parts_.model.kernels(), parts_.communicator),
                           .token_count = token_count,
                           .scale = loss_scale()},
                          parts_.communicator);
  if (!keeps_share) gather(gradients);
  parts_.optimizer.update(gradients, queued_.back().learning_rate);
  if (!keeps_share) return;
  gather(parts_.model.parameters());
  if (parts_.communicator.size() > 1) parts_.model.renew_compute_copy();  // of the others' shares
}

/// Waits for all queued steps but the `but_newest` newest, and says what they came to.
void Trainer::settle(std::size_t but_newest) {
  while (queued_.size() > but_newest) settle_oldest();
}

void Trainer::settle_oldest() {
  parts_.model.device().wait_for(queued_.front().mark);
  const auto step = queued_.front();
  queued_.pop_front();
  const auto& outcome = step.outcome;
  const auto begun = std::max(step.begun, last_settled_);
  last_settled_ = Clock::now();
  last_step_seconds_ = std::chrono::duration<double>(last_settled_ - begun).count();
  last_is_done_ = outcome.is_done != 0;
  auto& scale = progress_.loss_scale;
  const float scale_of_step = loss_scale();
  if (scale && last_is_done_) scale->note_good_step();
  const bool overflowed = scale && !std::isfinite(outcome.gradient_norm) && scale->back_off();
  if (!overflowed) {
    progress_.bad_steps_in_row = last_is_done_ ? 0 : progress_.bad_steps_in_row + 1;
    progress_.skipped_steps += last_is_done_ ? 0 : 1;
  }

  std::map<std::string, double> numbers{
      {"loss", outcome.loss},
      {"gradient_norm", outcome.gradient_norm},
      {"learning_rate", step.learning_rate},
      {"tokens", static_cast<double>(step.sequences_consumed) * static_cast<double>(parts_.plan.T)},
      {"tokens_per_second",
       static_cast<double>(parts_.plan.tokens_per_step()) / last_step_seconds_}};
  if (scale) numbers["loss_scale"] = scale_of_step;
  if (overflowed) {
    numbers["overflowed_steps"] = static_cast<double>(scale->overflowed_steps);
  } else if (!last_is_done_) {
    numbers["skipped_steps"] = static_cast<double>(progress_.skipped_steps);
  }
  write_record(
      {.kind = last_is_done_ ? "train" : "skip", .step = step.step, .numbers = std::move(numbers)});
  if (last_is_done_) return;
  if (overflowed) {
    return parts_.observer.on_notice(fmt::format(
        "step {}: the gradients overflow fp16 at a loss scale of {}; the update is left out, and "
        "the scale is {} from now on",
        step.step, scale_of_step, scale->value));
  }
  parts_.observer.on_notice(
      fmt::format("step {}: loss {}, gradient norm {}; the update is left out", step.step,
                  outcome.loss, outcome.gradient_norm));
  if (progress_.bad_steps_in_row < parts_.config.max_bad_steps) return;
  log_profile();
  parts_.communicator.together([&] {
    throw formats::DivergedError(
        fmt::format("training diverged: no finite loss and norm in {} steps in a row, up to step "
                    "{}; go on from "
                    "a checkpoint before with a lower learning rate (--resume DIR --allow-change "
                    "learning-rate)",
                    progress_.bad_steps_in_row, step.step));
  });
}

void Trainer::gather(const device::DeviceBuffer& buffer) {
  const auto elements = parts_.model.table().buffer_elements();
  parts_.communicator.gather_shares({buffer.data(), device::DataType::kF32, {elements}},
                                    {elements, parts_.communicator.size()});
}

/// One record for each tensor's weights, as the step left them, and for the gradients it was done
/// with. Between a step and its checkpoint, so that a run that goes on has them once.
void Trainer::log_histograms(const device::DeviceBuffer& gradients, float scale_of_gradients) {
  parts_.communicator.say_phase(fmt::format("histograms of step {}", progress_.step));
  const bool shares_lie_apart = parts_.config.zero == "1";
  if (shares_lie_apart) gather(gradients);
  if (!is_first()) return;
  constexpr std::string_view kPrefix = "transformer.";
  std::vector<float> values;
  for (const auto& [what, buffer, scale] : {std::tuple{"weights", &parts_.model.parameters(), 1.0F},
                                            {"gradients", &gradients, scale_of_gradients}}) {
    for (const auto& parameter : parts_.model.table().parameters()) {
      values.resize(static_cast<std::size_t>(parameter.element_count));
      parts_.model.device().copy_to_host(values.data(), buffer->f32() + parameter.offset,
                                         values.size() * sizeof(float));
      for (float& value : values) value /= scale;
      auto [low, high, sum, sum_squares, counts] = histogram_of(values);
      std::string_view name = parameter.name;
      if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
      write_record(
          {.kind = "histogram",
           .step = progress_.step,
           .numbers = {{"low", low}, {"high", high}, {"sum", sum}, {"sum_squares", sum_squares}},
           .text = fmt::format("{}/{}", what, name),
           .counts = std::move(counts)});
    }
  }
}

/// What the step just done (or step 0, or the one that a resumed run stands at) calls for. False if
/// a stop signal came in between: the rest is left to the run that goes on.
bool Trainer::complete_step() {
  try {
    validate_when_due();
    answer_when_due();
    sample_when_due();
  } catch (const Interrupted&) {
    return false;
  }
  save_when_due();
  return true;
}

int Trainer::stop_signal_of_any() const {
  return static_cast<int>(parts_.communicator.maximum(parts_.stop_signal()));
}

void Trainer::leave_if_asked() const {
  if (stop_signal_of_any() != 0) throw Interrupted{};
}

void Trainer::validate_when_due() {
  const bool due =
      is_due(progress_.step, parts_.config.val_every) || progress_.step == parts_.plan.max_steps;
  if (parts_.val_set == nullptr || !due || logged_.contains("val")) return;
  settle();
  parts_.communicator.say_phase(fmt::format("validation after step {}", progress_.step));
  const auto watch = [&](std::uint64_t done, std::uint64_t all) {
    leave_if_asked();
    parts_.observer.on_validation(done, all);
  };
  const auto result =
      eval::validation_loss(parts_.model, *parts_.val_set, parts_.plan.B, parts_.plan.T,
                            parts_.config.val_tokens, parts_.communicator, watch);
  progress_.validation_loss = result.loss;
  log("val", {{"loss", result.loss}, {"tokens", static_cast<double>(result.token_count)}});
}

/// Accuracy on HellaSwag, of the means over an ending's tokens.
void Trainer::answer_when_due() {
  const bool due = progress_.step > 0 && (is_due(progress_.step, parts_.config.hellaswag_every) ||
                                          progress_.step == parts_.plan.max_steps);
  if (parts_.hellaswag == nullptr || !due || logged_.contains("hella")) return;
  settle();
  parts_.communicator.say_phase(fmt::format("questions after step {}", progress_.step));
  const auto accuracy = eval::accuracy_of_ranks(parts_.model, *parts_.hellaswag,
                                                parts_.communicator, [&] { leave_if_asked(); });
  log("hella",
      {{"accuracy", accuracy.value()}, {"items", static_cast<double>(accuracy.item_count)}});
}

void Trainer::sample_when_due() {
  const bool due = progress_.step > 0 &&
                   (is_due(progress_.step, parts_.config.sample_every) ||
                    (progress_.step == parts_.plan.max_steps && parts_.config.sample_every > 0));
  if (!due || logged_.contains("sample")) return;
  settle();
  parts_.communicator.say_phase(fmt::format("sample after step {}", progress_.step));
  const auto prompt = parts_.tokenizer->encode(parts_.config.sample_prompt);
  const auto continuations =
      sample::generate(parts_.model, std::vector<std::int32_t>(prompt.begin(), prompt.end()),
                       {.max_tokens = kSampleTokens,
                        .seed = parts_.config.seed,
                        .vocab_size = parts_.tokenizer->vocab_size()},
                       [&](std::int64_t, std::int32_t) { leave_if_asked(); });
  const auto& tokens = continuations.front();
  std::vector<std::uint16_t> ids(tokens.begin(), tokens.end());
  log("sample", {}, parts_.config.sample_prompt + parts_.tokenizer->decode(ids));
}

std::uint64_t Trainer::epochs_done(std::uint64_t sequences) const {
  return sequences / parts_.plan.windows_per_epoch;
}

/// Names of the lasting checkpoints that this step calls for.
std::vector<std::string> Trainer::checkpoints_due() const {
  std::vector<std::string> names;
  const auto& config = parts_.config;
  if (progress_.step == 0) return names;
  if (is_due(progress_.step, config.save_every_steps))
    names.push_back(step_checkpoint_name(progress_.step));
  if (config.save_every_epochs > 0) {
    const std::uint64_t before =
        progress_.sequences_consumed -
        std::min(progress_.sequences_consumed, parts_.plan.sequences_per_step);
    const std::uint64_t every = config.save_every_epochs;
    const std::uint64_t due = epochs_done(progress_.sequences_consumed) / every * every;
    if (due > epochs_done(before)) names.push_back(epoch_checkpoint_name(due));
  }
  if (progress_.step == parts_.plan.max_steps) names.emplace_back(kFinalCheckpointName);
  return names;
}

/// The work since the last snapshot is lost if the run is killed before the next one is on disk.
/// Would that be too much at the next chance, after another step?
bool Trainer::save_is_due_by_time() const {
  const double limit = parts_.config.save_every_seconds;
  return limit > 0 && progress_.step > 0 &&
         seconds_since(last_save_) + last_step_seconds_ + last_save_seconds_ > limit;
}

/// A checkpoint of another run becomes one of this run too, which can then go on whatever ends it.
void Trainer::adopt_start() {
  if (saved_.empty() || parts_.folder.owns(saved_)) return;
  const auto name = step_checkpoint_name(progress_.step);
  begin_save({name}, /*rolling=*/true);
  report_save(saves_.wait());
  saved_ = parts_.folder.checkpoint_path(name);
}

void Trainer::save_when_due() {
  if (auto names = checkpoints_due(); !names.empty()) {
    begin_save(std::move(names), /*rolling=*/false);
    return;
  }
  // Clocks differ: the first rank's counts.
  const bool due = is_first() && saved_.empty() && save_is_due_by_time() && !saves_.is_busy();
  if (parts_.communicator.maximum(due ? 1 : 0) != 0) {
    begin_save({step_checkpoint_name(progress_.step)}, /*rolling=*/true);
  }
}

/// Ends the run when a signal asks for it, with a checkpoint of this very step.
void Trainer::stop_if_asked() {
  const int signal = stop_signal_of_any();
  if (signal == 0) return;
  if (saved_.empty()) begin_save({step_checkpoint_name(progress_.step)}, /*rolling=*/true);
  report_save(saves_.wait());
  log_profile();
  parts_.communicator.together([&] {
    throw formats::StoppedError(
        fmt::format("stopped by {} after step {}, saved in {}; gpt2-train --out {} --resume latest "
                    "goes on",
                    signal_name(signal), progress_.step, saved_.string(), parts_.config.out));
  });
}

/// Begins checkpoints of this step under `names`, but for those that are there already.
void Trainer::begin_save(std::vector<std::string> names, bool rolling) {
  parts_.communicator.say_phase(fmt::format("checkpoint of step {}", progress_.step));
  if (!saved_.empty()) {
    std::erase_if(names, [&](const std::string& name) {
      const bool there =
          is_first() && is_lasting_checkpoint(parts_.folder.checkpoint_path(name), progress_.step);
      return parts_.communicator.maximum(there ? 1 : 0) != 0;
    });
    if (names.empty()) return;
  }
  settle();
  last_save_ = Clock::now();
  report_save(saves_.wait());
  CheckpointOrder order{.manifest = parts_.manifest,
                        .names = std::move(names),
                        .rolling = rolling,
                        .due = last_save_,
                        .existing = saved_};
  progress_.store(order.manifest);
  order.manifest.epoch = static_cast<double>(progress_.sequences_consumed) /
                         static_cast<double>(parts_.plan.windows_per_epoch);
  order.manifest.written_at = utc_now();
  order.manifest.host = host_name();
  if (saved_.empty()) saved_ = parts_.folder.checkpoint_path(order.names.front());
  parts_.communicator.together([&] { saves_.begin(std::move(order)); });
}

void Trainer::report_save(const std::optional<FinishedSave>& save) {
  if (!save) return;
  last_save_seconds_ = save->seconds;
  for (const auto& notice : save->notices) parts_.observer.on_notice(notice);
  write_record({.kind = "checkpoint",
                .step = save->step,
                .numbers = {{"seconds", save->seconds}, {"stall_seconds", save->stall_seconds}}});
}

/// What the operations took since the run was started, if they are timed.
void Trainer::log_profile() {
  if (parts_.timed_kernels == nullptr) return;
  const auto profile = parts_.timed_kernels->profile();
  std::map<std::string, double> numbers{{"seconds", profile.seconds}};
  for (const auto& operation : profile.operations) {
    const auto set = [&](std::string_view what, auto value) {
      numbers[fmt::format("{}.{}", operation.name, what)] = static_cast<double>(value);
    };
    set("calls", operation.calls);
    set("seconds", operation.seconds);
    set("operations", operation.work.operations);
    set("bytes", operation.work.bytes);
  }
  log("profile", std::move(numbers));
}

/// A record of the step just done.
void Trainer::log(const std::string& kind, std::map<std::string, double> numbers,
                  std::string text) {
  write_record({.kind = kind,
                .step = progress_.step,
                .numbers = std::move(numbers),
                .text = std::move(text)});
  logged_.insert(kind);
}

void Trainer::write_record(formats::TrainLogRecord record) {
  if (!log_) return;
  record.time = seconds_since_epoch();
  log_->write(record);
  parts_.observer.on_record(record);
}

}  // namespace gpt2::train
