// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "formats/half_precision.h"
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

BOOST_FIXTURE_TEST_CASE(rounds_to_the_nearest_bf16_ties_to_even, Backend) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const std::int64_t count : {1, 7, 64, 100'003}) {
    auto values = random_floats(count, 4);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i % 3 == 0) values[i] = std::ldexp(values[i], static_cast<int>(i % 250) - 140);
      if (i % 7 == 1) values[i] = 1 + static_cast<float>(2 * (i % 64) + 1) / 256;  // ties
    }
    const std::vector<float> ends{0.F, -0.F, kInfinity, -kInfinity, 3.4e38F};
    std::copy_n(ends.begin(), std::min(ends.size(), values.size()), values.begin());
    const auto x = upload_floats(values);
    kernels().round_to_bf16(x);
    const auto actual = download(x);
    for (std::size_t i = 0; i < actual.size(); ++i) {
      const auto expected = formats::float_from_bfloat16(formats::bfloat16_from_float(values[i]));
      BOOST_REQUIRE_EQUAL(std::bit_cast<std::uint32_t>(actual[i]),
                          std::bit_cast<std::uint32_t>(expected));
    }
  }
  const auto x = upload_floats(std::vector<float>(40, std::bit_cast<float>(0x7FFFFFFFU)));
  kernels().round_to_bf16(x);
  for (const float value : download(x)) BOOST_TEST(std::isnan(value));
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
    const auto back = poisoned_floats({count});
    kernels().convert(back, to);
    BOOST_TEST(download(back) == actual, boost::test_tools::per_element());
  }
}

namespace {
std::vector<double> sums_of(Backend& backend, const std::vector<float>& x, std::int64_t part,
                            bool squared) {
  const auto parts =
      (x.size() + static_cast<std::size_t>(part) - 1) / static_cast<std::size_t>(part);
  const auto sums = backend.upload_doubles(std::vector<double>(parts, std::nan("")));
  backend.kernels().part_sums(
      {.x = backend.upload_floats(x), .sums = sums, .part = part, .squared = squared});
  return backend.download_doubles(sums);
}
}  // namespace

BOOST_FIXTURE_TEST_CASE(sums_of_every_part_are_good_to_double, Backend) {
  // Parts that a block or task holds, and such that take several; the last one is shorter.
  for (const auto& [count, part] :
       {std::pair{0, 5}, std::pair{1, 1}, std::pair{7, 3}, std::pair{64, 64}, std::pair{1000, 16},
        std::pair{200'003, 200'003}, std::pair{200'003, 70'000}}) {
    const auto x = random_floats(count, 3);
    for (const bool squared : {false, true}) {
      const auto sums = sums_of(*this, x, part, squared);
      for (std::size_t i = 0; i < sums.size(); ++i) {
        double expected = 0, size = 0;  // of terms, which cancel out in a sum
        for (auto k = i * part; k < std::min<std::size_t>(count, (i + 1) * part); ++k) {
          expected += squared ? double{x[k]} * double{x[k]} : double{x[k]};
          size += std::abs(double{x[k]});
        }
        BOOST_TEST(std::abs(sums[i] - expected) <= 1e-12 * size);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(sums_do_not_depend_on_threads) {
  const auto x = random_floats(300'001, 4);
  Backend one(1);
  for (const bool squared : {false, true}) {
    const auto expected = sums_of(one, x, 100'000, squared);
    for (const int threads : {2, 3, 7}) {
      Backend backend(threads);
      BOOST_TEST(sums_of(backend, x, 100'000, squared) == expected,
                 boost::test_tools::per_element());
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::kernels
