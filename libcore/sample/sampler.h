// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Sampling: temperature, top-k, top-p, by counter-based random numbers.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "libcore/model/gpt2.h"

namespace gpt2::sample {

struct SamplingOptions {
  double temperature = 1.0;  // 0: the most likely token
  std::int64_t top_k = 50;   // 0: off
  double top_p = 1.0;        // 1: off
  std::int64_t max_tokens = 100, num_sequences = 1;
  std::uint32_t seed = 42;
  bool stop_at_end_of_text = true;
  std::int64_t vocab_size = 0;  // ids from here on pad the model's table, never drawn; 0: none
  void check() const;           // Throws: UsageError
};

/// One token from logits (V), for new token number `position` (from 0) of sequence number
/// `sequence`. Candidates rank by descending logit, equal logits by ascending id; the first top_k
/// count. Each weighs 2^47 e^((logit - largest logit) / temperature), cut to a whole number, so
/// that no sum depends on its order. Of these stay the fewest, in their rank, whose weights reach
/// top_p times the sum of all. With r the 64 bits of the first two words of Philox(seed, kSampling)
/// at counter (sequence, 0, position), the token is the first by id at which the sum of what stayed
/// exceeds r / 2^64 of the whole. Temperature 0 takes the first candidate. Throws: UsageError if
/// `options` are refused; InputError for a logit that is not finite.
std::int32_t pick_token(std::span<const float> logits, const SamplingOptions& options,
                        std::uint64_t sequence, std::uint32_t position);

/// Called for every new token: which sequence, which token. The tokens of a sequence come as they
/// are made, after all those of the sequences before it.
using OnToken = std::function<void(std::int64_t sequence, std::int32_t token)>;
/// Continues `prompt` (empty: end-of-text alone) num_sequences times, several at once, and gives
/// the new tokens of each. A sequence does not depend on how many are made. An end-of-text that
/// ends a sequence is not among its tokens. Of a prompt longer than the context the newest part is
/// read; when the context is full, its newer half stays. Throws: UsageError if `options` are
/// refused.
std::vector<std::vector<std::int32_t>> generate(model::Gpt2& model,
                                                std::span<const std::int32_t> prompt,
                                                const SamplingOptions& options,
                                                const OnToken& on_token = {});

}  // namespace gpt2::sample
