// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/token_shard.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <numeric>
#include <string>

#include "formats/byte_codec.h"
#include "formats/crc32c.h"
#include "formats/errors.h"
#include "tests/formats/format_fixture.h"

namespace gpt2::formats {
namespace {

using HeaderBytes = std::array<std::uint8_t, kTokenShardHeaderBytes>;

const std::vector<std::uint16_t> kTokens = {9, 1, 2, 3, 9, 9, 4, 5, 0};  // three documents

TokenShardHeader base_header() {
  TokenShardHeader base{.vocab_size = 10, .end_of_text = 9};
  for (std::size_t i = 0; i < base.tokenizer.size(); ++i) {
    base.tokenizer[i] = static_cast<std::uint8_t>(i + 1);
  }
  return base;
}

void write_shard(const std::filesystem::path& path) {
  TokenShardWriter writer(path, base_header());
  writer.append(std::span(kTokens).first(4));
  writer.append(std::span(kTokens).subspan(4));
  writer.commit(false);
}

/// Writes a shard of 4096 bytes and gives them.
std::string write_4_kib_shard(const std::filesystem::path& path) {
  std::vector<std::uint16_t> tokens((4096 - kTokenShardHeaderBytes) / 2);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<std::uint16_t>(i * 40503);
  TokenShardWriter writer(path, {.vocab_size = kMaxVocabSize, .end_of_text = 7});
  writer.append(tokens);
  writer.commit(false);
  return read_file(path);
}

std::string foreign_shard() {
  const auto header = encode_token_shard_header({.token_count = kTokens.size(), .foreign = true});
  std::string bytes(header.begin(), header.end());
  for (const auto token : kTokens) {
    bytes += static_cast<char>(token);
    bytes += static_cast<char>(token >> 8);
  }
  return bytes;
}

HeaderBytes good_header() {
  auto header = base_header();
  header.token_count = kTokens.size();
  header.document_count = 3;
  return encode_token_shard_header(header);
}
constexpr std::uint64_t kFileBytes = 1024 + 2 * 9;

void seal(HeaderBytes& bytes) { store_u32(&bytes[1020], crc32c(bytes.data(), 1020)); }

std::string error_in(const HeaderBytes& bytes, std::uint64_t file_bytes = kFileBytes) {
  return error_of<FormatError>([&] { decode_token_shard_header(bytes, file_bytes, "a.bin"); });
}

// The error of a header whose CRC is right but whose word at `offset` is not.
std::string error_with_u32(std::size_t offset, std::uint32_t value) {
  auto bytes = good_header();
  store_u32(&bytes[offset], value);
  seal(bytes);
  return error_in(bytes);
}
std::string error_with_u64(std::size_t offset, std::uint64_t value) {
  auto bytes = good_header();
  store_u64(&bytes[offset], value);
  seal(bytes);
  return error_in(bytes);
}

void verify(const std::filesystem::path& path) { TokenShardReader(path).verify(); }

}  // namespace

BOOST_AUTO_TEST_SUITE(token_shard)

BOOST_AUTO_TEST_CASE(what_is_written_reads_back) {
  const TemporaryFolder folder;
  write_shard(folder / "a.bin");
  const TokenShardReader shard(folder / "a.bin");
  const auto& header = shard.header();
  BOOST_TEST(header.token_count == kTokens.size());
  BOOST_TEST(!header.foreign);
  BOOST_TEST(header.vocab_size == 10U);
  BOOST_TEST(header.end_of_text == 9U);
  BOOST_TEST((header.tokenizer == base_header().tokenizer));
  BOOST_TEST(header.document_count == 3U);
  std::vector<std::uint16_t> tokens(kTokens.size());
  shard.read(0, tokens);
  BOOST_TEST(tokens == kTokens);
  tokens.resize(3);
  shard.read(6, tokens);
  BOOST_TEST(tokens == (std::vector<std::uint16_t>{4, 5, 0}));
  shard.read(9, {});
  BOOST_CHECK_THROW(shard.read(7, tokens), UsageError);
  BOOST_CHECK_THROW(shard.read(~std::uint64_t{0}, tokens), UsageError);
  shard.verify();
  shard.verify(10);
  BOOST_TEST(contains(error_of<FormatError>([&] { shard.verify(9); }), "byte 1024, token: is 9"));
}

// The layout of llm.c and modded-nanogpt: 256 words, the count in the third, then uint16 tokens.
BOOST_AUTO_TEST_CASE(is_a_shard_to_llm_c) {
  const TemporaryFolder folder;
  write_shard(folder / "a.bin");
  const auto bytes = read_file(folder / "a.bin");
  const auto* data = bytes_of(bytes).data();
  BOOST_TEST(bytes.size() == kFileBytes);
  BOOST_TEST(load_u32(data) == 20240520U);
  BOOST_TEST(load_u32(data + 4) == 1U);
  BOOST_TEST(load_u32(data + 8) == kTokens.size());
  for (std::size_t i = 0; i < kTokens.size(); ++i) {
    BOOST_TEST(load_u16(data + 1024 + 2 * i) == kTokens[i]);
  }
}

BOOST_AUTO_TEST_CASE(a_shard_without_the_extension_is_foreign) {
  const TemporaryFolder folder;
  write_file(folder / "a.bin", foreign_shard());
  const TokenShardReader shard(folder / "a.bin");
  BOOST_TEST(shard.header().foreign);
  BOOST_TEST(shard.header().token_count == kTokens.size());
  BOOST_TEST(is_unknown(shard.header().tokenizer));
  shard.verify();
  shard.verify(10);
  BOOST_TEST(contains(error_of<FormatError>([&] { shard.verify(9); }), "byte 1024, token: is 9"));
}

BOOST_AUTO_TEST_CASE(a_numpy_array_of_tokens_is_a_foreign_shard) {
  const TokenShardReader shard(std::filesystem::path(GPT2_FORMATS_DIR) /
                               "samples/accepted/five_tokens.npy");
  BOOST_TEST(shard.header().foreign);
  BOOST_TEST(shard.header().token_count == 5U);
  std::vector<std::uint16_t> tokens(3);
  shard.read(2, tokens);
  BOOST_TEST(tokens == (std::vector<std::uint16_t>{2, 9, 3}), boost::test_tools::per_element());
  shard.verify(10);
  BOOST_TEST(contains(error_of<FormatError>([&] { shard.verify(9); }), "byte 128, token: is 9"));
}

BOOST_AUTO_TEST_CASE(bare_tokens_are_a_foreign_shard_when_they_are_named_so) {
  const TemporaryFolder folder;
  write_file(folder / "train.bin", foreign_shard().substr(kTokenShardHeaderBytes));
  BOOST_CHECK_THROW(TokenShardReader(folder / "train.bin"), FormatError);
  const auto shard = TokenShardReader::bare(folder / "train.bin");
  BOOST_TEST(shard.header().foreign);
  std::vector<std::uint16_t> tokens(kTokens.size());
  shard.read(0, tokens);
  BOOST_TEST(tokens == kTokens, boost::test_tools::per_element());
  BOOST_TEST(contains(error_of<FormatError>([&] { shard.verify(9); }), "byte 0, token: is 9"));
  write_file(folder / "cut.bin", "abc");
  BOOST_TEST(contains(error_of<FormatError>([&] { TokenShardReader::bare(folder / "cut.bin"); }),
                      "3 bytes"));
}

BOOST_AUTO_TEST_CASE(a_shard_may_be_empty) {
  const TemporaryFolder folder;
  TokenShardWriter(folder / "a.bin", base_header()).commit(true);
  const TokenShardReader shard(folder / "a.bin");
  BOOST_TEST(shard.header().token_count == 0U);
  shard.verify();
}

// Larger than the pieces in which files are read and written.
BOOST_AUTO_TEST_CASE(a_long_shard_of_16_bit_ids_reads_back) {
  const TemporaryFolder folder;
  std::vector<std::uint16_t> tokens(1'300'001);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<std::uint16_t>(i * 40503);
  TokenShardWriter writer(folder / "a.bin", {.vocab_size = kMaxVocabSize});
  writer.append(tokens);
  writer.commit(true);
  const TokenShardReader shard(folder / "a.bin");
  std::vector<std::uint16_t> read(tokens.size());
  shard.read(0, read);
  BOOST_TEST((read == tokens));
  BOOST_TEST(shard.header().document_count == 0U);
  shard.verify();
  auto bytes = read_file(folder / "a.bin");
  bytes[bytes.size() - 2] ^= 1;
  write_file(folder / "a.bin", bytes);
  BOOST_CHECK_THROW(verify(folder / "a.bin"), FormatError);
}

// One case for each row of the table in formats/token_shard.md.
BOOST_AUTO_TEST_CASE(every_field_is_checked) {
  BOOST_TEST(error_in(good_header()) == "no error");
  BOOST_TEST(error_with_u32(0, 20240521) ==
             "a.bin: byte 0, magic: not a token shard: is 20240521, expected 20240520");
  BOOST_TEST(error_with_u32(4, 2) == "a.bin: byte 4, version: is 2, this build reads 1");
  BOOST_TEST(contains(error_with_u32(8, 10), "byte 8, token_count: is 10, a file of 1044 bytes"));
  BOOST_TEST(contains(error_with_u32(8, 0xFFFFFFFF), "byte 8, token_count: is -1"));
  BOOST_TEST(contains(error_with_u32(12, 1), "byte 12, reserved"));
  BOOST_TEST(contains(error_with_u32(508, 1 << 24), "byte 511, reserved"));
  BOOST_TEST(contains(error_with_u32(512, 0x31545047), "byte 512, extension_tag"));
  BOOST_TEST(contains(error_with_u32(520, 2), "byte 520, extension_version: is 2"));
  BOOST_TEST(contains(error_with_u32(524, 0), "byte 524, vocab_size: is 0"));
  BOOST_TEST(contains(error_with_u32(524, 65537), "byte 524, vocab_size: is 65537"));
  BOOST_TEST(contains(error_with_u32(528, 10), "byte 528, end_of_text: is 10"));
  BOOST_TEST(error_with_u32(528, kNoToken) == "no error");
  BOOST_TEST(contains(error_with_u64(536, 8), "byte 536, token_count_64: is 8, byte 8 says 9"));
  BOOST_TEST(contains(error_with_u64(536, (std::uint64_t{1} << 32) + 9), "byte 536"));
  BOOST_TEST(error_with_u64(544, 0) == "no error");  // any fingerprint is one
  BOOST_TEST(contains(error_with_u64(560, 10), "byte 560, document_count: is 10"));
  BOOST_TEST(contains(error_with_u32(568, 1), "byte 568, reserved"));
  BOOST_TEST(contains(error_with_u32(1016, 1 << 24), "byte 1019, reserved"));
  auto bytes = good_header();
  bytes[1020] ^= 1;
  BOOST_TEST(contains(error_in(bytes), "byte 1020, header_crc32c"));
}

BOOST_AUTO_TEST_CASE(verify_checks_what_the_header_says_of_the_payload) {
  const TemporaryFolder folder;
  write_shard(folder / "a.bin");
  const auto good = read_file(folder / "a.bin");
  const auto error_after = [&](std::size_t offset, std::uint8_t value) {
    auto bytes = good;
    bytes[offset] = static_cast<char>(value);
    HeaderBytes header;
    std::copy_n(bytes.begin(), header.size(), header.begin());
    seal(header);
    std::copy(header.begin(), header.end(), bytes.begin());
    write_file(folder / "b.bin", bytes);
    return error_of<FormatError>([&] { verify(folder / "b.bin"); });
  };
  BOOST_TEST(contains(error_after(532, 0), "byte 532, payload_crc32c"));
  BOOST_TEST(contains(error_after(560, 2), "byte 560, document_count: is 2"));
  BOOST_TEST(contains(error_after(1026, 10), "byte 1026, token: is 10"));
}

// Each bit, and all of them.
constexpr std::array<unsigned, 9> kChanges = {1, 2, 4, 8, 16, 32, 64, 128, 255};

BOOST_AUTO_TEST_CASE(every_change_of_one_byte_of_a_foreign_header_is_found) {
  const auto good = encode_token_shard_header({.token_count = kTokens.size(), .foreign = true});
  for (std::size_t i = 0; i < good.size(); ++i) {
    auto bytes = good;
    for (const unsigned change : kChanges) {
      bytes[i] = good[i] ^ static_cast<std::uint8_t>(change);
      BOOST_REQUIRE_THROW(decode_token_shard_header(bytes, kFileBytes, "a"), FormatError);
    }
  }
}

// 4 KiB whose tokens may be any 16 bits, so that only the checksums tell.
BOOST_AUTO_TEST_CASE(every_change_of_one_byte_of_a_file_is_found) {
  const TemporaryFolder folder;
  const auto good = write_4_kib_shard(folder / "a.bin");
  std::fstream file(folder / "a.bin", std::ios::in | std::ios::out | std::ios::binary);
  const auto put = [&file](std::size_t place, char byte) {
    file.seekp(static_cast<std::streamoff>(place)).put(byte).flush();
  };
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const unsigned change : kChanges) {
      put(i, static_cast<char>(good[i] ^ change));
      BOOST_REQUIRE_THROW(verify(folder / "a.bin"), FormatError);
    }
    put(i, good[i]);
  }
  verify(folder / "a.bin");
}

