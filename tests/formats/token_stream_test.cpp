// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/token_stream.h"

#include <fmt/format.h>

#include <boost/test/unit_test.hpp>
#include <sstream>

#include "formats/crc32c.h"
#include "formats/errors.h"
#include "tests/formats/format_fixture.h"
#include "tests/formats/little_endian.h"

namespace gpt2::formats {
namespace {

TokenStreamHeader sample_header() {
  TokenStreamHeader header{.vocab_size = 300, .end_of_text = 299};
  for (std::size_t i = 0; i < header.tokenizer.size(); ++i) {
    header.tokenizer[i] = static_cast<std::uint8_t>(0xF0 + i);
  }
  return header;
}

const std::vector<std::uint16_t> kTokens = {299, 1, 2, 256, 299, 3};

std::string encode(std::span<const std::uint16_t> tokens, const TokenStreamHeader& header) {
  std::ostringstream out;
  TokenStreamWriter writer(out, header);
  writer.append(tokens);
  writer.finish(2);
  return out.str();
}
std::string sample_stream() { return encode(kTokens, sample_header()); }
std::vector<std::uint16_t> decode(const std::string& bytes) {
  std::istringstream in(bytes);
  TokenStreamReader reader(in, "standard input");
  std::vector<std::uint16_t> all, block;
  while (reader.next(block)) all.insert(all.end(), block.begin(), block.end());
  return all;
}

std::string error_in(const std::string& bytes) {
  return error_of<FormatError>([&] { decode(bytes); });
}

std::string frame(std::uint32_t kind, const std::string& payload) {
  const std::string body = u32(kind) + u32(static_cast<std::uint32_t>(payload.size())) + payload;
  return body + u32(crc32c(body.data(), body.size()));
}
/// About 4 KiB, of two frames and the end.
std::string long_stream() {
  std::vector<std::uint16_t> tokens;
  while (tokens.size() < 1000) tokens.insert(tokens.end(), kTokens.begin(), kTokens.end());
  const auto whole = encode(tokens, sample_header());
  std::string payload = whole.substr(72, 2 * tokens.size());
  return whole.substr(0, 64) + frame(1, payload) + frame(1, payload) +
         frame(2, u64(2 * tokens.size()) + u64(2));
}

// The sample's header with four bytes changed and a right CRC.
std::string header_with(std::size_t offset, const std::string& bytes) {
  auto header = sample_stream().substr(0, 60).replace(offset, bytes.size(), bytes);
  return header + u32(crc32c(header.data(), header.size()));
}
std::string header() { return sample_stream().substr(0, 64); }
const std::string kEnd = frame(2, u64(0) + u64(0));

}  // namespace

BOOST_AUTO_TEST_SUITE(token_stream)

BOOST_AUTO_TEST_CASE(what_is_written_reads_back) {
  std::istringstream in(sample_stream());
  TokenStreamReader reader(in, "standard input");
  BOOST_TEST(reader.header().vocab_size == 300U);
  BOOST_TEST(reader.header().end_of_text == 299U);
  BOOST_TEST((reader.header().tokenizer == sample_header().tokenizer));
  std::vector<std::uint16_t> tokens;
  BOOST_TEST(reader.next(tokens));
  BOOST_TEST(tokens == kTokens);
  BOOST_TEST(!reader.next(tokens));
  BOOST_TEST(!reader.next(tokens));
  BOOST_TEST(reader.token_count() == kTokens.size());
  BOOST_TEST(reader.document_count() == 2U);
}

BOOST_AUTO_TEST_CASE(a_stream_may_hold_no_tokens) {
  BOOST_TEST(decode(encode({}, sample_header())).empty());
}

// The bytes do not depend on the sizes of the pieces that were appended.
BOOST_AUTO_TEST_CASE(long_streams_are_cut_into_full_frames) {
  std::vector<std::uint16_t> tokens(2 * kTokenStreamMaxPayloadBytes / 2 + 5);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<std::uint16_t>(i % 300);
  const auto whole = encode(tokens, sample_header());
  BOOST_TEST(whole.size() == 64 + 2 * (12 + kTokenStreamMaxPayloadBytes) + (12 + 10) + 28);
  BOOST_TEST((decode(whole) == tokens));
  std::ostringstream out;
  TokenStreamWriter writer(out, sample_header());
  for (std::size_t first = 0; first < tokens.size(); first += 1'000'003) {
    const auto count = std::min<std::size_t>(1'000'003, tokens.size() - first);
    writer.append(std::span(tokens).subspan(first, count));
  }
  writer.finish(2);
  BOOST_TEST((out.str() == whole));
}

// One case for each row of the tables in formats/token_stream.md.
BOOST_AUTO_TEST_CASE(every_field_is_checked) {
  BOOST_TEST(error_in(header() + kEnd) == "no error");
  BOOST_TEST(contains(error_in(header_with(0, "GPT3TOKS") + kEnd), "byte 0, magic"));
  BOOST_TEST(contains(error_in(header_with(8, u32(2)) + kEnd),
                      "byte 8, version: is 2, this build reads 1"));
  BOOST_TEST(contains(error_in(header_with(12, u32(0)) + kEnd), "byte 12, vocab_size: is 0"));
  BOOST_TEST(contains(error_in(header_with(12, u32(65537)) + kEnd), "byte 12, vocab_size"));
  BOOST_TEST(contains(error_in(header_with(16, u32(300)) + kEnd), "byte 16, end_of_text: is 300"));
  BOOST_TEST(error_in(header_with(16, u32(0xFFFFFFFF)) + kEnd) == "no error");
  BOOST_TEST(contains(error_in(header_with(20, u32(4)) + kEnd), "byte 20, bytes_per_token: is 4"));
  BOOST_TEST(error_in(header_with(24, u64(0) + u64(0)) + kEnd) == "no error");
  BOOST_TEST(contains(error_in(header_with(40, u32(1)) + kEnd), "byte 40, reserved"));
  BOOST_TEST(contains(error_in(header_with(56, u32(1 << 24)) + kEnd), "byte 59, reserved"));
  BOOST_TEST(contains(error_in(header().replace(60, 4, u32(0)) + kEnd), "byte 60, header_crc32c"));

  BOOST_TEST(contains(error_in(header() + frame(3, "ab")), "byte 64, kind: is 3"));
  BOOST_TEST(contains(error_in(header() + frame(0, "ab")), "byte 64, kind: is 0"));
  BOOST_TEST(contains(error_in(header() + frame(1, "")), "byte 68, payload_bytes: is 0"));
  BOOST_TEST(contains(error_in(header() + frame(1, "abc")), "byte 68, payload_bytes: is 3"));
  BOOST_TEST(contains(error_in(header() + u32(1) + u32(kTokenStreamMaxPayloadBytes + 2)),
                      "byte 68, payload_bytes: is 4194306"));
  BOOST_TEST(
      contains(error_in(header() + frame(1, u32(299 + (300 << 16)))), "byte 74, token: is 300"));
  BOOST_TEST(contains(error_in(header() + frame(1, "a").replace(9, 4, "xxxx")), "payload_bytes"));
  BOOST_TEST(contains(error_in(header() + frame(1, "ab").replace(10, 4, u32(0))),
                      "byte 74, frame_crc32c"));
  BOOST_TEST(contains(error_in(header() + frame(2, u64(0))), "byte 68, payload_bytes: is 8"));
  BOOST_TEST(contains(error_in(header() + frame(2, u64(1) + u64(0))),
                      "byte 72, token_count: is 1, the frames hold 0"));
  BOOST_TEST(contains(error_in(header() + kEnd + "x"), "byte 92, end of stream"));
  BOOST_TEST(contains(error_in(header() + kEnd + header() + kEnd), "byte 92, end of stream"));
}

BOOST_AUTO_TEST_CASE(a_stream_cut_at_any_byte_is_an_error_that_names_the_byte) {
  const auto whole = long_stream();
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    const auto error = error_in(whole.substr(0, bytes));
    BOOST_REQUIRE_MESSAGE(error.starts_with(fmt::format("standard input: byte {}, ", bytes)),
                          error);
    BOOST_REQUIRE(contains(error, "the stream ends here"));
  }
}

