// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The folder of a run: RUN/lock, config.yaml, metrics.jsonl, log.txt, checkpoints/. One trainer at
// a time owns it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "formats/durable_file.h"
#include "formats/temporary_path.h"

namespace gpt2::train {

std::string step_checkpoint_name(std::uint64_t step);    // step_00000100
std::string epoch_checkpoint_name(std::uint64_t epoch);  // epoch_0001
inline constexpr const char* kFinalCheckpointName = "final";

class RunFolder {
 public:
  /// Makes the folder and its checkpoints/ if missing, locks it, and removes what a killed writer
  /// left (.tmp-*). Until begin_run() all that it made goes with it. Owns: the lock. Throws:
  /// ExistsError if another process has it, or `path` is no folder; IoError.
  explicit RunFolder(std::filesystem::path path);
  /// The folder that another process of this run has: nothing is made, locked or removed.
  struct Guest {};
  RunFolder(Guest, std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path checkpoint_path(std::string_view name) const;
  /// Is it one of this folder's checkpoints?
  bool owns(const std::filesystem::path& checkpoint) const;
  /// Did a run begin here?
  bool holds_run() const;
  /// Is there any checkpoint, good or not?
  bool has_checkpoints() const;

  /// Writes config.yaml: from here on the folder holds a run. Throws: IoError.
  void begin_run(std::string_view yaml);
  /// Makes the log's lines so far survive a power cut. Throws: IoError.
  void sync_logs() const;
  /// checkpoints/latest -> `name`. Throws: IoError.
  void point_latest_to(std::string_view name);
  /// Removes a checkpoint in such an order that no reader meets half of one. False if something is
  /// left.
  bool remove_checkpoint(const std::filesystem::path& directory);

 private:
  void remove_leftovers(const std::filesystem::path& directory) const;
  std::filesystem::path path_, checkpoints_;
  std::optional<formats::FileLock> lock_;
  formats::MadePaths made_;  // after the lock, so that it removes what it made under it
};

}  // namespace gpt2::train
