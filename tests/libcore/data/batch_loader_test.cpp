// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/data/batch_loader.h"

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <filesystem>
#include <thread>

#include "formats/errors.h"
#include "tests/libcore/data/shard_fixture.h"

namespace gpt2::data {
namespace {

constexpr std::int64_t T = 4;
constexpr std::uint32_t kVocabSize = 100, kSeed = 42;

struct LoaderFixture : ShardFixture {
  LoaderFixture()
      : set({write_shard("a.bin", counting_tokens(23, 0)),
             write_shard("b.bin", counting_tokens(38, 50))}) {}

  BatchLoader loader(std::int64_t B, std::uint64_t first_sequence) const {
    return {set, SequenceOrder(set, T, kSeed), B, T, kVocabSize, first_sequence};
  }
  /// Inputs, then targets, of one sequence, read without a loader.
  std::vector<std::int32_t> read_directly(std::uint64_t index) const {
    std::vector<std::int32_t> row(2 * T);
    set.read_window(SequenceOrder(set, T, kSeed).at(index), kVocabSize, std::span(row).first(T),
                    std::span(row).last(T));
    return row;
  }

  const ShardSet set;
};

std::vector<std::int32_t> row_of(const Batch& batch, std::int64_t b) {
  std::vector<std::int32_t> row(batch.inputs.begin() + b * T, batch.inputs.begin() + (b + 1) * T);
  row.insert(row.end(), batch.targets.begin() + b * T, batch.targets.begin() + (b + 1) * T);
  return row;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(batch_loader, LoaderFixture)

BOOST_AUTO_TEST_CASE(gives_what_direct_reads_give_for_any_batch_size_and_start) {
  const std::uint64_t per_epoch = set.window_count(T);  // 5 + 9: no multiple of 3
  for (const std::int64_t B : {1, 2, 3, 20}) {
    for (std::uint64_t start = 0; start <= per_epoch; ++start) {
      auto batches = loader(B, start);
      for (std::uint64_t index = start; index < start + 2 * per_epoch;) {
        const Batch& batch = batches.next();
        BOOST_TEST_REQUIRE(batch.first_sequence == index);
        BOOST_TEST_REQUIRE(batch.B == B);
        BOOST_TEST_REQUIRE(batch.T == T);
        BOOST_TEST_REQUIRE(batch.inputs.size() == static_cast<std::size_t>(B * T));
        for (std::int64_t b = 0; b < B; ++b, ++index) {
          BOOST_TEST(row_of(batch, b) == read_directly(index), boost::test_tools::per_element());
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_batch_in_hand_is_not_touched_by_the_thread) {
  auto batches = loader(2, 0);
  for (std::uint64_t number = 0; number < 8; ++number) {
    const Batch& batch = batches.next();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // the thread fills what it may
    BOOST_TEST(row_of(batch, 0) == read_directly(2 * number), boost::test_tools::per_element());
    BOOST_TEST(row_of(batch, 1) == read_directly(2 * number + 1), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(throws_the_error_of_its_thread_after_the_batches_before_it) {
  auto tokens = counting_tokens(41);
  tokens[22] = 60000;  // in window 5 of 10
  const ShardSet damaged({write_foreign_shard("damaged.bin", tokens)});
  SequenceOrder order(damaged, T, kSeed);
  std::uint64_t bad = 0;
  while (order.at(bad).first != 20) ++bad;
  BOOST_TEST_REQUIRE(bad > 0U);
  BatchLoader batches(damaged, order, 1, T, kVocabSize, 0);
  for (std::uint64_t number = 0; number < bad; ++number) {
    BOOST_TEST(batches.next().first_sequence == number);
  }
  for (int again = 0; again < 2; ++again) {
    BOOST_CHECK_EXCEPTION(batches.next(), formats::FormatError,
                          says({"damaged.bin", "1068", "60000"}));
  }
}

BOOST_AUTO_TEST_CASE(a_shard_cut_while_it_is_read_is_named) {
  std::filesystem::resize_file(at("b.bin"), formats::kTokenShardHeaderBytes + 20);
  auto batches = loader(1, 0);
  const auto read_an_epoch = [&] {
    for (std::uint64_t i = 0; i < set.window_count(T); ++i) batches.next();
  };
  BOOST_CHECK_EXCEPTION(read_an_epoch(), formats::InputError, says({"b.bin", "end of file"}));
}

BOOST_AUTO_TEST_CASE(a_shard_replaced_or_removed_while_it_is_read_stays_what_it_was) {
  const auto before = read_directly(0);
  for (const auto* name : {"a.bin", "b.bin"}) {
    std::filesystem::remove(at(name));
    write_shard(name, counting_tokens(100, 9));
  }
  BOOST_TEST(row_of(loader(1, 0).next(), 0) == before, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(stops_whatever_its_thread_is_doing) {
  for (int taken = 0; taken < 100; ++taken) {
    auto batches = loader(3, 0);
    for (int i = 0; i < taken % 5; ++i) batches.next();
  }
}

BOOST_AUTO_TEST_CASE(refuses_sizes_that_do_not_fit) {
  BOOST_CHECK_THROW(loader(0, 0), formats::UsageError);
  BOOST_CHECK_THROW(BatchLoader(set, SequenceOrder(set, T, kSeed), 1, T + 1, kVocabSize, 0),
                    formats::UsageError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::data
