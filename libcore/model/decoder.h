// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Decoding with a KV cache: one prompt, then one token a step for several sequences at once.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "libcore/model/gpt2.h"

namespace gpt2::model {

class Decoder {
 public:
  /// Caches for `sequences` of at most `capacity` <= context positions (0: context).
  Decoder(Gpt2& model, std::int64_t sequences, std::int64_t capacity = 0);
  ~Decoder();
  std::int64_t position() const;  // positions in the cache
  std::int64_t capacity() const;
  /// Empties the caches and feeds `tokens` (sequences, n): logits of the last position, (sequences,
  /// V) on the host, valid until the next call. Throws: UsageError when n is 0 or above capacity.
  std::span<const float> prefill(std::span<const std::int32_t> tokens);
  /// Feeds one token a sequence. Throws: UsageError when the cache is full.
  std::span<const float> step(std::span<const std::int32_t> tokens);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gpt2::model
