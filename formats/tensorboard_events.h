// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// TensorBoard's event files: scalars, texts and histograms by step. Spec:
// formats/tensorboard_events.md; change both together.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace gpt2::formats {

/// Equal bins from low to high.
struct TensorboardHistogram {
  double low = 0, high = 0, sum = 0, sum_squares = 0;
  std::vector<std::uint64_t> counts;
};

struct TensorboardValue {
  std::string tag;  // "train/loss"
  /// A scalar; a text in Markdown; a histogram.
  std::variant<float, std::string, TensorboardHistogram> value;
};

struct TensorboardEvent {
  double time = 0;  // seconds since the epoch
  std::uint64_t step = 0;
  std::vector<TensorboardValue> values;
};

/// The records that a file begins with: its version, and that what a reader knows of the run's
/// steps from files before is void.
std::string encode_tensorboard_head(double time);
/// One record.
std::string encode_tensorboard_event(const TensorboardEvent& event);

/// The event file of a run that is under way, in a folder of its own.
class TensorboardWriter {
 public:
  /// Writes a new file with the events so far, durably, in the place of the event files that the
  /// folder has; what comes then is appended. Throws: IoError.
  TensorboardWriter(const std::filesystem::path& directory,
                    std::span<const TensorboardEvent> so_far, double time);
  /// Flushed, so that TensorBoard sees it. Throws: IoError.
  void write(const TensorboardEvent& event);

 private:
  std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace gpt2::formats
