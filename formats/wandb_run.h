// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A W&B offline run: what `wandb sync` sends. Spec: formats/wandb_run.md; change both together.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gpt2::formats {

/// What a run is called and was set to. Values are JSON.
struct WandbRun {
  std::string id;  // 8 letters and digits; the run's identity on the server
  std::string project, entity, name;
  std::vector<std::string> tags;
  std::map<std::string, std::string> configuration;
  std::string host;
  double start_time = 0;  // seconds since the epoch
};

/// The values of one step, JSON by name ("train/loss").
struct WandbRow {
  std::uint64_t step = 0;
  double time = 0;  // seconds since the epoch
  std::map<std::string, std::string> values;
};

/// Builds the records of run-ID.wandb, in LevelDB's log format, piece by piece: each call gives
/// the bytes to append.
class WandbEncoder {
 public:
  /// Head of the file, its version and the run.
  std::string begin(const WandbRun& run);
  std::string row(const WandbRow& row);
  /// The newest value of each name, and the exit code: the last records of the file.
  std::string end(int exit_code, double time);

 private:
  std::string record(std::uint32_t field, std::string_view message);
  std::uint64_t record_count_ = 0, file_bytes_ = 0;
  double start_time_ = 0;
  std::map<std::string, std::string> newest_;
};

/// A run's folder WANDB/offline-run-DATE_TIME-ID.
class WandbRunWriter {
 public:
  /// Writes it anew with the rows so far, under the id and name that the newest run in `wandb`
  /// has (run.id is not looked at), or under new ones where there is none. Throws: IoError.
  WandbRunWriter(const std::filesystem::path& wandb, WandbRun run,
                 const std::vector<WandbRow>& so_far);
  void write(const WandbRow& row);
  void finish(int exit_code, double time);
  const std::filesystem::path& directory() const { return directory_; }

 private:
  void append(std::string_view bytes);
  std::filesystem::path directory_, path_;
  WandbEncoder encoder_;
  std::ofstream file_;
};

}  // namespace gpt2::formats