BOOST_AUTO_TEST_CASE(every_change_of_one_byte_is_found) {
  const auto short_stream = sample_stream(), whole = long_stream();
  BOOST_TEST(error_in(whole) == "no error");
  const auto check = [](const std::string& stream, std::span<const int> changes) {
    auto bytes = stream;
    for (std::size_t i = 0; i < stream.size(); ++i) {
      for (const int change : changes) {
        bytes[i] = static_cast<char>(stream[i] ^ change);
        BOOST_REQUIRE_THROW(decode(bytes), FormatError);
      }
      bytes[i] = stream[i];
    }
  };
  std::vector<int> all_changes;
  for (int change = 1; change < 256; ++change) all_changes.push_back(change);
  check(short_stream, all_changes);
  check(whole, std::vector{0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF});
}

BOOST_AUTO_TEST_CASE(a_lost_or_repeated_frame_is_found) {
  const auto a = frame(1, "ab"), b = frame(1, u32(7)), end = frame(2, u64(3) + u64(0));
  TokenStreamHeader wide{.vocab_size = 65536, .end_of_text = 0};
  const auto begin = encode({}, wide).substr(0, 64);
  BOOST_TEST(error_in(begin + a + b + end) == "no error");
  for (const auto& frames : {a, b, a + b + b, a + a + b, a + a, std::string()}) {
    BOOST_TEST(contains(error_in(begin + frames + end), "token_count"));
  }
}

BOOST_AUTO_TEST_CASE(a_stream_that_cannot_be_written_is_an_error) {
  std::ostringstream closed;
  closed.setstate(std::ios::badbit);
  BOOST_CHECK_THROW(TokenStreamWriter(closed, sample_header()), IoError);
  std::ostringstream out;
  TokenStreamWriter writer(out, sample_header());
  writer.append(kTokens);
  out.setstate(std::ios::badbit);
  BOOST_CHECK_THROW(writer.finish(2), IoError);
}

BOOST_AUTO_TEST_CASE(the_writer_refuses_tokens_outside_the_vocabulary) {
  std::ostringstream out;
  TokenStreamWriter writer(out, sample_header());
  const std::vector<std::uint16_t> tokens{299, 300};
  BOOST_CHECK_THROW(writer.append(tokens), UsageError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::formats
