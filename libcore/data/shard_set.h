// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The token shards of one set (train, val ...) and the windows in them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/token_shard.h"

namespace gpt2::data {

/// The files that `patterns` (file names or globs) mean, pattern by pattern, each glob's matches
/// sorted by bytes. A name that exists is taken as it is, whatever characters it has. Throws:
/// InputError when a pattern matches nothing or is a folder; IoError when a folder cannot be read.
std::vector<std::filesystem::path> find_shards(const std::vector<std::string>& patterns);

/// Opens one shard. Throws: InputError, which names the other kinds of token file that people have
/// (NumPy arrays, files without a header, llama-3 shards), or says that gpt2-shard was stopped
/// before its set was whole; FormatError; IoError.
formats::TokenShardReader open_shard(const std::filesystem::path& path);

/// What shards say of the vocabulary of their tokens; the defaults when all are foreign.
struct StatedVocabulary {
  std::uint32_t vocab_size = 0;
  std::uint32_t end_of_text = formats::kNoToken;
  formats::Fingerprint tokenizer{};  // zero: unknown
};
/// Throws: ContradictionError naming two shards that state different ones.
StatedVocabulary stated_vocabulary(std::span<const formats::TokenShardReader> shards);

/// Opens all of them, each as open_shard does, in the order given.
std::vector<formats::TokenShardReader> open_shards(std::span<const std::filesystem::path> paths);

/// A window: T + 1 tokens of one shard, starting at token `first`.
struct Window {
  std::uint32_t shard = 0;
  std::uint64_t first = 0;
  bool operator==(const Window&) const = default;
};

/// Shards in the order of their sorted paths, all of one vocabulary; a file named twice counts
/// once.
class ShardSet {
 public:
  /// `patterns`: file names or globs ("shards/a_train_*.bin"). Throws: InputError (nothing matches,
  /// damaged); ContradictionError when two shards have different vocabularies or tokenizers.
  explicit ShardSet(const std::vector<std::string>& patterns);
  const std::vector<formats::TokenShardReader>& shards() const { return shards_; }
  std::uint64_t token_count() const;
  /// Vocabulary size that the shards state; 0 when all are foreign.
  std::uint32_t vocab_size() const { return stated_.vocab_size; }
  std::uint32_t end_of_text() const { return stated_.end_of_text; }  // formats::kNoToken if unknown
  formats::Fingerprint tokenizer() const { return stated_.tokenizer; }  // zero if unknown
  bool has_foreign() const;
  /// floor((count - 1) / T) of each shard. T > 0.
  std::vector<std::uint64_t> windows_per_shard(std::int64_t T) const;
  std::uint64_t window_count(std::int64_t T) const;
  /// Tokens behind the last window of each shard: no window of T reads them.
  std::uint64_t dropped_token_count(std::int64_t T) const;
  /// Shards of fewer than T + 1 tokens, which give no window.
  std::vector<std::filesystem::path> shards_without_window(std::int64_t T) const;
  /// Window number `index` in file order. Precondition: index < window_count(T).
  Window window_in_file_order(std::uint64_t index, std::int64_t T) const;
  /// T inputs and the T targets one later. Throws: IoError; FormatError for a token not below
  /// `vocab_size`, naming shard and offset. Any number of threads may read at once.
  void read_window(const Window& window, std::uint32_t vocab_size, std::span<std::int32_t> inputs,
                   std::span<std::int32_t> targets) const;
  /// How a resumed run recognises its data (DECISIONS: Data identity).
  std::vector<formats::DataIdentity> identity() const;

 private:
  std::vector<formats::TokenShardReader> shards_;
  StatedVocabulary stated_;
};

}  // namespace gpt2::data
