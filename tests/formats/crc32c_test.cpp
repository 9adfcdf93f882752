// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/crc32c.h"

#include <boost/test/unit_test.hpp>
#include <string_view>
#include <vector>

#include "formats/byte_codec.h"
#include "formats/crc32c_table.h"
#include "formats/errors.h"
#include "formats/fingerprint.h"

namespace gpt2::formats {
namespace {

std::vector<std::uint8_t> varied_bytes(std::size_t count) {
  std::vector<std::uint8_t> bytes(count);
  std::uint32_t state = 1;
  for (auto& byte : bytes)
    byte = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  return bytes;
}

std::uint32_t crc_of(std::string_view text) { return crc32c(text.data(), text.size()); }

}  // namespace

BOOST_AUTO_TEST_SUITE(crc32c_)

// RFC 3720, appendix B.4.
BOOST_AUTO_TEST_CASE(gives_the_published_values) {
  BOOST_TEST(crc_of("123456789") == 0xE3069283U);
  BOOST_TEST(crc_of("") == 0U);
  BOOST_TEST(crc32c(std::vector<std::uint8_t>(32, 0)) == 0x8A9136AAU);
  BOOST_TEST(crc32c(std::vector<std::uint8_t>(32, 0xFF)) == 0x62A8AB43U);
  std::vector<std::uint8_t> rising;
  for (std::uint8_t i = 0; i < 32; ++i) rising.push_back(i);
  BOOST_TEST(crc32c(rising) == 0x46DD794EU);
}

BOOST_AUTO_TEST_CASE(instruction_and_table_agree_for_every_length_and_alignment) {
  const auto bytes = varied_bytes(300);
  for (std::size_t first = 0; first < 9; ++first) {
    for (std::size_t count = 0; first + count <= bytes.size(); ++count) {
      const auto by_table = ~crc32c_update_by_table(&bytes[first], count, ~0U);
      BOOST_REQUIRE_EQUAL(crc32c(&bytes[first], count), by_table);
    }
  }
}

BOOST_AUTO_TEST_CASE(continues_from_the_crc_of_what_came_before) {
  const auto bytes = varied_bytes(100);
  const std::span all(bytes);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    BOOST_REQUIRE_EQUAL(crc32c(all.subspan(cut), crc32c(all.first(cut))), crc32c(all));
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(byte_codec)

BOOST_AUTO_TEST_CASE(numbers_are_little_endian_both_ways) {
  std::uint8_t bytes[8];
  store_u64(bytes, 0x8877665544332211);
  for (int i = 0; i < 8; ++i) BOOST_TEST(bytes[i] == 0x11 * (i + 1));
  BOOST_TEST(load_u16(bytes) == 0x2211);
  BOOST_TEST(load_u32(bytes) == 0x44332211U);
  BOOST_TEST(load_u64(bytes) == 0x8877665544332211U);
  store_u64(bytes, ~std::uint64_t{0});
  BOOST_TEST(load_u64(bytes) == ~std::uint64_t{0});
  BOOST_TEST(load_u16(bytes) == 0xFFFF);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(fingerprint)

BOOST_AUTO_TEST_CASE(hexadecimal_text_reads_back) {
  Fingerprint value{};
  for (std::size_t i = 0; i < value.size(); ++i) value[i] = static_cast<std::uint8_t>(17 * i);
  BOOST_TEST(to_hex(value) == "00112233445566778899aabbccddeeff");
  BOOST_TEST((fingerprint_from_hex(to_hex(value)) == value));
  BOOST_TEST((fingerprint_from_hex("00112233445566778899AABBCCDDEEFF") == value));
}

BOOST_AUTO_TEST_CASE(refuses_other_text) {
  for (const auto* text :
       {"", "0011", "00112233445566778899aabbccddeef", "00112233445566778899aabbccddeeff0",
        "00112233445566778899aabbccddeefg", "+0112233445566778899aabbccddeeff",
        " 0112233445566778899aabbccddeeff", "0x112233445566778899aabbccddeeff"}) {
    BOOST_CHECK_THROW(fingerprint_from_hex(text), InputError);
  }
}

BOOST_AUTO_TEST_CASE(zero_matches_anything) {
  Fingerprint zero{}, one{}, two{};
  one[15] = 1;
  two[0] = 2;
  BOOST_TEST(is_unknown(zero));
  BOOST_TEST(!is_unknown(one));
  BOOST_TEST(may_match(zero, one));
  BOOST_TEST(may_match(one, zero));
  BOOST_TEST(may_match(one, one));
  BOOST_TEST(!may_match(one, two));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::formats
