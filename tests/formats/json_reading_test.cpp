// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/json_reading.h"

#include <fmt/format.h>

#include <boost/test/unit_test.hpp>
#include <string>

#include "formats/errors.h"
#include "tests/formats/format_fixture.h"

namespace gpt2::formats {
namespace {

namespace utf = boost::unit_test;

template <typename Read>
std::string error_in(const std::string& text, Read read) {
  return error_of<FormatError>([&] { read(JsonDocument(text, "a.json").root()); });
}
std::string error_in(const std::string& text) {
  return error_in(text, [](const JsonObject&) {});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(json_reading)

BOOST_AUTO_TEST_CASE(what_is_no_json_object_is_refused) {
  for (const auto* text :
       {"", "{", "{}{}", "{\"a\": NaN}", "{\"a\": Infinity}", "{\"a\": 1e400}",
        "{\"a\": 18446744073709551616}", "{\"a\": 01}", "{\"a\": 'b'}", "{a: 1}", "{\"a\": 1,}",
        "{\"a\": 1} x", "{\"\xFF\": 1}", "{\"a\": \"\n\"}", "{\"a\": \"\\ud800\"}"}) {
    BOOST_TEST(contains(error_in(text), "a.json: is no valid JSON: "), text);
  }
  for (const auto* text : {"[]", "1", "\"a\"", "null"}) {
    BOOST_TEST(error_in(text) == "a.json: JSON: is not an object");
  }
}

BOOST_AUTO_TEST_CASE(a_key_may_be_there_once) {
  BOOST_TEST(error_in(R"({"a": 1, "b": 2, "\u0061": 3})") == "a.json: \"a\": is there twice");
  BOOST_TEST(error_in(R"({"b": {"c": 1, "c": 1}})", [](const auto& root) { root.object("b"); }) ==
             "a.json: b.\"c\": is there twice");
}

BOOST_AUTO_TEST_CASE(brackets_may_be_1024_deep) {
  const auto nested = [](std::size_t depth) {
    return "{\"a\": " + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
  };
  BOOST_TEST(error_in(nested(1023)) == "no error");
  for (const std::size_t depth : {1100, 1'000'000}) {
    BOOST_TEST(contains(error_in(nested(depth)), "is no valid JSON"));
  }
}

BOOST_AUTO_TEST_CASE(objects_of_an_array_are_named_by_their_place) {
  const auto read = [](const JsonObject& root) {
    for (const auto& object : root.objects("list")) object.whole_number("n");
  };
  BOOST_TEST(error_in(R"({"list": [{"n": 1}, {"n": 2}]})", read) == "no error");
  BOOST_TEST(error_in(R"({"list": []})", read) == "no error");
  BOOST_TEST(error_in(R"({"list": [{"n": 1}, {"n": -2}]})", read) ==
             "a.json: list[1].n: is not a whole number from 0 on");
  BOOST_TEST(error_in(R"({"list": [1]})", read) == "a.json: list[0]: is not an object");
  BOOST_TEST(error_in(R"({"list": 1})", read) == "a.json: list: is not an array");
}

BOOST_AUTO_TEST_CASE(whole_numbers_have_64_or_32_bits) {
  const JsonDocument document(
      R"({"most": 18446744073709551615, "half": 2.0, "minus": -1, "wide": 4294967296})", "a.json");
  const auto root = document.root();
  BOOST_TEST(root.whole_number("most") == ~std::uint64_t{0});
  for (const auto* key : {"half", "minus", "none"}) {
    BOOST_CHECK_THROW(root.whole_number(key), FormatError);
  }
  BOOST_CHECK_THROW(root.small_number("wide"), FormatError);
}

// A search for each key would compare 80,000,000,000 of them.
BOOST_AUTO_TEST_CASE(the_time_for_all_fields_is_linear, *utf::timeout(30)) {
  constexpr int kFields = 400'000;
  std::string text = "{\"0\": \"a\"";
  for (int i = 1; i < kFields; ++i) text += fmt::format(",\"{}\":\"a\"", i);
  const JsonDocument document(text + "}", "a.json");
  const auto root = document.root();
  int found = 0;
  for (const auto field : root.fields()) found += root.text(field) == "a" ? 1 : 0;
  BOOST_TEST(found == kFields);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::formats
