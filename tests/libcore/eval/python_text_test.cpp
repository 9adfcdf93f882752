// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/eval/python_text.h"

#include <boost/test/unit_test.hpp>

namespace gpt2::eval {

BOOST_AUTO_TEST_SUITE(python_text)

BOOST_AUTO_TEST_CASE(is_stripped_of_every_blank_of_unicode) {
  BOOST_TEST(strip("  a b\n") == "a b");
  // U+00A0, U+2003, U+3000, U+0085, U+001C.
  BOOST_TEST(strip("\xC2\xA0\xE2\x80\x83x\xE3\x80\x80\xC2\x85\x1C") == "x");
  BOOST_TEST(strip("\xE2\x80\x8Bx") == "\xE2\x80\x8Bx");  // U+200B is none
  BOOST_TEST(strip(" \t ") == "");
  BOOST_TEST(strip("") == "");
  BOOST_TEST(strip_right(" a \xC2\xA0") == " a");
  BOOST_TEST(strip_right(" ") == "");
}

BOOST_AUTO_TEST_CASE(is_counted_in_code_points) {
  BOOST_TEST(count_characters("") == 0U);
  BOOST_TEST(count_characters("a\xC3\xA9\xE9\x9B\xAA\xF0\x9F\x98\x80") == 4U);
}

BOOST_AUTO_TEST_CASE(is_capitalized_and_the_rest_lowered) {
  BOOST_TEST(capitalize("the woman IN a Dress") == "The woman in a dress");
  BOOST_TEST(capitalize("") == "");
  BOOST_TEST(capitalize(", Then") == ", then");
  BOOST_TEST(capitalize("\xC3\xA9t\xC3\x89") == "\xC3\x89t\xC3\xA9");  // etE, acute
  BOOST_TEST(capitalize("\xD0\xBF\xD0\xA0\xE9\x9B\xAA") == "\xD0\x9F\xD1\x80\xE9\x9B\xAA");
  BOOST_TEST(capitalize("\xF0\x90\x90\xA8\xF0\x90\x90\x80") == "\xF0\x90\x90\x80\xF0\x90\x90\xA8");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::eval
