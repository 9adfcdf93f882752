// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A run that takes well under a second: its shards, its settings, and what it leaves behind.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "formats/train_log.h"
#include "libcore/train/training_config.h"
#include "tests/libcore/data/shard_fixture.h"

namespace gpt2::train {

/// 257 tokens: every byte and <|endoftext|>.
inline constexpr std::uint32_t kTinyVocabSize = 257;
inline constexpr std::int64_t kTinyContext = 32;
inline constexpr std::uint64_t kTinyWindows = 60;  // of the training shards

class TinyRun : public data::ShardFixture {
 public:
  /// Writes train_0.bin and train_1.bin (60 windows of 32), val.bin, and the tokenizer's folder
  /// vocab/.
  TinyRun();

  /// 12 steps of 8 sequences: 4 slots of one micro-batch of 2; no checkpoint but the last.
  TrainingConfig config(const std::string& out) const;
  /// --resume latest alone.
  TrainingConfig resume(const std::string& out) const;

  std::filesystem::path run(const std::string& out) const { return folder / out; }
  std::filesystem::path checkpoint(const std::string& out, const std::string& name) const {
    return run(out) / "checkpoints" / name;
  }
  /// metrics.jsonl as it is the same for equal runs: without times and without saves.
  std::vector<std::string> metrics(const std::string& out) const;
  /// Every file of RUN/checkpoints/final but checkpoint.json, with its bytes.
  std::map<std::string, std::string> final_files(const std::string& out) const;
};

/// Records without times and saves, one line of text each.
std::vector<std::string> comparable_metrics(const std::filesystem::path& run);

}  // namespace gpt2::train
