// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tests/libcore/kernels/kernel_fixture.h"

namespace gpt2::kernels {

BOOST_AUTO_TEST_SUITE(dropout)

BOOST_FIXTURE_TEST_CASE(keeps_exactly_the_elements_the_definition_names, Backend) {
  // C not a multiple of 4: rows begin inside of a quad. The sequence number needs its high word.
  for (const std::int64_t C : {1, 3, 8, 67, 768}) {
    for (const float probability : {0.1F, 0.5F, 0.99F}) {
      const std::int64_t B = 2, T = 5;
      const Dropout dropout{
          .probability = probability, .seed = 9, .first_sequence = 0xffffffffULL, .site = 4};
      const auto dy = random_floats(B * T * C, 1);
      const auto dx = poisoned({B, T, C});
      kernels().dropout_backward(
          {.dy = upload(dy), .dx = dx, .B = B, .T = T, .C = C, .dropout = dropout});
      const auto factors = reference::dropout_factors(dropout, B, T * C);
      const auto actual = download(dx);
      for (std::size_t i = 0; i < actual.size(); ++i) {
        const float scale = 1 / (1 - probability);
        BOOST_REQUIRE_EQUAL(actual[i], factors[i] == 0 ? 0 : support::rounded(dy[i] * scale));
      }
    }
  }
}

BOOST_FIXTURE_TEST_CASE(keeps_the_share_it_promises, Backend) {
  const std::int64_t count = 100'000;
  const auto dx = poisoned({count});
  kernels().dropout_backward(
      {.dy = upload(std::vector<float>(count, 1)),
       .dx = dx,
       .B = 1,
       .T = 100,
       .C = count / 100,
       .dropout = {.probability = 0.2F, .seed = 3, .first_sequence = 5, .site = 1}});
  double kept = 0;
  for (const float value : download(dx)) kept += value != 0 ? 1 : 0;
  BOOST_TEST(kept / count == 0.8, boost::test_tools::tolerance(0.01));  // 6 standard deviations
}

BOOST_FIXTURE_TEST_CASE(of_probability_zero_copies_and_works_in_place, Backend) {
  const auto dy = random_floats(7 * 9, 2);
  const auto dx = poisoned({7, 9});
  kernels().dropout_backward({.dy = upload(dy), .dx = dx, .B = 1, .T = 7, .C = 9});
  BOOST_TEST(download(dx) == dy, boost::test_tools::per_element());
  const Dropout dropout{.probability = 0.3F, .seed = 1};
  kernels().dropout_backward(
      {.dy = upload(dy), .dx = dx, .B = 1, .T = 7, .C = 9, .dropout = dropout});
  const auto in_place = upload(dy, {7, 9});
  kernels().dropout_backward(
      {.dy = in_place, .dx = in_place, .B = 1, .T = 7, .C = 9, .dropout = dropout});
  BOOST_TEST(download(in_place) == download(dx), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(does_not_depend_on_threads) {
  check_same_bits_for_any_thread_count([](Backend& backend) -> Outputs {
    const auto dx = backend.poisoned({3, 17, 33});
    backend.kernels().dropout_backward({.dy = backend.upload(random_floats(3 * 17 * 33, 1)),
                                        .dx = dx,
                                        .B = 3,
                                        .T = 17,
                                        .C = 33,
                                        .dropout = {.probability = 0.4F, .seed = 2}});
    return {backend.download(dx)};
  });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::kernels
