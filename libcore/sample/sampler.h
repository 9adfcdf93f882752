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
  void check() const;  // Throws: UsageError
};

/// One token from logits (V), for new token number `position` (from 0) of sequence number
/// `sequence`. Candidates are the ids by descending logit, equal logits by ascending id, the first
/// top_k of them; each weighs exp((logit - largest logit) / temperature). Of these stay the fewest
/// whose weights, summed in that order, reach top_p times the sum of all. u in [0, 1) is the first
/// 53 bits of the words of Philox(seed, kSampling) at counter (sequence, 0, position); the token is
/// the first candidate where the running sum exceeds u times the sum of what stayed. Arithmetic is
/// in double. Throws: UsageError if `options` are refused; InputError for a logit that is not
/// finite.
std::int32_t pick_token(std::span<const float> logits, const SamplingOptions& options,
                        std::uint64_t sequence, std::uint32_t position);

/// Called for every new token: which sequence, which token.
using OnToken = std::function<void(std::int64_t sequence, std::int32_t token)>;
/// Continues `prompt` (empty: end-of-text alone) num_sequences times, one after the other, and
/// gives the new tokens of each. A sequence does not depend on how many are made. An end-of-text
/// that ends a sequence is not among its tokens. Of a prompt longer than the context the newest
/// part is read; when the context is full, its newer half stays. Throws: UsageError if `options`
/// are refused.
std::vector<std::vector<std::int32_t>> generate(model::Gpt2& model,
                                                std::span<const std::int32_t> prompt,
                                                const SamplingOptions& options,
                                                const OnToken& on_token = {});

}  // namespace gpt2::sample
