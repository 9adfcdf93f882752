// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Log-probabilities of the ends of many sequences, as evaluations by multiple choice need them:
// what sequences have in common is run once, and nothing is padded.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "libcore/model/gpt2.h"

namespace gpt2::model {

/// A sequence of which the last `scored_count` tokens are scored, each given all before it.
struct ScoredSequence {
  std::vector<std::int32_t> tokens;
  std::int64_t scored_count = 0;  // at least 1, and less than there are tokens
};

struct SequenceScore {
  double log_probability = 0;  // sum over the scored tokens, in their order
  bool greedy = false;         // every scored token is the likeliest of the vocabulary
  bool last_greedy = false;    // the last one is
};

/// Sequences that are scored together, such as a question with each of its answers: their longest
/// common beginning is run once.
using SequenceSet = std::vector<ScoredSequence>;

/// What a set gives does not depend on the other sets of a call, but for the rounding of products
/// with more or fewer rows; nor, to the bit, on the threads.
class SequenceScorer {
 public:
  /// `model` must outlive it. Throws: UnavailableError (memory).
  explicit SequenceScorer(Gpt2& model);
  ~SequenceScorer();
  /// What it takes for passes of so many positions. Units: bytes.
  static std::size_t memory_bytes(const Gpt2Config& config, device::DataType type,
                                  std::int64_t positions);

  /// Positions that a set is run at: those of its common beginning once, of each sequence the rest;
  /// the last token of a sequence is run nowhere.
  static std::int64_t position_count(std::span<const ScoredSequence> set);

  /// The scores of all sequences, one set after the other, by one pass over all of them.
  /// `wants_greedy` takes longer: without it greedy and last_greedy stay false. Throws: UsageError
  /// for a token that the model does not have, more than context + 1 tokens, or a scored_count that
  /// is not as above.
  std::vector<SequenceScore> score(std::span<const SequenceSet> sets, bool wants_greedy = false);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gpt2::model
