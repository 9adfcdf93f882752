// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// metrics.jsonl (the truth of a run) and log.txt (the classical lines). Spec: formats/train_log.md;
// change both together.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gpt2::formats {

/// One line of metrics.jsonl: kind is train, val, hella, sample, histogram, checkpoint, skip or
/// profile.
struct TrainLogRecord {
  std::string kind;
  std::uint64_t step = 0;
  double time = 0;  // seconds since the epoch
  /// loss, learning_rate, gradient_norm, tokens, tokens_per_second; accuracy of kind hella ...
  std::map<std::string, double> numbers;
  std::string text;                        // of a sample; of a histogram, what it counts
  std::vector<std::uint64_t> counts = {};  // of a histogram

  bool operator==(const TrainLogRecord&) const = default;
};

/// Appends to RUN/metrics.jsonl and RUN/log.txt, a flushed line at a time.
class TrainLogWriter {
 public:
  /// Cuts both files back to records of steps <= `keep_through_step` (0: empty), durably, then
  /// appends. Lines that are no records, such as a last one cut short, are dropped.
  /// Throws: IoError.
  TrainLogWriter(const std::filesystem::path& run_directory, std::uint64_t keep_through_step);
  /// Kinds train, val and hella have a line in log.txt, too. Throws: IoError.
  void write(const TrainLogRecord& record);

 private:
  std::filesystem::path run_directory_;
  std::ofstream metrics_, log_;
};

/// One line without its end. A number that is not finite becomes null.
std::string encode_train_log_record(const TrainLogRecord& record);
/// A null becomes NaN. Throws: FormatError naming `path` and `line`.
TrainLogRecord decode_train_log_record(std::string_view json, std::string_view path,
                                       std::uint64_t line);
/// One line of log.txt, "250 val 3.2187"; `time` stays 0.
/// Throws: FormatError naming `path` and `line`.
TrainLogRecord decode_log_line(std::string_view text, std::string_view path, std::uint64_t line);

/// All records of RUN/metrics.jsonl; a last line without its end was cut short and is left out.
/// Throws: InputError, FormatError.
std::vector<TrainLogRecord> load_train_log(const std::filesystem::path& run_directory);
/// The same of RUN/log.txt, which runs of build-nanogpt have alone.
std::vector<TrainLogRecord> load_log_text(const std::filesystem::path& run_directory);

}  // namespace gpt2::formats
