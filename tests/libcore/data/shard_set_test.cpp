// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/data/shard_set.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>

#include "formats/byte_codec.h"
#include "formats/crc32c.h"
#include "formats/errors.h"
#include "tests/libcore/data/shard_fixture.h"

namespace gpt2::data {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> names_of(const ShardSet& set) {
  std::vector<std::string> names;
  for (const auto& shard : set.shards()) names.push_back(shard.path().filename().string());
  return names;
}

std::uint32_t crc_of(const std::vector<std::uint16_t>& tokens) {
  std::vector<std::uint8_t> bytes(2 * tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) formats::store_u16(&bytes[2 * i], tokens[i]);
  return formats::crc32c(bytes);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(shard_set, ShardFixture)

BOOST_AUTO_TEST_CASE(takes_shards_in_the_order_of_their_sorted_paths) {
  for (const auto* name : {"b.bin", "a_2.bin", "a_10.bin", "Z.bin"}) write_shard(name, {1, 2, 3});
  const ShardSet set({at("b.bin"), at("a_*.bin"), at("Z.bin")});
  BOOST_TEST(names_of(set) == (std::vector<std::string>{"Z.bin", "a_10.bin", "a_2.bin", "b.bin"}),
             boost::test_tools::per_element());
  BOOST_TEST(set.token_count() == 12U);
}

BOOST_AUTO_TEST_CASE(counts_a_shard_named_twice_once) {
  write_shard("a.bin", {1, 2, 3});
  const ShardSet set({at("a.bin"), at("*.bin"), at("./a.bin"), at("a.bin")});
  BOOST_TEST(set.shards().size() == 1U);
}

BOOST_AUTO_TEST_CASE(keeps_the_order_given_when_it_only_finds) {
  for (const auto* name : {"p_train_000001.bin", "p_train_000002.bin", "p_val_000000.bin"}) {
    write_shard(name, {1});
  }
  const auto found = find_shards({at("p_val_*.bin"), at("p_train_*.bin")});
  BOOST_TEST_REQUIRE(found.size() == 3U);
  BOOST_TEST(found[0].filename() == "p_val_000000.bin");
  BOOST_TEST(found[1].filename() == "p_train_000001.bin");
  BOOST_TEST(found[2].filename() == "p_train_000002.bin");
}

BOOST_AUTO_TEST_CASE(takes_a_name_with_glob_characters_as_it_is) {
  write_shard("a[1].bin", {1, 2});
  BOOST_TEST(ShardSet({at("a[1].bin")}).shards().size() == 1U);
}

BOOST_AUTO_TEST_CASE(names_a_pattern_that_matches_nothing) {
  write_shard("a.bin", {1, 2});
  BOOST_CHECK_EXCEPTION(ShardSet({at("a.bin"), at("b_*.bin")}), formats::InputError,
                        says({at("b_*.bin"), "no file matches"}));
  BOOST_CHECK_THROW(ShardSet({at("missing.bin")}), formats::InputError);
  BOOST_CHECK_THROW(ShardSet({}), formats::InputError);
}

BOOST_AUTO_TEST_CASE(refuses_a_folder_and_says_what_to_name) {
  BOOST_CHECK_EXCEPTION(ShardSet({folder.string()}), formats::InputError,
                        says({"is a folder", "_train_*.bin"}));
}

BOOST_AUTO_TEST_CASE(tells_other_kinds_of_token_files_apart) {
  const std::string tail(2000, '\0');
  BOOST_CHECK_EXCEPTION(ShardSet({write_bytes("a.npy", "\x93NUMPY\x01" + tail)}),
                        formats::InputError, says({"a.npy", "descr"}));
  BOOST_CHECK_EXCEPTION(ShardSet({write_bytes("bare.bin", "\x50\xC4" + tail)}), formats::InputError,
                        says({"bare.bin", "nanoGPT", "--from-bare"}));
  std::string llama("\0\0\0\0\x07\0\0\0", 8);
  std::uint8_t magic[4];
  formats::store_u32(magic, 20240801);
  std::copy(magic, magic + 4, llama.begin());
  BOOST_CHECK_EXCEPTION(ShardSet({write_bytes("llama.bin", llama + tail)}), formats::InputError,
                        says({"llama.bin", "32-bit"}));
  BOOST_CHECK_THROW(ShardSet({write_bytes("empty.bin", "")}), formats::InputError);
}

BOOST_AUTO_TEST_CASE(refuses_a_pipe_without_waiting_for_it) {
  BOOST_TEST_REQUIRE(::mkfifo(at("pipe").c_str(), 0600) == 0);
  BOOST_CHECK_THROW(ShardSet({at("pipe")}), formats::InputError);
}

BOOST_AUTO_TEST_CASE(refuses_a_damaged_header) {
  write_shard("a.bin", counting_tokens(50));
  std::string bytes = read_bytes("a.bin");
  bytes[524] = static_cast<char>(bytes[524] ^ 1);
  BOOST_CHECK_THROW(ShardSet({write_bytes("a.bin", bytes)}), formats::FormatError);
}

BOOST_AUTO_TEST_CASE(refuses_a_shard_cut_short) {
  write_shard("a.bin", counting_tokens(50));
  fs::resize_file(at("a.bin"), 1024 + 98);
  BOOST_CHECK_THROW(ShardSet({at("a.bin")}), formats::FormatError);
}

BOOST_AUTO_TEST_CASE(states_the_vocabulary_of_its_shards) {
  const formats::Fingerprint tokenizer{1, 2, 3};
  write_foreign_shard("a.bin", {1, 2});
  write_shard("b.bin", {1, 2}, {.vocab_size = 300, .end_of_text = 256});
  write_shard("c.bin", {1}, {.vocab_size = 300, .end_of_text = 256, .tokenizer = tokenizer});
  const ShardSet set({at("*.bin")});
  BOOST_TEST(set.vocab_size() == 300U);
  BOOST_TEST(set.end_of_text() == 256U);
  BOOST_TEST((set.tokenizer() == tokenizer));
  BOOST_TEST(set.has_foreign());
  BOOST_TEST(!ShardSet({at("b.bin")}).has_foreign());
}

BOOST_AUTO_TEST_CASE(states_nothing_when_all_are_foreign) {
  const ShardSet set({write_foreign_shard("a.bin", {1, 2, 3, 4, 5})});
  BOOST_TEST(set.vocab_size() == 0U);
  BOOST_TEST(set.end_of_text() == formats::kNoToken);
  BOOST_TEST(formats::is_unknown(set.tokenizer()));
  BOOST_TEST(set.window_count(2) == 2U);
}

BOOST_AUTO_TEST_CASE(refuses_shards_of_two_vocabularies) {
  write_shard("a.bin", {1}, {.vocab_size = 300, .end_of_text = 256, .tokenizer = {1}});
  write_shard("size.bin", {1}, {.vocab_size = 301, .end_of_text = 256, .tokenizer = {1}});
  write_shard("end.bin", {1}, {.vocab_size = 300, .end_of_text = 255, .tokenizer = {1}});
  write_shard("print.bin", {1}, {.vocab_size = 300, .end_of_text = 256, .tokenizer = {2}});
  write_shard("unknown.bin", {1}, {.vocab_size = 300, .end_of_text = 256});
  BOOST_CHECK_EXCEPTION(ShardSet({at("a.bin"), at("size.bin")}), formats::ContradictionError,
                        says({"a.bin", "size.bin", "300", "301"}));
  BOOST_CHECK_EXCEPTION(ShardSet({at("a.bin"), at("end.bin")}), formats::ContradictionError,
                        says({"a.bin", "end.bin", "256", "255"}));
  BOOST_CHECK_EXCEPTION(ShardSet({at("a.bin"), at("print.bin")}), formats::ContradictionError,
                        says({"a.bin", "print.bin", "01000000", "02000000"}));
  BOOST_CHECK_NO_THROW(ShardSet({at("a.bin"), at("unknown.bin")}));
  // An unknown one between the two must not hide that they differ.
  const std::vector<std::uint16_t> one{1};
  write_shard("0.bin", one, {.vocab_size = 300, .end_of_text = 256});
  BOOST_CHECK_THROW(ShardSet({at("0.bin"), at("a.bin"), at("print.bin")}),
                    formats::ContradictionError);
}

BOOST_AUTO_TEST_CASE(windows_fill_a_shard_and_leave_the_rest) {
  const std::vector<std::size_t> token_counts{0, 1, 4, 5, 8, 9, 14};
  for (std::size_t i = 0; i < token_counts.size(); ++i) {
    write_shard(std::to_string(i) + ".bin", counting_tokens(token_counts[i]));
  }
  const ShardSet set({at("*.bin")});
  BOOST_TEST(set.windows_per_shard(4) == (std::vector<std::uint64_t>{0, 0, 0, 1, 1, 2, 3}),
             boost::test_tools::per_element());
  BOOST_TEST(set.window_count(4) == 7U);
  BOOST_TEST(set.dropped_token_count(4) == 0U + 1 + 4 + 0 + 3 + 0 + 1);
  std::vector<std::string> short_ones;
  for (const auto& path : set.shards_without_window(4)) short_ones.push_back(path.filename());
  BOOST_TEST(short_ones == (std::vector<std::string>{"0.bin", "1.bin", "2.bin"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(file_order_walks_the_windows_of_one_shard_after_another) {
  write_shard("a.bin", counting_tokens(7));  // 2 windows of 3
  write_shard("b.bin", counting_tokens(2));  // none
  write_shard("c.bin", counting_tokens(4));  // 1
  const ShardSet set({at("*.bin")});
  BOOST_TEST_REQUIRE(set.window_count(3) == 3U);
  BOOST_TEST((set.window_in_file_order(0, 3) == Window{0, 0}));
  BOOST_TEST((set.window_in_file_order(1, 3) == Window{0, 3}));
  BOOST_TEST((set.window_in_file_order(2, 3) == Window{2, 0}));
}

BOOST_AUTO_TEST_CASE(targets_are_the_inputs_one_later) {
  const ShardSet set({write_shard("a.bin", {10, 11, 12, 13, 14, 15})});
  std::vector<std::int32_t> inputs(3), targets(3);
  set.read_window({0, 2}, 100, inputs, targets);
  BOOST_TEST(inputs == (std::vector<std::int32_t>{12, 13, 14}), boost::test_tools::per_element());
  BOOST_TEST(targets == (std::vector<std::int32_t>{13, 14, 15}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(names_shard_and_offset_of_a_token_above_the_vocabulary) {
  const ShardSet set({write_foreign_shard("f.bin", {1, 2, 65535, 3, 70})});
  std::vector<std::int32_t> inputs(2), targets(2);
  BOOST_CHECK_EXCEPTION(set.read_window({0, 0}, 50257, inputs, targets), formats::FormatError,
                        says({at("f.bin"), "1028", "65535", "50257"}));
  BOOST_CHECK_NO_THROW(set.read_window({0, 1}, 65536, inputs, targets));
}

BOOST_AUTO_TEST_CASE(checks_the_last_target_too) {
  const ShardSet set({write_foreign_shard("f.bin", {1, 2, 70})});
  std::vector<std::int32_t> inputs(2), targets(2);
  BOOST_CHECK_EXCEPTION(set.read_window({0, 0}, 70, inputs, targets), formats::FormatError,
                        says({"1028", "70"}));
  BOOST_CHECK_NO_THROW(set.read_window({0, 0}, 71, inputs, targets));
}

BOOST_AUTO_TEST_CASE(a_shard_is_known_by_its_payload_not_by_its_name) {
  const auto tokens = counting_tokens(40);
  write_shard("a.bin", tokens);
  write_shard("renamed.bin", tokens);
  const auto identity = ShardSet({at("a.bin"), at("renamed.bin")}).identity();
  BOOST_TEST_REQUIRE(identity.size() == 2U);
  BOOST_TEST(identity[0].name == "a.bin");
  BOOST_TEST(identity[0].token_count == 40U);
  BOOST_TEST(identity[0].crc32c == crc_of(tokens));
  BOOST_TEST(identity[1].crc32c == identity[0].crc32c);
  BOOST_TEST(!identity[0].foreign);
}

BOOST_AUTO_TEST_CASE(a_foreign_shard_is_known_by_its_first_and_last_mebibyte) {
  constexpr std::size_t kMebibyteTokens = 524288;
  auto tokens = counting_tokens(3 * kMebibyteTokens, 0, 50257);
  const auto identity_of = [&] {
    return ShardSet({write_foreign_shard("f.bin", tokens)}).identity().at(0);
  };
  const auto before = identity_of();
  BOOST_TEST(before.foreign);
  BOOST_TEST(before.token_count == tokens.size());
  std::vector<std::uint16_t> ends(tokens.begin(), tokens.begin() + kMebibyteTokens);
  ends.insert(ends.end(), tokens.end() - kMebibyteTokens, tokens.end());
  BOOST_TEST(before.crc32c == crc_of(ends));
  tokens[2 * kMebibyteTokens]++;
  BOOST_TEST(identity_of().crc32c != before.crc32c);
}

BOOST_AUTO_TEST_CASE(a_short_foreign_shard_counts_whole_at_both_ends) {
  const auto identity = ShardSet({write_foreign_shard("f.bin", {1, 2, 3})}).identity().at(0);
  BOOST_TEST(identity.crc32c == crc_of({1, 2, 3, 1, 2, 3}));
  BOOST_TEST(ShardSet({write_foreign_shard("e.bin", {})}).identity().at(0).crc32c == 0U);
}

BOOST_AUTO_TEST_CASE(opens_more_shards_than_the_soft_limit_of_open_files) {
  rlimit before{};
  BOOST_TEST_REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  for (int i = 0; i < 80; ++i) write_foreign_shard(std::to_string(i) + ".bin", {1});
  rlimit low = before;
  low.rlim_cur = 64;
  BOOST_TEST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
  BOOST_CHECK_EQUAL(ShardSet({at("*.bin")}).shards().size(), 80U);
  ::setrlimit(RLIMIT_NOFILE, &before);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::data
