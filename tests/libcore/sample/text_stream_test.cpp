// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/sample/text_stream.h"

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>
#include <vector>

namespace gpt2::sample {
namespace {

using Pieces = std::vector<std::string>;

/// What is shown after each byte, and at the end.
Pieces shown_byte_by_byte(std::string_view bytes, bool escape) {
  TextStream stream(escape);
  Pieces shown;
  for (const char byte : bytes) shown.push_back(stream.append({&byte, 1}));
  shown.push_back(stream.finish());
  return shown;
}

std::string joined(const Pieces& pieces) {
  std::string text;
  for (const auto& piece : pieces) text += piece;
  return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_stream)

BOOST_AUTO_TEST_CASE(holds_a_character_back_until_its_last_byte) {
  for (const bool escape : {false, true}) {
    BOOST_TEST(shown_byte_by_byte("a\xC3\xA9z", escape) == (Pieces{"a", "", "\xC3\xA9", "z", ""}),
               boost::test_tools::per_element());
    BOOST_TEST(shown_byte_by_byte("\xE2\x82\xAC", escape) == (Pieces{"", "", "\xE2\x82\xAC", ""}),
               boost::test_tools::per_element());
    BOOST_TEST(shown_byte_by_byte("\xF0\x9F\x98\x80", escape) ==
                   (Pieces{"", "", "", "\xF0\x9F\x98\x80", ""}),
               boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(shows_a_token_of_several_characters_but_for_the_cut_one) {
  TextStream stream(false);
  BOOST_TEST(stream.append("one \xE2\x82") == "one ");
  BOOST_TEST(stream.append("\xAC two\xC3") == "\xE2\x82\xAC two");
  BOOST_TEST(stream.finish() == "\xC3");
  BOOST_TEST(stream.finish() == "");
}

BOOST_AUTO_TEST_CASE(lets_a_byte_go_as_soon_as_it_can_be_of_no_character) {
  // Not a lead byte; a lead without its trail; overlong forms; a surrogate; above U+10FFFF.
  for (const std::string bad :
       {"\x80", "\xFF", "\xC0\xAF", "\xE0\x9F", "\xED\xA0", "\xF4\x90", "\xC3z", "\xF0\x8F"}) {
    TextStream stream(false);
    BOOST_TEST(stream.append(bad) == bad);
  }
}

BOOST_AUTO_TEST_CASE(changes_no_byte_without_escaping) {
  std::mt19937 random(5);
  // Mostly bytes that begin or continue long characters.
  std::discrete_distribution<int> high({1, 1, 1, 1, 0, 0, 0, 0, 4, 4, 4, 4, 2, 2, 4, 4});
  std::uniform_int_distribution<int> low(0, 15);
  std::string bytes;
  for (int i = 0; i < 20000; ++i) bytes += static_cast<char>(high(random) << 4 | low(random));
  BOOST_TEST(joined(shown_byte_by_byte(bytes, false)) == bytes);

  TextStream stream(false);
  std::string shown;
  for (std::size_t begin = 0; begin < bytes.size(); begin += 7) {
    shown += stream.append(std::string_view(bytes).substr(begin, 7));
  }
  BOOST_TEST(shown + stream.finish() == bytes);
}

BOOST_AUTO_TEST_CASE(escapes_what_could_steer_a_terminal) {
  const auto escaped = [](std::string_view bytes) {
    return joined(shown_byte_by_byte(bytes, true));
  };
  BOOST_TEST(escaped("tab\tline\nplain ~") == "tab\tline\nplain ~");
  BOOST_TEST(escaped("\x1B[2J\r\x7F") == "\\x1B[2J\\x0D\\x7F");
  BOOST_TEST(escaped(std::string_view("\0", 1)) == "\\x00");
  BOOST_TEST(escaped("\xC2\x9B"
                     "2J") ==
             "\\xC2\\x9B"
             "2J");  // CSI as one C1 character
  BOOST_TEST(escaped("\xC2\xA0") == "\xC2\xA0");
  BOOST_TEST(escaped("\x9B\xFF") == "\\x9B\\xFF");
  BOOST_TEST(escaped("\xE2\x82") == "\\xE2\\x82");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::sample
