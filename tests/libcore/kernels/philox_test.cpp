// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Known answers: the file kat_vectors of Random123, the authors' own implementation.
#include "libcore/kernels/philox.h"

#include <boost/test/unit_test.hpp>

namespace gpt2::kernels {

using Words = std::array<std::uint32_t, 4>;

BOOST_AUTO_TEST_SUITE(philox)

BOOST_AUTO_TEST_CASE(gives_known_answers) {
  BOOST_TEST(
      philox4x32({0, 0, 0, 0}, {0, 0}) == (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}),
      boost::test_tools::per_element());
  BOOST_TEST(
      philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
          (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}),
      boost::test_tools::per_element());
  BOOST_TEST(
      philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
          (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}),
      boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(word_of_element_is_its_place_in_the_quad) {
  const std::uint64_t sequence = 0x123456789a;
  for (std::uint32_t element = 0; element < 9; ++element) {
    const auto quad = philox4x32({element / 4, 7, 0x3456789a, 0x12}, {42, 1});
    BOOST_TEST(random_word(42, RandomPurpose::kDropout, sequence, 7, element) == quad[element % 4]);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::kernels
