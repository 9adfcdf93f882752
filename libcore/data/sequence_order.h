// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The stateless order of sequences: a pure function of (seed, epoch, index).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "libcore/data/shard_set.h"

namespace gpt2::data {

/// Raised whenever the same (set, T, seed, index) gives another window; a checkpoint stores it.
inline constexpr std::uint32_t kOrderVersion = 1;

/// Global index i is place i mod N of epoch i / N, where N is the number of windows; every window
/// comes once an epoch.
///
/// Version 1, exactly. shuffle(n, site) starts from 0, 1 ... n - 1 and, for k = n - 1 down to 1,
/// exchanges element k with element floor(r x (k + 1) / 2^64), where r = 2^32 x w[1] + w[0] and w =
/// random_quad(seed, kDataOrder, epoch, site, k) of libcore/kernels/philox.h. (An element's chance
/// is off by less than 2^-32 of itself.) The shards of the set, numbered in the order of their
/// paths, come in the order shuffle(shards, 0); the windows of shard s, numbered from its front,
/// come in the order shuffle(windows of s, s + 1). A shard is read to its end before the next one
/// begins. Source: Knuth, The Art of Computer Programming, volume 2, section 3.4.2, algorithm P.
class SequenceOrder {
 public:
  /// Throws: InputError when the set has no window of length T; UsageError when T < 1.
  SequenceOrder(const ShardSet& set, std::int64_t T, std::uint32_t seed);
  /// The same from the number of windows in each shard alone. Precondition: their sum and T are
  /// above 0.
  SequenceOrder(std::vector<std::uint64_t> windows_per_shard, std::int64_t T, std::uint32_t seed);
  std::int64_t T() const { return T_; }
  std::uint64_t windows_per_epoch() const { return windows_per_epoch_; }
  /// Random access; consecutive indices are cheap (the order of one shard's windows is kept, 4
  /// bytes each).
  Window at(std::uint64_t index);

 private:
  void enter_epoch(std::uint64_t epoch);
  void enter_shard(std::size_t turn);
  std::vector<std::uint64_t> windows_per_shard_;
  std::int64_t T_;
  std::uint32_t seed_;
  std::uint64_t windows_per_epoch_ = 0, epoch_ = UINT64_MAX;
  std::vector<std::uint32_t> shards_;        // of this epoch, in their turn
  std::vector<std::uint64_t> first_places_;  // place of the first window of each turn
  std::size_t turn_ = SIZE_MAX;
  std::vector<std::uint32_t> windows_;  // of this turn's shard, in their order
};

}  // namespace gpt2::data
