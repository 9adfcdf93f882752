// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <cmath>

#include "tests/libcore/kernels/kernel_fixture.h"

namespace gpt2::kernels {

BOOST_AUTO_TEST_SUITE(elementwise)

BOOST_FIXTURE_TEST_CASE(add_is_exact, Backend) {
  for (const std::int64_t count : {1, 7, 64, 100'003}) {
    const auto a = random_floats(count, 1), b = random_floats(count, 2);
    const auto to = upload_floats(a);
    kernels().add(to, upload_floats(b));
    const auto sum = download(to);
    for (std::size_t i = 0; i < sum.size(); ++i) BOOST_REQUIRE_EQUAL(sum[i], a[i] + b[i]);
  }
}

BOOST_FIXTURE_TEST_CASE(convert_rounds_to_the_nearest, Backend) {
  for (const std::int64_t count : {1, 7, 64, 100'003}) {
    auto values = std::vector<float>(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = std::ldexp(1.F + static_cast<float>(i % 1024) / 1024, static_cast<int>(i % 9));
    }
    const auto to = poisoned({count});
    kernels().convert(to, upload_floats(values));
    const auto actual = download(to);
    for (std::size_t i = 0; i < actual.size(); ++i) {
      BOOST_REQUIRE_EQUAL(actual[i], support::rounded(values[i]));
    }
  }
}

BOOST_FIXTURE_TEST_CASE(sum_of_squares_is_good_to_double, Backend) {
  for (const std::int64_t count : {0, 1, 7, 64, 200'003}) {
    const auto x = random_floats(count, 3);
    double expected = 0;
    for (const float value : x) expected += double{value} * double{value};
    BOOST_TEST(kernels().sum_of_squares(upload_floats(x)) == expected,
               boost::test_tools::tolerance(1e-12));
  }
}

BOOST_AUTO_TEST_CASE(sum_of_squares_does_not_depend_on_threads) {
  const auto x = random_floats(300'001, 4);
  Backend one(1);
  const double expected = one.kernels().sum_of_squares(one.upload_floats(x));
  for (const int threads : {2, 3, 7}) {
    Backend backend(threads);
    BOOST_TEST(backend.kernels().sum_of_squares(backend.upload_floats(x)) == expected);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::kernels
