// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/text/pretokenizer.h"

#include <hwy/targets.h>

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "libcore/text/unicode_classes.h"
#include "tests/libcore/text/plain_pretokenizer.h"
#include "tests/libcore/text/small_vocabulary.h"

namespace gpt2::text {
namespace {

using Pieces = std::vector<std::string>;

Pieces cut(std::string_view text) {
  Pieces pieces;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = find_pretoken_end(text, begin);
    pieces.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return pieces;
}

/// What random texts are made of, each with its class: the corners of every rule.
struct Alphabet {
  std::vector<std::string> characters;
  std::vector<CharacterClass> classes;
};
const Alphabet& alphabet() {
  using enum CharacterClass;
  static const Alphabet all = [] {
    Alphabet made;
    const auto add = [&](CharacterClass kind, const Pieces& characters) {
      for (const auto& character : characters) {
        made.characters.push_back(character);
        made.classes.push_back(kind);
      }
    };
    add(kLetter,
        {"s", "t", "r", "e", "v", "m", "l", "d", "S", "x", "\u00E9", "\u4E2D", "\U00020000"});
    add(kNumber, {"0", "7", "\u00B2", "\u0663", "\U0001D7D8"});
    add(kSpace, {" ", " ", " ", "\n", "\t", "\u0085", "\u00A0", "\u2003", "\u3000"});
    add(kOther,
        {"'", "'", ".", "-", "\x1C", "\u0301", "\u200B", "\U0001F600", std::string(1, '\0')});
    add(kOther, {"\xFF", "\xC0", "\xF5"});  // bytes that no well-formed sequence holds
    return made;
  }();
  return all;
}

BOOST_AUTO_TEST_SUITE(pretokenizer)

BOOST_AUTO_TEST_CASE(classes_count_as_in_unicode_16) {
  std::size_t counts[4] = {};
  for (char32_t code_point = 0; code_point < 0x110000; ++code_point) {
    ++counts[static_cast<std::size_t>(classify(code_point))];
  }
  BOOST_TEST(counts[static_cast<std::size_t>(CharacterClass::kLetter)] == 141028U);
  BOOST_TEST(counts[static_cast<std::size_t>(CharacterClass::kNumber)] == 1911U);
  BOOST_TEST(counts[static_cast<std::size_t>(CharacterClass::kSpace)] == 25U);
}

BOOST_AUTO_TEST_CASE(classes_hold_letters_that_came_with_unicode_16) {
  BOOST_TEST((classify(0x1C89) == CharacterClass::kLetter));
  BOOST_TEST((classify(0x105C0) == CharacterClass::kLetter));
  BOOST_TEST((classify(0x2EBF0) == CharacterClass::kLetter));
  BOOST_TEST((classify(0x10FFFF) == CharacterClass::kOther));
  BOOST_TEST((classify(0xE0100) == CharacterClass::kOther));
}

BOOST_AUTO_TEST_CASE(a_space_stays_with_the_word_number_or_sign_behind_it) {
  BOOST_TEST(cut("in 1984 (a b)") == (Pieces{"in", " 1984", " (", "a", " b", ")"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(contractions_are_cut_off_in_lower_case_only) {
  BOOST_TEST(cut("I'll've DON'T d'x ''s 'r") == (Pieces{"I", "'ll", "'ve", " DON", "'", "T", " d",
                                                        "'", "x", " ''", "s", " '", "r"}),
             boost::test_tools::per_element());
  BOOST_TEST(cut("'re''re") == (Pieces{"'re", "''", "re"}), boost::test_tools::per_element());
  BOOST_TEST(cut("'start") == (Pieces{"'s", "tart"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_last_of_several_white_spaces_stays_with_what_follows) {
  BOOST_TEST(cut("a  b\n\nc \n") == (Pieces{"a", " ", " b", "\n", "\n", "c", " \n"}),
             boost::test_tools::per_element());
  BOOST_TEST(cut("a\u3000\u3000b") == (Pieces{"a", "\u3000", "\u3000", "b"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(only_the_plain_space_joins_a_word) {
  BOOST_TEST(cut("a\tb\u00A0c") == (Pieces{"a", "\t", "b", "\u00A0", "c"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(separators_that_python_calls_space_are_not) {
  BOOST_TEST(cut("a\x1C\u200B"
                 "b") == (Pieces{"a", "\x1C\u200B", "b"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(each_byte_of_broken_utf8_is_a_sign) {
  // Overlong, surrogate, above U+10FFFF, truncated, lone continuation: none of them is a letter or
  // a space.
  for (const std::string broken :
       {"\xC1\x81", "\xE0\x81\x81", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE4\xB8", "\x80"}) {
    BOOST_TEST(cut("a" + broken + "b") == (Pieces{"a", broken, "b"}),
               boost::test_tools::per_element());
    BOOST_TEST(cut("a " + broken) == (Pieces{"a", " " + broken}), boost::test_tools::per_element());
  }
  // The byte that breaks a sequence begins the next character.
  BOOST_TEST(cut("\xE4\xB8z\xE4\xB8\xAD") == (Pieces{"\xE4\xB8", "z\xE4\xB8\xAD"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(gives_what_the_pattern_gives_on_random_texts) {
  std::mt19937 random(1);
  for (int round = 0; round < 100000; ++round) {
    std::vector<test::PlainCharacter> text(1 + random() % 12);
    std::string bytes;
    for (auto& character : text) {
      const std::size_t choice = random() % alphabet().characters.size();
      character = {alphabet().characters[choice], alphabet().classes[choice]};
      bytes += character.bytes;
    }
    Pieces expected;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = test::match_pattern(text, begin);
      expected.emplace_back();
      for (; begin < end; ++begin) expected.back() += text[begin].bytes;
    }
    BOOST_REQUIRE_MESSAGE(cut(bytes) == expected, "round " << round << ": " << bytes);
  }
}

BOOST_AUTO_TEST_CASE(many_at_a_time_are_the_same_in_every_instruction_set) {
  // Long texts, mostly of ASCII, so that blocks begin and end at every kind of place.
  Pieces characters = {"s", "t", "r", "e",  "v",  "m", "l", "d", "S", "x", "0",    "7",
                       " ", " ", " ", "\n", "\t", "'", "'", ".", "-", "{", "\x7F", "\x08"};
  const Pieces ascii = characters;
  characters.insert(characters.end(), ascii.begin(), ascii.end());
  characters.insert(characters.end(),
                    {"word", "   ", "'ll", std::string(40, 'y'), std::string(70, '=')});
  Pieces mixed = characters;
  mixed.insert(mixed.end(), {"\u00E9", "\u3000", "\u0663", "\u0301", "\xFF"});
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    std::mt19937 random(10);
    for (int round = 0; round < 2000; ++round) {
      const std::string text =
          test::random_text(random, round % 2 == 0 ? characters : mixed, 1 + random() % 150);
      Pieces found;
      for_each_pretoken(text, [&](std::string_view pretoken) { found.emplace_back(pretoken); });
      BOOST_REQUIRE_MESSAGE(found == cut(text), "round " << round << ": " << text);
    }
  }
  hwy::SetSupportedTargetsForTest(0);
}

BOOST_AUTO_TEST_CASE(safe_cut_is_a_boundary_whatever_follows) {
  std::mt19937 random(2);
  std::size_t found = 0;
  for (int round = 0; round < 50000; ++round) {
    const std::string text = test::random_text(random, alphabet().characters, 1 + random() % 16);
    const std::size_t known_bytes = random() % (text.size() + 1);  // it may end inside a character
    const std::size_t safe = find_safe_cut(std::string_view(text).substr(0, known_bytes));
    if (safe == 0) continue;
    ++found;
    std::set<std::size_t> boundaries;
    for (std::size_t begin = 0; begin < text.size();) {
      boundaries.insert(begin = find_pretoken_end(text, begin));
    }
    BOOST_REQUIRE_MESSAGE(boundaries.count(safe) == 1, "round " << round << ": " << text);
  }
  BOOST_TEST(found > 10000U);
}

BOOST_AUTO_TEST_CASE(safe_cut_finds_none_inside_one_word) {
  BOOST_TEST(find_safe_cut("") == 0U);
  BOOST_TEST(find_safe_cut("a") == 0U);
  BOOST_TEST(find_safe_cut("abcdef") == 0U);
  BOOST_TEST(find_safe_cut("      ") == 0U);
  BOOST_TEST(find_safe_cut("'ll") == 0U);
  BOOST_TEST(find_safe_cut("one two") == 3U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::text
