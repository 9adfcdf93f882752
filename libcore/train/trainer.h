// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The training loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/train_log.h"
#include "libcore/comm/communicator.h"
#include "libcore/data/batch_loader.h"
#include "libcore/data/shard_set.h"
#include "libcore/eval/multiple_choice.h"
#include "libcore/kernels/kernels_timed.h"
#include "libcore/model/gpt2.h"
#include "libcore/optim/adamw.h"
#include "libcore/text/tokenizer.h"
#include "libcore/train/checkpoint_writer.h"
#include "libcore/train/gradient_slots.h"
#include "libcore/train/loss_scale.h"
#include "libcore/train/run_folder.h"
#include "libcore/train/run_log.h"
#include "libcore/train/step_losses.h"
#include "libcore/train/training_config.h"
#include "libcore/train/training_observer.h"

namespace gpt2::train {

/// Of this machine; empty if it has none.
std::string host_name();

/// "SIGTERM" of 15.
std::string signal_name(int signal);

/// Where a run stands. Data order, dropout and schedule are functions of it, so nothing else has to
/// be remembered.
struct TrainingProgress {
  std::uint64_t step = 0;  // steps done, skipped ones too
  std::uint64_t sequences_consumed = 0;
  std::uint64_t bad_steps_in_row = 0, skipped_steps = 0;  // without those of the loss scale
  std::optional<double> validation_loss;                  // the newest
  std::optional<LossScale> loss_scale;                    // of a run in fp16

  /// Into the fields of a manifest, and back. Throws: InputError naming `where` when one is
  /// missing.
  void store(formats::CheckpointManifest& manifest) const;
  static TrainingProgress load(const formats::CheckpointManifest& manifest,
                               const std::string& where);
};

/// A step whose work is queued, and what is known of it only when that is done.
struct QueuedStep {
  std::uint64_t step = 0, sequences_consumed = 0;  // as the progress says after it
  double learning_rate = 0;
  std::chrono::steady_clock::time_point begun;
  std::uint64_t mark = 0;  // of the device's queue
  kernels::UpdateOutcome outcome;
};

/// What the loop works on. Everything referred to must outlive the trainer.
struct TrainerParts {
  const TrainingConfig& config;
  const TrainingPlan& plan;
  RunFolder& folder;
  const data::ShardSet& train_set;
  const data::ShardSet* val_set;            // null: no validation
  const text::Tokenizer* tokenizer;         // null: none in checkpoints, no samples
  const eval::EncodedQuestions* hellaswag;  // null: none to answer
  model::Gpt2& model;
  optim::AdamW& optimizer;
  const kernels::TimedKernels* timed_kernels;  // the model's, or null: no profile
  comm::Communicator& communicator;            // every rank has a trainer; the first one logs
  formats::CheckpointManifest manifest;        // what every checkpoint says alike
  TrainingObserver& observer;
  StopSignal stop_signal;
};

class Trainer {
 public:
  /// Goes on from `progress`, which model and optimizer have already. `resumed_from`: the
  /// checkpoint they came from, or empty. Cuts the logs back to that step. Throws: InputError,
  /// IoError.
  Trainer(TrainerParts parts, TrainingProgress progress, std::filesystem::path resumed_from);
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;
  ~Trainer();

  /// Trains to the end. Throws: StoppedError after a stop signal, with everything saved;
  /// DivergedError; IoError at the step after a save that failed; InputError for broken data.
  void run();

 private:
  void run_to_end();
  void take_step();
  const device::DeviceBuffer& queue_gradients();  // this rank's share of their sum
  void queue_update(const device::DeviceBuffer& gradients);
  void settle(std::size_t but_newest = 0);
  void settle_oldest();
  void gather(const device::DeviceBuffer& buffer);  // each rank's share to all
  void log_histograms(const device::DeviceBuffer& gradients, float scale_of_gradients);
  float loss_scale() const;
  bool complete_step();
  void leave_if_asked() const;  // all ranks
  void validate_when_due();
  void answer_when_due();
  void sample_when_due();
  void save_when_due();
  void stop_if_asked();
  void log_profile();
  bool is_first() const { return parts_.communicator.rank() == 0; }
  int stop_signal_of_any() const;

  std::vector<std::string> checkpoints_due() const;
  void adopt_start();
  bool save_is_due_by_time() const;
  void begin_save(std::vector<std::string> names, bool rolling);
  void report_save(const std::optional<FinishedSave>& save);
  void log(const std::string& kind, std::map<std::string, double> numbers, std::string text = {});
  void write_record(formats::TrainLogRecord record);
  std::uint64_t epochs_done(std::uint64_t sequences) const;

  TrainerParts parts_;
  TrainingProgress progress_;
  RankShare share_;
  std::optional<RunLog> log_;  // of the first rank
  data::BatchLoader batches_;
  GradientSlots slots_;
  StepLossBuffer losses_;
  std::deque<QueuedStep> queued_;  // outcomes not known yet, oldest first
  bool last_is_done_ = true;       // the step settled last was no bad one
  std::set<std::string> logged_;   // kinds of records that this step has already
  std::filesystem::path saved_;    // a checkpoint of this step, whole or under way, or empty
  std::chrono::steady_clock::time_point last_settled_{};  // step
  std::chrono::steady_clock::time_point last_save_;       // its snapshot
  double last_step_seconds_ = 0, last_save_seconds_ = 0;  // what they took
  CheckpointWriter saves_;
};

}  // namespace gpt2::train
