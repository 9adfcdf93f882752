// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/json_text.h"

#include <simdjson.h>

#include <bit>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <string>

namespace gpt2::formats {
namespace {

std::string read_back(const std::string& json) {
  simdjson::dom::parser parser;
  return std::string(parser.parse(json).get_string().value());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(json_text)

BOOST_AUTO_TEST_CASE(every_ascii_character_reads_back) {
  std::string text;
  for (char c = 0; c < 0x7F; ++c) text += c;
  text += '\x7F';
  BOOST_TEST(read_back(json_quote(text)) == text);
}

BOOST_AUTO_TEST_CASE(quotes_in_the_shortest_common_form) {
  BOOST_TEST(json_quote("a\"b\\c\n\t\r/") == "\"a\\\"b\\\\c\\n\\t\\r/\"");
  BOOST_TEST(json_quote(std::string_view("\0\x1f", 2)) == "\"\\u0000\\u001f\"");
}

BOOST_AUTO_TEST_CASE(well_formed_utf8_is_kept) {
  for (const std::string text : {"\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
                                 "\xEE\x80\x80", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    BOOST_TEST(json_quote(text) == '"' + text + '"');
  }
}

BOOST_AUTO_TEST_CASE(each_byte_that_is_no_utf8_becomes_one_replacement_character) {
  const std::string replacement = "\xEF\xBF\xBD";
  for (const std::string text :
       {"\x80", "\xC0\xAF", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xC3", "\xE2\x82", "\xF0\x9F\x98"}) {
    std::string expected = "\"a";
    for (std::size_t i = 0; i < text.size(); ++i) expected += replacement;
    BOOST_TEST(json_quote("a" + text + "b") == expected + "b\"");
    BOOST_TEST(json_quote("a" + text) == expected + "\"");
  }
}

BOOST_AUTO_TEST_CASE(numbers_read_back_to_the_same_bits) {
  for (const double value : {0.0, -0.0, 0.1, 1.0, 1e-5, 6e-4, 1e20, 1e300, 5e-324, -123456.789,
                             std::numeric_limits<double>::max(), 3.14159265358979312}) {
    simdjson::dom::parser parser;
    const double read = parser.parse(json_number(value)).get_double().value();
    BOOST_TEST(std::bit_cast<std::uint64_t>(read) == std::bit_cast<std::uint64_t>(value));
  }
  BOOST_TEST(json_number(0.0006) == "0.0006");
  BOOST_TEST(json_number(std::nan("")) == "null");
  BOOST_TEST(json_number(std::numeric_limits<double>::infinity()) == "null");
}

BOOST_AUTO_TEST_CASE(writer_puts_commas_and_indentation_in_place) {
  const auto write = [](JsonWriter& json) {
    json.begin_object();
    json.key("a").begin_array().value(1).value("x").value(true).null().end_array();
    json.key("b").begin_object().end_object();
    json.key("c").begin_array().end_array();
    json.key("d").begin_array().begin_array().value(std::uint64_t{1} << 63).end_array();
    json.value(std::numeric_limits<std::int64_t>::min()).raw("2.50").value(0.5F).end_array();
    json.end_object();
    return json.text();
  };
  JsonWriter line, pretty(2);
  BOOST_TEST(write(line) == R"({"a": [1, "x", true, null], "b": {}, "c": [], )"
                            R"("d": [[9223372036854775808], -9223372036854775808, 2.50, 0.5]})");
  BOOST_TEST(write(pretty) == R"({
  "a": [
    1,
    "x",
    true,
    null
  ],
  "b": {},
  "c": [],
  "d": [
    [
      9223372036854775808
    ],
    -9223372036854775808,
    2.50,
    0.5
  ]
})");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::formats
