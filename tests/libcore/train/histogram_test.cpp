// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/histogram.h"

#include <boost/test/unit_test.hpp>
#include <limits>
#include <numeric>
#include <vector>

namespace gpt2::train {
namespace {

using Counts = std::vector<std::uint64_t>;

BOOST_AUTO_TEST_SUITE(histogram)

BOOST_AUTO_TEST_CASE(bins_are_equal_parts_from_smallest_to_largest) {
  const std::vector<float> values{-1, -0.9F, -0.5F, 0, 0.1F, 0.4F, 0.5F, 1};
  const auto histogram = histogram_of(values, 4);
  BOOST_TEST(histogram.low == -1);
  BOOST_TEST(histogram.high == 1);
  BOOST_TEST(histogram.counts == (Counts{2, 1, 3, 2}), boost::test_tools::per_element());
  BOOST_TEST(histogram.sum == -0.4, boost::test_tools::tolerance(1e-6));
  BOOST_TEST(histogram.sum_squares == 3.48, boost::test_tools::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(equal_values_lie_in_the_middle_of_bins_that_span_one) {
  const auto histogram = histogram_of(std::vector<float>(7, 3.0F), 4);
  BOOST_TEST(histogram.low == 2.5);
  BOOST_TEST(histogram.high == 3.5);
  BOOST_TEST(histogram.counts == (Counts{0, 0, 7, 0}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(no_value_is_lost_whatever_the_range) {
  constexpr float kMost = std::numeric_limits<float>::max();
  constexpr float kLeast = std::numeric_limits<float>::denorm_min();
  for (const auto& values :
       {std::vector<float>{-kMost, 0, kMost}, {0, kLeast, 0}, {1, 1.0000001F, 1}}) {
    const auto counts = histogram_of(values).counts;
    BOOST_TEST(counts.size() == 64U);
    BOOST_TEST(std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}) == 3U);
    BOOST_TEST(counts.front() > 0U);
    BOOST_TEST(counts.back() > 0U);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::train
