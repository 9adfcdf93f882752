// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/data/sequence_order.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <map>
#include <set>

#include "formats/errors.h"
#include "tests/libcore/data/shard_fixture.h"

namespace gpt2::data {
namespace {

std::vector<Window> take(SequenceOrder order, std::uint64_t first, std::uint64_t count) {
  std::vector<Window> windows;
  for (std::uint64_t i = 0; i < count; ++i) windows.push_back(order.at(first + i));
  return windows;
}

std::vector<Window> sorted(std::vector<Window> windows) {
  std::sort(windows.begin(), windows.end(), [](const Window& a, const Window& b) {
    return std::pair(a.shard, a.first) < std::pair(b.shard, b.first);
  });
  return windows;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(sequence_order)

BOOST_AUTO_TEST_CASE(gives_every_window_once_an_epoch) {
  const std::vector<std::uint64_t> counts{13, 0, 1, 200, 7};
  constexpr std::int64_t T = 32;
  std::vector<Window> all;
  for (std::uint32_t shard = 0; shard < counts.size(); ++shard) {
    for (std::uint64_t w = 0; w < counts[shard]; ++w) all.push_back({shard, w * T});
  }
  for (const std::uint32_t seed : {0U, 1U, 42U, 1337U, 0xFFFFFFFFU}) {
    const SequenceOrder order(counts, T, seed);
    BOOST_TEST_REQUIRE(order.windows_per_epoch() == all.size());
    for (const std::uint64_t epoch : {0, 1, 2, 77}) {
      BOOST_TEST((sorted(take(order, epoch * all.size(), all.size())) == all),
                 "seed " << seed << ", epoch " << epoch);
    }
  }
}

// The values come from a separate program written after the description in sequence_order.h.
BOOST_AUTO_TEST_CASE(version_one_gives_these_windows) {
  static_assert(kOrderVersion == 1);
  const std::vector<std::uint64_t> counts{4, 0, 3, 5};
  const std::vector<Window> epoch_0{{3, 40}, {3, 10}, {3, 20}, {3, 0},  {3, 30}, {2, 10},
                                    {2, 20}, {2, 0},  {0, 10}, {0, 30}, {0, 0},  {0, 20}};
  const std::vector<Window> epoch_1{{0, 20}, {0, 30}, {0, 10}, {0, 0}, {2, 0},  {2, 10},
                                    {2, 20}, {3, 40}, {3, 20}, {3, 0}, {3, 30}, {3, 10}};
  const std::vector<Window> far_epoch{{3, 30}, {3, 20}, {3, 40}, {3, 10}, {3, 0},  {2, 20},
                                      {2, 10}, {2, 0},  {0, 10}, {0, 20}, {0, 30}, {0, 0}};
  BOOST_TEST((take(SequenceOrder(counts, 10, 42), 0, 12) == epoch_0));
  BOOST_TEST((take(SequenceOrder(counts, 10, 42), 12, 12) == epoch_1));
  const std::uint64_t epoch = std::uint64_t{1} << 33;  // both words of the epoch count
  BOOST_TEST((take(SequenceOrder(counts, 10, 0xFFFFFFFF), 12 * epoch, 12) == far_epoch));
}

BOOST_AUTO_TEST_CASE(version_one_gives_these_windows_of_large_shards) {
  SequenceOrder order({100000, 70000}, 1, 1337);
  const std::uint64_t epoch_2 = 2 * order.windows_per_epoch();
  BOOST_TEST((order.at(epoch_2) == Window{0, 46286}));
  BOOST_TEST((order.at(epoch_2 + 1) == Window{0, 27291}));
  BOOST_TEST((order.at(epoch_2 + 99999) == Window{0, 31348}));
  BOOST_TEST((order.at(epoch_2 + 100000) == Window{1, 69240}));
  BOOST_TEST((order.at(epoch_2 + 169999) == Window{1, 49179}));
}

BOOST_AUTO_TEST_CASE(any_index_gives_the_same_whatever_was_asked_before) {
  const std::vector<std::uint64_t> counts{5, 3, 8};
  const auto whole = take(SequenceOrder(counts, 4, 7), 0, 64);
  for (std::uint64_t start = 0; start < whole.size(); ++start) {
    const auto rest = take(SequenceOrder(counts, 4, 7), start, whole.size() - start);
    BOOST_TEST(std::equal(rest.begin(), rest.end(), whole.begin() + static_cast<long>(start)),
               "from index " << start);
  }
  SequenceOrder order(counts, 4, 7);
  for (std::uint64_t i = 0; i < whole.size(); ++i) {
    const std::uint64_t index = i * 37 % whole.size();  // to and fro across shards and epochs
    BOOST_TEST((order.at(index) == whole[index]), "at index " << index);
  }
}

BOOST_AUTO_TEST_CASE(epochs_and_seeds_give_other_orders) {
  std::set<std::vector<std::uint64_t>> orders;
  for (std::uint32_t seed = 0; seed < 4; ++seed) {
    for (std::uint64_t epoch = 0; epoch < 4; ++epoch) {
      std::vector<std::uint64_t> order;
      for (const auto& window : take(SequenceOrder({50}, 1, seed), 50 * epoch, 50)) {
        order.push_back(window.first);
      }
      orders.insert(order);
    }
  }
  BOOST_TEST(orders.size() == 16U);
}

BOOST_AUTO_TEST_CASE(reads_a_shard_to_its_end_before_the_next) {
  const auto windows = take(SequenceOrder({6, 6, 6}, 1, 3), 0, 18);
  for (std::size_t i = 0; i < windows.size(); ++i) {
    BOOST_TEST(windows[i].shard == windows[i / 6 * 6].shard);
  }
}

BOOST_AUTO_TEST_CASE(every_permutation_is_equally_likely) {
  // 24 permutations of 4 windows, 24,000 epochs: 1,000 each expected; 23 degrees of freedom, so
  // chi-squared is above 49.7 once in a thousand seeds. The seed is fixed.
  constexpr std::uint64_t kEpochs = 24000;
  SequenceOrder order({4}, 1, 42);
  std::map<std::vector<std::uint64_t>, double> counts;
  for (std::uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
    std::vector<std::uint64_t> permutation;
    for (std::uint64_t place = 0; place < 4; ++place) {
      permutation.push_back(order.at(4 * epoch + place).first);
    }
    counts[permutation] += 1;
  }
  BOOST_TEST(counts.size() == 24U);
  double chi_squared = 0;
  for (const auto& [permutation, count] : counts) {
    chi_squared += (count - 1000) * (count - 1000) / 1000;
  }
  BOOST_TEST(chi_squared < 49.7);
}

BOOST_FIXTURE_TEST_CASE(takes_the_windows_of_a_set_and_skips_short_shards, ShardFixture) {
  write_shard("a.bin", counting_tokens(9));
  write_shard("b.bin", counting_tokens(4));
  write_shard("c.bin", counting_tokens(6));
  const ShardSet set({at("*.bin")});
  const SequenceOrder order(set, 4, 42);
  BOOST_TEST(order.windows_per_epoch() == 3U);
  BOOST_TEST((sorted(take(order, 0, 3)) == std::vector<Window>{{0, 0}, {0, 4}, {2, 0}}));
}

BOOST_FIXTURE_TEST_CASE(refuses_a_set_without_a_window, ShardFixture) {
  const ShardSet set({write_shard("a.bin", counting_tokens(8))});
  BOOST_CHECK_EXCEPTION(SequenceOrder(set, 8, 42), formats::InputError,
                        says({"a.bin", "9 tokens"}));
  BOOST_CHECK_NO_THROW(SequenceOrder(set, 7, 42));
  BOOST_CHECK_THROW(SequenceOrder(set, 0, 42), formats::UsageError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::data
