// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/text/tokenizer.h"

#include <boost/test/unit_test.hpp>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "formats/errors.h"
#include "formats/token_shard.h"
#include "libcore/text/bpe_trainer.h"
#include "libcore/text/pretokenizer.h"
#include "tests/libcore/text/small_vocabulary.h"

namespace gpt2::text {
namespace {

using Ids = std::vector<std::uint16_t>;
using test::encode_plainly;
using test::make_vocabulary;

Ids encode_cached(const Tokenizer& tokenizer, std::string_view text) {
  Ids ids;
  Encoder(tokenizer).encode(text, ids);
  return ids;
}

std::string random_bytes(std::mt19937& random, std::size_t bytes) {
  std::string text(bytes, '\0');
  for (char& byte : text) byte = static_cast<char>(random());
  return text;
}

/// Merges over a, b and space with every kind of overlap.
formats::TokenizerFiles ab_vocabulary() {
  return make_vocabulary({{"a", "b"},
                          {"b", "a"},
                          {"ab", "ab"},
                          {"a", "a"},
                          {"b", "ba"},
                          {" ", "a"},
                          {"aa", "aa"},
                          {"abab", "a"},
                          {" a", "ba"},
                          {"aaaa", "aaaa"},
                          {"b", "b"}});
}

BOOST_AUTO_TEST_SUITE(tokenizer)

BOOST_AUTO_TEST_CASE(merges_go_by_rank_and_from_the_left) {
  const Tokenizer tokenizer(make_vocabulary({{"b", "c"}, {"a", "b"}, {"a", "a"}}));
  BOOST_TEST(tokenizer.encode("abc") == (Ids{'a', 256}), boost::test_tools::per_element());
  BOOST_TEST(tokenizer.encode("abd") == (Ids{257, 'd'}), boost::test_tools::per_element());
  BOOST_TEST(tokenizer.encode("aaa") == (Ids{258, 'a'}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_token_that_merges_do_not_reach_is_not_used) {
  // "abc" is the result of a merge, but "bc" always takes the b; "xyz" is in the vocabulary without
  // a merge.
  const Tokenizer tokenizer(make_vocabulary({{"b", "c"}, {"a", "b"}, {"ab", "c"}}, {"xyz"}));
  for (int round = 0; round < 2; ++round) {
    BOOST_TEST(tokenizer.encode("abc") == (Ids{'a', 256}), boost::test_tools::per_element());
    BOOST_TEST(encode_cached(tokenizer, "abc xyz abc") ==
                   (Ids{'a', 256, ' ', 'x', 'y', 'z', ' ', 'a', 256}),
               boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(words_of_any_length_merge_as_plain_bpe_does) {
  const auto files = ab_vocabulary();
  const Tokenizer tokenizer(files);
  Encoder encoder(tokenizer);
  std::mt19937 random(3);
  for (int round = 0; round < 3000; ++round) {
    const std::string word = test::random_text(random, {"a", "b"}, 1 + random() % 120);
    const Ids expected = encode_plainly(files, word);
    Ids cached;
    encoder.encode(word, cached);
    BOOST_REQUIRE_MESSAGE(tokenizer.encode(word) == expected, word);
    BOOST_REQUIRE_MESSAGE(cached == expected, word);
  }
}

BOOST_AUTO_TEST_CASE(the_cache_changes_nothing) {
  const auto files = ab_vocabulary();
  const Tokenizer tokenizer(files);
  Encoder encoder(tokenizer);
  std::mt19937 random(4);
  for (int round = 0; round < 300; ++round) {
    const std::string text = test::random_text(
        random, {"a", "b", "aa", " ", " ", "  ", "\n", "abababababababababab", "zz", "'s", "\xFF"},
        random() % 400);
    Ids cached;
    encoder.encode(text, cached);
    BOOST_REQUIRE(cached == tokenizer.encode(text));
  }
}

BOOST_AUTO_TEST_CASE(zero_bytes_of_different_number_are_different_words) {
  const Tokenizer tokenizer(make_vocabulary({}));
  Encoder encoder(tokenizer);
  for (std::size_t bytes = 1; bytes <= 17; ++bytes) {
    Ids ids;
    encoder.encode(std::string(bytes, '\0'), ids);
    BOOST_TEST(ids == Ids(bytes, 0), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(encode_appends) {
  const Tokenizer tokenizer(make_vocabulary({}));
  Ids ids{7};
  tokenizer.encode("a", ids);
  Encoder(tokenizer).encode("b", ids);
  tokenizer.encode("", ids);
  BOOST_TEST(ids == (Ids{7, 'a', 'b'}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(end_of_text_in_a_text_is_ordinary_text) {
  const Tokenizer tokenizer(make_vocabulary({}));
  BOOST_TEST(tokenizer.encode("<|endoftext|>").size() == 13U);
  BOOST_TEST(tokenizer.end_of_text() == 256U);
  BOOST_TEST(tokenizer.decode(Ids{256}) == "<|endoftext|>");
}

BOOST_AUTO_TEST_CASE(a_vocabulary_without_end_of_text_says_so) {
  const Tokenizer tokenizer(make_vocabulary({}, {}, false));
  BOOST_TEST(tokenizer.end_of_text() == formats::kNoToken);
  BOOST_TEST(tokenizer.vocab_size() == 256U);
}

BOOST_AUTO_TEST_CASE(random_bytes_come_back_as_they_were) {
  PretokenCounts counts;
  counts.add("the cat that sat on the hat, that is the cat's hat");
  const Tokenizer tokenizer(train_bpe(counts, {.vocab_size = 300}));
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    const std::string text = random_bytes(random, random() % 2000);
    BOOST_REQUIRE(tokenizer.decode(encode_cached(tokenizer, text)) == text);
    BOOST_REQUIRE(encode_cached(tokenizer, text) == tokenizer.encode(text));
  }
}

BOOST_AUTO_TEST_CASE(a_word_of_megabytes_is_encoded_in_little_more_than_linear_time) {
  // Quadratic work would be 10^12 steps and run into the time limit of the test.
  const auto files = ab_vocabulary();
  const Tokenizer tokenizer(files);
  const std::string word(1'000'003, 'a');
  const Ids ids = encode_cached(tokenizer, word);
  BOOST_TEST(ids.size() == 125'002U);  // eights, then "aa" and "a"
  BOOST_TEST(tokenizer.decode(ids) == word);
  const std::string spaces(1'000'003, ' ');
  BOOST_TEST(tokenizer.decode(encode_cached(tokenizer, spaces)) == spaces);
}

BOOST_AUTO_TEST_CASE(ids_outside_the_vocabulary_are_refused) {
  const Tokenizer tokenizer(make_vocabulary({}));
  BOOST_CHECK_THROW(tokenizer.decode(Ids{257}), formats::InputError);
  BOOST_CHECK_THROW(tokenizer.token_bytes(65535), formats::InputError);
}

BOOST_AUTO_TEST_CASE(the_largest_vocabulary_uses_every_id) {
  auto files = make_vocabulary({}, {}, false);
  while (files.token_bytes.size() < 65536) {
    files.token_bytes.push_back("token " + std::to_string(files.token_bytes.size()));
  }
  files.token_bytes[65534] = "xy";
  files.token_bytes[65535] = "xyxy";
  files.merges = {{'x', 'y'}, {65534, 65534}};
  const Tokenizer tokenizer(files);
  BOOST_TEST(tokenizer.encode("xyxyxy") == (Ids{65535, 65534}), boost::test_tools::per_element());
  files.token_bytes.emplace_back("one more");
  BOOST_CHECK_THROW(Tokenizer{files}, formats::InputError);
}

BOOST_AUTO_TEST_CASE(a_byte_without_a_token_is_refused) {
  auto files = make_vocabulary({});
  files.token_bytes['q'] = "qq";
  BOOST_CHECK_THROW(Tokenizer{files}, formats::InputError);
}

BOOST_AUTO_TEST_CASE(a_merge_to_nothing_in_the_vocabulary_is_refused) {
  auto files = make_vocabulary({{"a", "b"}});
  files.merges.emplace_back('c', 'd');
  BOOST_CHECK_THROW(Tokenizer{files}, formats::InputError);
  files.merges.back() = {'c', 60000};
  BOOST_CHECK_THROW(Tokenizer{files}, formats::InputError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::text
