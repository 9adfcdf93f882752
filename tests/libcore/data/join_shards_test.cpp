// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/data/join_shards.h"

#include <boost/test/unit_test.hpp>
#include <sstream>

#include "formats/errors.h"
#include "formats/token_stream.h"
#include "libcore/data/cut_into_shards.h"
#include "libcore/data/shard_set.h"
#include "tests/libcore/data/shard_fixture.h"

namespace gpt2::data {
namespace {

namespace fs = std::filesystem;

struct Joined {
  formats::TokenStreamHeader header;
  std::vector<std::uint16_t> tokens;
  std::uint64_t document_count = 0;
};

Joined join(const std::vector<std::string>& patterns, const ForeignVocabulary& foreign = {}) {
  std::stringstream stream;
  join_shards(open_shards(find_shards(patterns)), foreign, stream);
  formats::TokenStreamReader reader(stream, "joined");
  Joined joined{.header = reader.header()};
  for (std::vector<std::uint16_t> block; reader.next(block);) {
    joined.tokens.insert(joined.tokens.end(), block.begin(), block.end());
  }
  joined.document_count = reader.document_count();
  return joined;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(join_shards_, ShardFixture)

BOOST_AUTO_TEST_CASE(cutting_what_was_joined_gives_the_same_files) {
  std::stringstream stream;
  formats::TokenStreamWriter writer(stream,
                                    {.vocab_size = 100, .end_of_text = 0, .tokenizer = {9}});
  writer.append(counting_tokens(3'000'000));
  writer.finish(30'000);
  ShardCut cut{.out_dir = at("first"),
               .prefix = "p",
               .tokens_per_shard = 400'000,
               .val_tokens = 500'000,
               .test_tokens = 100};
  cut_into_shards(stream, "first", cut);
  std::stringstream joined;
  join_shards(open_shards(find_shards(
                  {at("first/p_val_*.bin"), at("first/p_test_*.bin"), at("first/p_train_*.bin")})),
              {}, joined);
  cut.out_dir = at("second");
  cut_into_shards(joined, "second", cut);
  std::size_t compared = 0;
  for (const auto& [name, bytes] : contents()) {
    if (!name.starts_with("first/")) continue;
    BOOST_TEST((read_bytes("second/" + name.substr(6)) == bytes), name);
    ++compared;
  }
  BOOST_TEST(compared == 10U);
  BOOST_TEST(contents().size() == 2 * compared);
}

BOOST_AUTO_TEST_CASE(foreign_shards_take_the_vocabulary_given) {
  write_foreign_shard("f_000001.bin", {50256, 1, 2, 50256, 3});
  write_foreign_shard("f_000002.bin", {4, 50256});
  const auto gpt2 = join({at("f_*.bin")});
  BOOST_TEST(gpt2.header.vocab_size == 50257U);
  BOOST_TEST(gpt2.header.end_of_text == 50256U);
  BOOST_TEST(gpt2.document_count == 3U);
  BOOST_TEST(gpt2.tokens == (std::vector<std::uint16_t>{50256, 1, 2, 50256, 3, 4, 50256}),
             boost::test_tools::per_element());
  const auto other = join({at("f_*.bin")}, {.vocab_size = 60000, .end_of_text = 2});
  BOOST_TEST(other.header.vocab_size == 60000U);
  BOOST_TEST(other.document_count == 1U);
  BOOST_CHECK_EXCEPTION(join({at("f_*.bin")}, {.vocab_size = 50256, .end_of_text = 0}),
                        formats::FormatError, says({"f_000001.bin", "1024", "50256"}));
}

BOOST_AUTO_TEST_CASE(foreign_shards_among_others_take_their_vocabulary) {
  write_foreign_shard("a.bin", {1, 2});
  write_shard("b.bin", {0, 3}, {.vocab_size = 100, .end_of_text = 0, .tokenizer = {5}});
  const auto joined = join({at("a.bin"), at("b.bin")});
  BOOST_TEST(joined.header.vocab_size == 100U);
  BOOST_TEST((joined.header.tokenizer == formats::Fingerprint{5}));
  BOOST_TEST(joined.document_count == 1U);
}

BOOST_AUTO_TEST_CASE(keeps_the_order_in_which_shards_are_named) {
  write_shard("a.bin", {1});
  write_shard("b.bin", {2});
  BOOST_TEST(join({at("b.bin"), at("a.bin")}).tokens == (std::vector<std::uint16_t>{2, 1}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(damage_is_named_and_leaves_a_stream_that_is_refused) {
  write_shard("a.bin", counting_tokens(50));
  write_shard("b.bin", counting_tokens(50));
  std::string bytes = read_bytes("b.bin");
  bytes[1030] = static_cast<char>(bytes[1030] ^ 1);
  write_bytes("b.bin", bytes);
  std::stringstream stream;
  BOOST_CHECK_EXCEPTION(join_shards(open_shards(find_shards({at("*.bin")})), {}, stream),
                        formats::FormatError, says({"b.bin"}));
  formats::TokenStreamReader reader(stream, "joined");
  std::vector<std::uint16_t> block;
  BOOST_CHECK_THROW(while (reader.next(block)){}, formats::FormatError);
}

BOOST_AUTO_TEST_CASE(refuses_shards_of_two_vocabularies) {
  write_shard("a.bin", {1}, {.vocab_size = 100});
  write_shard("b.bin", {1}, {.vocab_size = 101});
  BOOST_CHECK_THROW(join({at("*.bin")}), formats::ContradictionError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::data
