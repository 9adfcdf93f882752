// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Decoding with a KV cache: prompts, then one token a step for several sequences at once.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "libcore/model/gpt2.h"

namespace gpt2::model {

/// Sequences of equal length that grow in step. What a sequence gives does not depend, to the bit,
/// on the sequences beside it.
class Decoder {
 public:
  /// How many sequences a Decoder takes: of so many rows no product lets one change another.
  static constexpr std::int64_t kMostSequences = kernels::kFewRows;
  /// Units: bytes that one sequence of `capacity` positions takes.
  static std::size_t cache_bytes(const Gpt2& model, std::int64_t capacity);
  /// All that a Decoder of one sequence, as long as the context, takes. Units: bytes.
  static std::size_t memory_bytes(const Gpt2Config& config, device::DataType type);

  /// Caches for `most_sequences` of at most `capacity` <= context positions (0: context). Throws:
  /// UsageError, UnavailableError (memory).
  Decoder(Gpt2& model, std::int64_t most_sequences, std::int64_t capacity = 0);
  ~Decoder();
  std::int64_t sequences() const;  // 0 before the first prompt
  std::int64_t position() const;   // positions of each sequence in the cache
  std::int64_t capacity() const;

  /// Empties the caches and feeds `sequences` prompts of equal length, `tokens` (sequences, n), one
  /// after the other: logits of their last positions, (sequences, V) on the host, valid until the
  /// next call. Throws: UsageError when n is 0 or above capacity.
  std::span<const float> prefill(std::span<const std::int32_t> tokens, std::int64_t sequences = 1);
  /// Feeds one token a sequence; logits as prefill. Throws: UsageError when the cache is full.
  std::span<const float> step(std::span<const std::int32_t> tokens);

  /// Makes `sequences` of sequence 0, cut back to its first `position` positions. The others are
  /// forgotten.
  void fork(std::int64_t sequences, std::int64_t position);
  /// Forgets a sequence; the last one takes its number.
  void leave(std::int64_t sequence);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gpt2::model
