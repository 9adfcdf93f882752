// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/text/long_word.h"

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "libcore/text/merge_table.h"
#include "tests/libcore/text/small_vocabulary.h"

namespace gpt2::text {
namespace {

using Ids = std::vector<std::uint16_t>;

/// A merge table that counts how often it is asked for a rank: each place that waits for a merge
/// is asked for when it begins to wait and when it is taken out.
class CountingMerges {
 public:
  static constexpr std::uint32_t kNoRank = MergeTable::kNoRank;
  explicit CountingMerges(const MergeTable& table) : table_(table) {}
  std::uint32_t find_rank(std::uint16_t left, std::uint16_t right) const {
    ++look_ups_;
    return table_.find_rank(left, right);
  }
  std::uint16_t merged_id(std::uint32_t rank) const { return table_.merged_id(rank); }
  std::uint32_t token_length(std::uint16_t id) const { return table_.token_length(id); }
  std::uint64_t look_ups() const { return look_ups_; }

 private:
  const MergeTable& table_;
  mutable std::uint64_t look_ups_ = 0;
};

template <typename Merges>
Ids merge(const Merges& merges, std::string_view word) {
  Ids ids;  // tokens of one byte have its value in make_vocabulary()
  for (const char byte : word) ids.push_back(static_cast<unsigned char>(byte));
  ids.resize(merge_long_word(merges, std::span(ids)));
  return ids;
}

BOOST_AUTO_TEST_SUITE(long_word)

BOOST_AUTO_TEST_CASE(merges_as_plain_bpe_does) {
  const auto files = test::make_vocabulary({{"a", "b"},
                                            {"b", "a"},
                                            {"ab", "ab"},
                                            {"a", "a"},
                                            {"b", "ba"},
                                            {"aa", "aa"},
                                            {"abab", "a"},
                                            {"aaaa", "aaaa"},
                                            {"b", "b"}});
  const MergeTable table(files);
  std::mt19937 random(11);
  for (int round = 0; round < 3000; ++round) {
    const std::string word = test::random_text(random, {"a", "b", "aa"}, random() % 60);
    BOOST_REQUIRE_MESSAGE(merge(table, word) == test::encode_plainly(files, word), word);
  }
}

BOOST_AUTO_TEST_CASE(merges_in_any_order_of_ranks) {
  // A merge may need a token that a later one makes, and several may make the same token, so that
  // lower ranks turn up while higher ones are worked on.
  std::mt19937 random(12);
  for (int round = 0; round < 300; ++round) {
    auto files = test::make_vocabulary(
        {{"a", "b"}, {"b", "a"}, {"ab", "a"}, {"a", "a"}, {"aba", "ab"}, {"aa", "b"}, {"b", "b"}});
    for (std::size_t rank = files.merges.size() - 1; rank > 0; --rank) {
      std::swap(files.merges[rank], files.merges[random() % (rank + 1)]);
    }
    const MergeTable table(files);
    for (int word_number = 0; word_number < 20; ++word_number) {
      const std::string word = test::random_text(random, {"a", "b"}, random() % 40);
      Ids expected;
      for (const char byte : word) expected.push_back(static_cast<unsigned char>(byte));
      for (;;) {
        std::uint32_t lowest = MergeTable::kNoRank;
        std::size_t best = 0;
        for (std::size_t place = 0; place + 1 < expected.size(); ++place) {
          const std::uint32_t rank = table.find_rank(expected[place], expected[place + 1]);
          if (rank < lowest) {
            lowest = rank;
            best = place;
          }
        }
        if (lowest == MergeTable::kNoRank) break;
        expected[best] = table.merged_id(lowest);
        expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(best) + 1);
      }
      BOOST_REQUIRE_MESSAGE(merge(table, word) == expected, "round " << round << ": " << word);
    }
  }
}

BOOST_AUTO_TEST_CASE(takes_at_most_seven_look_ups_a_byte) {
  // One for each pair of bytes, two for each merge, and one more for each of these that waited.
  const auto files = test::make_vocabulary({{"a", "a"},
                                            {"aa", "aa"},
                                            {"aaaa", "aaaa"},
                                            {"a", "b"},
                                            {"b", "a"},
                                            {"ab", "ab"},
                                            {"b", "b"}});
  const MergeTable table(files);
  std::mt19937 random(13);
  for (const std::size_t bytes : {std::size_t{1000}, std::size_t{300'000}}) {
    for (const std::string& word :
         {std::string(bytes, 'a'), test::random_text(random, {"a", "b"}, bytes),
          test::random_text(random, {"ab"}, bytes / 2), std::string(bytes, 'z')}) {
      const CountingMerges counting(table);
      merge(counting, word);
      BOOST_TEST(counting.look_ups() < 7 * bytes);
    }
  }
}

BOOST_AUTO_TEST_CASE(waiting_places_are_taken_from_the_left_whatever_order_they_came_in) {
  WaitingPlaces places;
  for (const std::uint32_t place : {5U, 9U, 7U, 1U, 12U, 3U}) places.push(place);
  std::vector<std::uint32_t> taken;
  taken.push_back(places.pop());
  places.push(2);
  while (!places.empty()) taken.push_back(places.pop());
  BOOST_TEST(taken == (std::vector<std::uint32_t>{1, 2, 3, 5, 7, 9, 12}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::text
