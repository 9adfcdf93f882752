// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Saves behind the training: a snapshot, then a thread that writes, syncs, renames and prunes.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/tokenizer_files.h"
#include "libcore/comm/communicator.h"
#include "libcore/device/device.h"
#include "libcore/train/run_folder.h"
#include "libcore/train/training_snapshot.h"

namespace gpt2::train {

struct CheckpointOrder {
  formats::CheckpointManifest manifest;  // all but what save_checkpoint adds
  std::vector<std::string> names;  // the first is written, the others share its files; not empty
  bool rolling = false;            // made by time or signal: --keep-last prunes such
  std::chrono::steady_clock::time_point due;  // since when training stands still for it
  /// A checkpoint of this step that is there already: no snapshot is taken, all names share it.
  std::filesystem::path existing = {};
};

/// A save that is whole on disk under all its names.
struct FinishedSave {
  std::uint64_t step = 0;
  double stall_seconds = 0;  // while training stood still, up to the end of the snapshot
  double seconds = 0;        // in all
  std::vector<std::string> notices;
};

/// True when `directory` is a whole checkpoint of `step` that --keep-last does not prune.
bool is_lasting_checkpoint(const std::filesystem::path& directory, std::uint64_t step);

/// One save at a time, by a thread of its own.
class CheckpointWriter {
 public:
  /// `tokenizer` may be null. What is referred to must outlive the writer. All ranks make one, and
  /// begin each save: each rank writes its share of the moments, rank 0 all else.
  CheckpointWriter(RunFolder& folder, const model::Gpt2& model, const optim::AdamW& optimizer,
                   const formats::TokenizerFiles* tokenizer, std::uint64_t keep_last,
                   comm::Communicator& communicator);
  /// Waits for the save under way. An error of it is lost: call wait() where that counts.
  ~CheckpointWriter() = default;

  /// Takes a snapshot of model and optimizer and leaves the rest to the thread: it writes the
  /// checkpoint, points `latest` to the last of its names, and removes all but the newest
  /// `keep_last` rolling checkpoints of this step and before (later ones are damaged, or the run
  /// would have gone on from them). Precondition: no save is under way. Throws: DivergedError, and
  /// nothing is written, when a weight is not finite.
  void begin(CheckpointOrder order);
  bool is_busy() const;
  /// The save that ended since the last call, if any. Throws: IoError if it failed; the checkpoints
  /// before it are as they were.
  std::optional<FinishedSave> finished();
  /// The same, after waiting for the save under way.
  std::optional<FinishedSave> wait();

 private:
  FinishedSave carry_out(const CheckpointOrder& order);
  void prune_rolling(std::uint64_t newest_step, std::vector<std::string>& notices);

  RunFolder& folder_;
  const model::Gpt2& model_;
  const optim::AdamW& optimizer_;
  const formats::TokenizerFiles* tokenizer_;
  std::uint64_t keep_last_;
  std::unique_ptr<comm::Communicator> communicator_;  // the thread's
  TrainingSnapshot snapshot_;
  device::DeviceBuffer sum_of_squares_;  // of the weights
  std::future<FinishedSave> under_way_;  // last: joined before what its thread uses goes
};

}  // namespace gpt2::train
