// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/data/sequence_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <numeric>
#include <utility>

#include "formats/errors.h"
#include "libcore/kernels/philox.h"

namespace gpt2::data {
namespace {

/// T is checked before the set divides by it.
std::vector<std::uint64_t> windows_of(const ShardSet& set, std::int64_t T) {
  if (T < 1) throw formats::UsageError(fmt::format("the context is {}; at least 1 is needed", T));
  auto counts = set.windows_per_shard(T);
  if (std::all_of(counts.begin(), counts.end(), [](auto count) { return count == 0; })) {
    throw formats::InputError(fmt::format(
        "{}: no shard of this set has the {} tokens that one window of context {} needs; "
        "take a shorter context or more data",
        set.shards().front().path().string(), T + 1, T));
  }
  return counts;
}

/// floor((2^32 x high + low) x bound / 2^64), without 128-bit numbers.
std::uint32_t scale_to(std::uint32_t bound, std::uint32_t low, std::uint32_t high) {
  const std::uint64_t carry = std::uint64_t{low} * bound >> 32;
  return static_cast<std::uint32_t>((std::uint64_t{high} * bound + carry) >> 32);
}

void shuffle(std::vector<std::uint32_t>& numbers, std::size_t count, std::uint32_t seed,
             std::uint64_t epoch, std::uint32_t site) {
  numbers.resize(count);
  std::iota(numbers.begin(), numbers.end(), 0U);
  for (std::size_t k = count; k-- > 1;) {
    const auto last = static_cast<std::uint32_t>(k);
    const auto words =
        kernels::random_quad(seed, kernels::RandomPurpose::kDataOrder, epoch, site, last);
    std::swap(numbers[last], numbers[scale_to(last + 1, words[0], words[1])]);
  }
}

}  // namespace

SequenceOrder::SequenceOrder(const ShardSet& set, std::int64_t T, std::uint32_t seed)
    : SequenceOrder(windows_of(set, T), T, seed) {}

SequenceOrder::SequenceOrder(std::vector<std::uint64_t> windows_per_shard, std::int64_t T,
                             std::uint32_t seed)
    : windows_per_shard_(std::move(windows_per_shard)),
      T_(T),
      seed_(seed),
      windows_per_epoch_(
          std::accumulate(windows_per_shard_.begin(), windows_per_shard_.end(), std::uint64_t{0})) {
  assert(windows_per_epoch_ > 0 && T_ > 0);
}

Window SequenceOrder::at(std::uint64_t index) {
  const std::uint64_t epoch = index / windows_per_epoch_, place = index % windows_per_epoch_;
  if (epoch != epoch_) enter_epoch(epoch);
  // A shard without windows shares its first place with the next one; upper_bound passes it by.
  const auto next = std::upper_bound(first_places_.begin(), first_places_.end(), place);
  const auto turn = static_cast<std::size_t>(next - first_places_.begin()) - 1;
  if (turn != turn_) enter_shard(turn);
  const std::uint64_t window = windows_[place - first_places_[turn]];
  return {shards_[turn], window * static_cast<std::uint64_t>(T_)};
}

void SequenceOrder::enter_epoch(std::uint64_t epoch) {
  epoch_ = epoch;
  turn_ = SIZE_MAX;
  shuffle(shards_, windows_per_shard_.size(), seed_, epoch, 0);
  first_places_.clear();
  std::uint64_t first_place = 0;
  for (const auto shard : shards_) {
    first_places_.push_back(first_place);
    first_place += windows_per_shard_[shard];
  }
}

void SequenceOrder::enter_shard(std::size_t turn) {
  turn_ = turn;
  const std::uint32_t shard = shards_[turn];
  shuffle(windows_, windows_per_shard_[shard], seed_, epoch_, shard + 1);
}

}  // namespace gpt2::data