BOOST_AUTO_TEST_CASE(every_truncation_and_extension_is_found_when_it_is_opened) {
  const TemporaryFolder folder;
  write_file(folder / "foreign.bin", foreign_shard());
  write_4_kib_shard(folder / "a.bin");
  std::filesystem::copy_file(
      std::filesystem::path(GPT2_FORMATS_DIR) / "samples/accepted/five_tokens.npy",
      folder / "a.npy");
  for (const auto* name : {"foreign.bin", "a.bin", "a.npy"}) {
    const auto good_bytes = std::filesystem::file_size(folder / name);
    for (auto bytes = good_bytes + 2; bytes != ~std::uint64_t{0}; --bytes) {
      std::filesystem::resize_file(folder / name, bytes);
      if (bytes != good_bytes) BOOST_REQUIRE_THROW(TokenShardReader(folder / name), FormatError);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_file_that_shrinks_under_the_reader_is_an_error) {
  const TemporaryFolder folder;
  write_shard(folder / "a.bin");
  const TokenShardReader shard(folder / "a.bin");
  std::filesystem::resize_file(folder / "a.bin", 1030);
  std::vector<std::uint16_t> tokens(kTokens.size());
  BOOST_TEST(contains(error_of<FormatError>([&] { shard.read(0, tokens); }), "byte 1030"));
}

BOOST_AUTO_TEST_CASE(the_largest_shard_of_4_gib_is_read) {
  const TemporaryFolder folder;
  constexpr std::uint64_t kMostTokens = 0x7FFFFFFF;
  const auto header = encode_token_shard_header({.token_count = kMostTokens, .foreign = true});
  write_file(folder / "a.bin", std::string(header.begin(), header.end()));
  std::filesystem::resize_file(folder / "a.bin", 1024 + 2 * kMostTokens - 2);  // sparse
  std::ofstream(folder / "a.bin", std::ios::app | std::ios::binary) << "\x34\x12";
  const TokenShardReader shard(folder / "a.bin");
  std::vector<std::uint16_t> tokens(2);
  shard.read(kMostTokens - 2, tokens);
  BOOST_TEST(tokens == (std::vector<std::uint16_t>{0, 0x1234}));
}

BOOST_AUTO_TEST_CASE(what_is_no_file_is_refused_at_once) {
  const TemporaryFolder folder;
  BOOST_TEST_REQUIRE(::mkfifo((folder / "pipe").c_str(), 0666) == 0);
  BOOST_TEST(contains(error_of<InputError>([&] { TokenShardReader(folder / "pipe"); }),
                      "is not a regular file"));
  BOOST_TEST(contains(error_of<InputError>([&] { TokenShardReader{folder.path()}; }),
                      "is not a regular file"));
  BOOST_TEST(contains(error_of<InputError>([&] { TokenShardReader(folder / "none"); }),
                      "none: no such file"));
  BOOST_TEST(
      contains(error_of<InputError>([&] { TokenShardReader(folder / "pipe/x"); }), "no such file"));
}

BOOST_AUTO_TEST_CASE(the_writer_refuses_tokens_outside_the_vocabulary) {
  const TemporaryFolder folder;
  {
    TokenShardWriter writer(folder / "a.bin", base_header());
    const std::vector<std::uint16_t> tokens{1, 10};
    BOOST_CHECK_THROW(writer.append(tokens), UsageError);
  }
  BOOST_TEST(std::filesystem::is_empty(folder.path()));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::formats
