// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <boost/test/unit_test.hpp>
#include <random>
#include <set>
#include <vector>

#include "libcore/data/batch_loader.h"
#include "libcore/train/training_config.h"
#include "tests/libcore/data/shard_fixture.h"

namespace gpt2::train {

constexpr std::int64_t kT = 4;
constexpr std::uint32_t kVocabSize = 10000;
constexpr std::uint64_t kWindows = 960;

BOOST_FIXTURE_TEST_SUITE(order_of_ranks, data::ShardFixture)

BOOST_AUTO_TEST_CASE(every_window_once_an_epoch_for_any_ranks_and_restarts) {
  // A window is known by its first token.
  write_shard("a.bin", data::counting_tokens(kWindows * kT + 1, 0, kVocabSize),
              {.vocab_size = kVocabSize});
  const data::ShardSet set({at("a.bin")});
  std::mt19937 random(1);
  for (const int rank_count : {1, 2, 3, 4, 8}) {
    TrainingConfig config;
    config.batch_size = "2";
    config.total_batch_tokens = 16 * kT;
    config.reduction = rank_count == 3 ? "fast" : "exact";
    const auto plan = make_plan(config, kT, kWindows, rank_count);
    const std::uint64_t steps = kWindows / plan.sequences_per_step;
    std::set<std::uint64_t> starts{0};
    while (starts.size() < 21) starts.insert(random() % steps);

    std::multiset<std::int32_t> seen;
    for (auto start = starts.begin(); start != starts.end(); ++start) {
      const auto end = std::next(start) == starts.end() ? steps : *std::next(start);
      for (int rank = 0; rank < rank_count; ++rank) {
        const auto share = plan.share_of(rank, rank_count);
        const auto batches = static_cast<std::uint64_t>(share.slots * share.micro_batches);
        data::BatchLoader loader(set, data::SequenceOrder(set, kT, config.seed), plan.B, kT,
                                 kVocabSize,
                                 *start * plan.sequences_per_step + share.first_sequence,
                                 {batches, plan.sequences_per_step});
        for (std::uint64_t count = (end - *start) * batches; count > 0; --count) {
          const auto& batch = loader.next();
          for (std::int64_t row = 0; row < batch.B; ++row) {
            seen.insert(batch.inputs[static_cast<std::size_t>(row * kT)]);
          }
        }
      }
    }
    BOOST_TEST(seen.size() == kWindows);
    BOOST_TEST((std::set<std::int32_t>(seen.begin(), seen.end()).size()) == kWindows);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::train
