// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// GPT-2's own vocabulary, from GPT2_TEST_DATA.
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "libcore/text/tokenizer.h"
#include "libcore/text/unicode_classes.h"
#include "tests/support/data_folder.h"

namespace gpt2::text {
namespace {

using Ids = std::vector<std::uint16_t>;
using support::data_folder;
using support::DataFolder;
BOOST_TEST_GLOBAL_FIXTURE(DataFolder);

const Tokenizer& gpt2() {
  static const Tokenizer tokenizer = Tokenizer::load(data_folder() / "gpt2");
  return tokenizer;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

BOOST_AUTO_TEST_SUITE(gpt2_vocabulary)

BOOST_AUTO_TEST_CASE(has_its_size_and_end_of_text) {
  BOOST_TEST(gpt2().vocab_size() == 50257U);
  BOOST_TEST(gpt2().end_of_text() == 50256U);
}

BOOST_AUTO_TEST_CASE(well_known_texts_have_their_ids) {
  BOOST_TEST(gpt2().encode("Hello world") == (Ids{15496, 995}), boost::test_tools::per_element());
  BOOST_TEST(gpt2().encode("<|endoftext|>") == (Ids{27, 91, 437, 1659, 5239, 91, 29}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(tiny_shakespeare_has_338025_tokens) {
  const std::string text = read_file(data_folder() / "tinyshakespeare" / "input.txt");
  BOOST_REQUIRE(text.size() == 1115394U);
  BOOST_TEST(gpt2().encode(text).size() == 338025U);
}

BOOST_AUTO_TEST_CASE(texts_in_every_script_come_back_and_the_cache_changes_nothing) {
  Encoder encoder(gpt2());
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator(data_folder() / "unicode")) {
    const std::string text = read_file(file.path());
    Ids cached;
    encoder.encode(text, cached);
    BOOST_TEST((cached == gpt2().encode(text)));
    BOOST_TEST((gpt2().decode(cached) == text));
    ++files;
  }
  BOOST_TEST(files >= 9);
}

BOOST_AUTO_TEST_CASE(character_classes_are_those_of_the_ranges_file) {
  std::vector<CharacterClass> expected(0x110000, CharacterClass::kOther);
  std::ifstream ranges(data_folder() / "unicode" / "unicode16_L_N_ranges.txt");
  for (std::string line; std::getline(ranges, line);) {
    if (line.empty() || line[0] == '#') continue;
    const auto kind = line[0] == 'L'   ? CharacterClass::kLetter
                      : line[0] == 'N' ? CharacterClass::kNumber
                                       : CharacterClass::kSpace;
    std::size_t end_of_first = 0;
    const std::string numbers = line.substr(2);
    const auto first = std::stoul(numbers, &end_of_first, 16);
    const auto last = std::stoul(numbers.substr(end_of_first), nullptr, 16);
    for (auto code_point = first; code_point <= last; ++code_point) expected[code_point] = kind;
  }
  for (char32_t code_point = 0; code_point < 0x110000; ++code_point) {
    BOOST_REQUIRE((classify(code_point) == expected[code_point]));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::text
