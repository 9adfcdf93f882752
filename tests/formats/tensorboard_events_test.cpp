// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/tensorboard_events.h"

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <iterator>

#include "formats/byte_codec.h"
#include "formats/crc32c.h"
#include "formats/protobuf_message.h"
#include "tests/support/temporary_folder.h"

namespace gpt2::formats {
namespace {

namespace fs = std::filesystem;

std::uint32_t mask(std::string_view bytes) {
  const auto crc = crc32c(bytes.data(), bytes.size());
  return ((crc >> 15U) | (crc << 17U)) + 0xA282EAD8U;
}

/// Payloads of the records in `bytes`, whose checksums are checked.
std::vector<std::string> payloads(std::string_view bytes) {
  std::vector<std::string> found;
  while (!bytes.empty()) {
    const auto* begin = reinterpret_cast<const std::uint8_t*>(bytes.data());
    BOOST_REQUIRE_GE(bytes.size(), 16U);
    const auto length = load_u64(begin);
    BOOST_REQUIRE_GE(bytes.size(), 16 + length);
    BOOST_TEST(load_u32(begin + 8) == mask(bytes.substr(0, 8)));
    BOOST_TEST(load_u32(begin + 12 + length) == mask(bytes.substr(12, length)));
    found.emplace_back(bytes.substr(12, length));
    bytes.remove_prefix(16 + length);
  }
  return found;
}

std::string only_file_of(const fs::path& directory) {
  BOOST_REQUIRE_EQUAL(std::distance(fs::directory_iterator(directory), fs::directory_iterator()),
                      1);
  std::ifstream file(fs::directory_iterator(directory)->path(), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TensorboardEvent loss(std::uint64_t step) {
  return {.time = 2, .step = step, .values = {{"train/loss", 1.5F}}};
}

BOOST_AUTO_TEST_SUITE(tensorboard_events)

BOOST_AUTO_TEST_CASE(checksum_is_masked_as_the_page_says) {
  BOOST_TEST(mask("123456789") == 0xC78AB0E5U);
}

BOOST_AUTO_TEST_CASE(scalar_has_the_bytes_of_the_protocol) {
  const auto records = payloads(encode_tensorboard_event(loss(300)));
  BOOST_REQUIRE_EQUAL(records.size(), 1U);
  constexpr std::string_view kWanted(
      "\x09\0\0\0\0\0\0\0\x40"               // 1 wall_time 2.0
      "\x10\xAC\x02"                         // 2 step 300
      "\x2A\x13\x0A\x11"                     // 5 summary, 1 value
      "\x0A\x0Atrain/loss\x15\0\0\xC0\x3F",  // 1 tag, 2 simple_value 1.5
      33);
  BOOST_TEST(records.front() == kWanted);
}

BOOST_AUTO_TEST_CASE(histogram_has_the_bytes_of_the_protocol) {
  const TensorboardHistogram two_bins{
      .low = -2, .high = 2, .sum = 1, .sum_squares = 4, .counts = {1, 2}};
  const auto records =
      payloads(encode_tensorboard_event({.time = 2, .step = 1, .values = {{"w", two_bins}}}));
  BOOST_REQUIRE_EQUAL(records.size(), 1U);
  constexpr std::string_view kWanted(
      "\x09\0\0\0\0\0\0\0\x40\x10\x01"
      "\x2A\x58\x0A\x56\x0A\x01w\x2A\x51"  // 5 summary, 1 value, 1 tag, 5 histo
      "\x09\0\0\0\0\0\0\0\xC0"             // 1 min -2
      "\x11\0\0\0\0\0\0\0\x40"             // 2 max 2
      "\x19\0\0\0\0\0\0\x08\x40"           // 3 num 3
      "\x21\0\0\0\0\0\0\xF0\x3F"           // 4 sum 1
      "\x29\0\0\0\0\0\0\x10\x40"           // 5 sum_squares 4
      "\x32\x10\0\0\0\0\0\0\0\0"           // 6 bucket_limit 0, 2
      "\0\0\0\0\0\0\0\x40"
      "\x3A\x10\0\0\0\0\0\0\xF0\x3F"  // 7 bucket 1, 2
      "\0\0\0\0\0\0\0\x40",
      101);
  BOOST_TEST(records.front() == kWanted);
}

BOOST_AUTO_TEST_CASE(file_begins_with_version_and_start_of_session) {
  const auto records = payloads(encode_tensorboard_head(2));
  BOOST_REQUIRE_EQUAL(records.size(), 2U);
  BOOST_TEST(
      records[0].ends_with("\x1A\x0D"
                           "brain.Event:2"));
  BOOST_TEST(records[1].ends_with(std::string_view("\x10\0\x3A\x02\x08\x01", 6)));
}

BOOST_AUTO_TEST_CASE(next_start_replaces_the_file_by_what_it_knows) {
  const support::TemporaryFolder folder;
  const auto directory = folder / "tensorboard";
  {
    TensorboardWriter first(directory, {}, 10);
    for (std::uint64_t step = 1; step <= 5; ++step) first.write(loss(step));
    BOOST_TEST(payloads(only_file_of(directory)).size() == 7U);
  }
  const std::vector<TensorboardEvent> so_far{loss(1), loss(2)};
  TensorboardWriter second(directory, so_far, 20);
  second.write(loss(3));
  const auto records = payloads(only_file_of(directory));
  BOOST_REQUIRE_EQUAL(records.size(), 5U);
  for (std::uint64_t step = 1; step <= 3; ++step) {
    BOOST_TEST(records[1 + step] == payloads(encode_tensorboard_event(loss(step))).front());
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::formats
