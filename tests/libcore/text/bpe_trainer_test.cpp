// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/text/bpe_trainer.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "formats/errors.h"

namespace gpt2::text {
namespace {

using Tokens = std::vector<std::string>;

PretokenCounts count(std::string_view text) {
  PretokenCounts counts;
  counts.add(text);
  return counts;
}

/// The tokens that merges made, in their order.
Tokens merged_tokens(std::string_view text, BpeTraining training = {}) {
  const auto files = train_bpe(count(text), training);
  return {files.token_bytes.begin() + 256, files.token_bytes.end() - 1};
}

BOOST_AUTO_TEST_SUITE(bpe_trainer)

BOOST_AUTO_TEST_CASE(counts_every_distinct_pretoken) {
  const auto counts = count("a b a b a");
  BOOST_REQUIRE(counts.words().size() == 3U);  // "a", " b", " a"
  BOOST_TEST(counts.bytes_of(counts.words()[1]) == " b");
  BOOST_TEST(counts.words()[0].count == 1U);
  BOOST_TEST(counts.words()[1].count == 2U);
  BOOST_TEST(counts.words()[2].count == 2U);
}

BOOST_AUTO_TEST_CASE(counts_more_words_than_the_first_table_holds) {
  std::string text;
  for (int round = 0; round < 2; ++round) {
    for (int word = 0; word < 5000; ++word) text += "\n" + std::to_string(word);
  }
  const auto counts = count(text);
  BOOST_TEST(counts.words().size() == 5001U);
  for (const auto& word : counts.words()) {
    BOOST_TEST(word.count == (counts.bytes_of(word) == "\n" ? 10000U : 2U));
  }
}

BOOST_AUTO_TEST_CASE(the_most_frequent_pair_is_merged_first) {
  // l+o 4 times, lo+w 4, space+low 3, then e+r and " low"+e twice each: e has the smaller id.
  BOOST_TEST(merged_tokens("low lower lower low") == (Tokens{"lo", "low", " low", "er", " lower"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(of_equal_pairs_the_one_with_the_smallest_ids_is_merged) {
  // In GPT-2's order the space comes behind all printable bytes.
  BOOST_TEST(merged_tokens("cd\ncd\nab\nab") == (Tokens{"ab", "cd"}),
             boost::test_tools::per_element());
  BOOST_TEST(merged_tokens("ab\nab\n b\n b") == (Tokens{"ab", " b"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(overlapping_pairs_are_merged_from_the_left) {
  // aa aa a, where aa+a and aa+aa occur equally often: a has the smaller id.
  BOOST_TEST(merged_tokens("aaaaa\naaaaa") == (Tokens{"aa", "aaa", "aaaaa"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(pairs_rarer_than_the_minimum_stay_apart) {
  BOOST_TEST(merged_tokens("xyz").empty());
  BOOST_TEST(merged_tokens("xyz", {.min_frequency = 1}) == (Tokens{"xy", "xyz"}),
             boost::test_tools::per_element());
  BOOST_TEST(merged_tokens("xy\nxy\nxy\nab\nab", {.min_frequency = 3}) == (Tokens{"xy"}),
             boost::test_tools::per_element());
  BOOST_TEST(merged_tokens("xyz", {.min_frequency = 0}).size() == 2U);
}

BOOST_AUTO_TEST_CASE(ids_are_laid_out_as_in_gpt2) {
  const auto files = train_bpe(count("hello hello"), {.vocab_size = 258});
  BOOST_REQUIRE(files.vocab_size() == 258U);
  BOOST_TEST(files.token_bytes[0] == "!");
  BOOST_TEST(files.token_bytes[187] == "\xFF");
  BOOST_TEST(files.token_bytes[188] == std::string(1, '\0'));
  BOOST_TEST(files.token_bytes[220] == " ");
  BOOST_TEST(files.token_bytes[255] == "\xAD");
  BOOST_TEST(files.token_bytes[256] == "el");
  BOOST_TEST(files.token_bytes[257] == "<|endoftext|>");
  BOOST_TEST(files.end_of_text().value() == 257U);
  BOOST_TEST(files.merges.size() == 1U);
  BOOST_TEST(files.merges[0].first == 68U);   // e
  BOOST_TEST(files.merges[0].second == 75U);  // l
}

BOOST_AUTO_TEST_CASE(the_smallest_vocabulary_has_no_merges) {
  BOOST_TEST(merged_tokens("hello hello", {.vocab_size = 257}).empty());
}

BOOST_AUTO_TEST_CASE(impossible_sizes_are_refused) {
  BOOST_CHECK_THROW(train_bpe(count("a"), {.vocab_size = 256}), formats::UsageError);
  BOOST_CHECK_THROW(train_bpe(count("a"), {.vocab_size = 65537}), formats::UsageError);
}

BOOST_AUTO_TEST_CASE(no_text_gives_the_bytes_alone) {
  BOOST_TEST(train_bpe({}, {}).vocab_size() == 257U);
}

BOOST_AUTO_TEST_CASE(no_two_tokens_are_the_same_bytes) {
  std::string text;
  for (int length = 1; length < 60; ++length) {
    text += std::string(static_cast<std::size_t>(length), 'a') + "\n" +
            std::string(static_cast<std::size_t>(length), '-') + "b\n";
  }
  auto tokens = train_bpe(count(text), {.min_frequency = 1}).token_bytes;
  std::sort(tokens.begin(), tokens.end());
  BOOST_TEST((std::adjacent_find(tokens.begin(), tokens.end()) == tokens.end()));
}

BOOST_AUTO_TEST_CASE(progress_reaches_the_size_of_the_vocabulary) {
  std::uint32_t last = 0;
  const auto files = train_bpe(count("hello hello"), {.progress = [&](std::uint32_t entries) {
                                 BOOST_TEST(entries == std::max(257U, last + 1));
                                 last = entries;
                               }});
  BOOST_TEST(last + 1 == files.vocab_size());  // <|endoftext|> comes last
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::text
