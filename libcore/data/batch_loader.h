// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Micro-batches in order, read ahead by one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "libcore/data/sequence_order.h"

namespace gpt2::data {

struct Batch {
  std::vector<std::int32_t> inputs, targets;  // (B, T)
  std::int64_t B = 0, T = 0;
  std::uint64_t first_sequence = 0;  // global index of row 0; row b: + b
};

/// The batches of a step that a loader gives, where others give the rest.
struct StepShare {
  std::uint64_t batch_count = 0, sequences_of_step = 0;  // 0, 0: all of them
};

/// Gives batches of B sequences from global index `first_sequence` on, without end: all in a row,
/// or `share.batch_count` in a row from `first_sequence`, as many from `share.sequences_of_step`
/// later
/// ... While the
/// caller works on one, a thread fills the next ones. Owns: the thread, which the destructor stops
/// after the window that it is reading.
class BatchLoader {
 public:
  /// `set` must outlive it. Tokens must be below `vocab_size`. Throws: UsageError when B < 1 or T
  /// is not the order's.
  BatchLoader(const ShardSet& set, SequenceOrder order, std::int64_t B, std::int64_t T,
              std::uint32_t vocab_size, std::uint64_t first_sequence, StepShare share = {});
  ~BatchLoader();
  /// The next batch; an error of the reading thread is thrown here, after the batches before it and
  /// at every call from then on. The reference holds until the next call.
  const Batch& next();

 private:
  struct Worker;
  std::unique_ptr<Worker> worker_;
};

}  // namespace gpt2::data
