// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/plot/axis.h"

#include <boost/test/unit_test.hpp>

using namespace gpt2::plot;
using Texts = std::vector<std::string>;

BOOST_AUTO_TEST_SUITE(axis)

BOOST_AUTO_TEST_CASE(ticks_are_round_and_inside) {
  BOOST_TEST(tick_texts(ticks_in({0, 6000}, 8, 1)) ==
                 (Texts{"0", "1,000", "2,000", "3,000", "4,000", "5,000", "6,000"}),
             boost::test_tools::per_element());
  BOOST_TEST(
      tick_texts(ticks_in({2.9, 4.13}, 6)) == (Texts{"3.0", "3.2", "3.4", "3.6", "3.8", "4.0"}),
      boost::test_tools::per_element());
  BOOST_TEST(
      tick_texts(ticks_in({-0.00001, 0.00062}, 4)) == (Texts{"0", "0.0002", "0.0004", "0.0006"}),
      boost::test_tools::per_element());
  BOOST_TEST(tick_texts(ticks_in({0, 3e-5}, 3)) == (Texts{"0", "1e-05", "2e-05", "3e-05"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(ticks_of_few_steps_are_whole) {
  BOOST_TEST(ticks_in({0, 3}, 8, 1) == (std::vector<double>{0, 1, 2, 3}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(ticks_are_few_whatever_the_range) {
  for (const Range range :
       {Range{-1e38, 1e38}, Range{1e38, 1.1e38}, Range{9007199254740991, 9007199254740994},
        Range{0, 1e-300}, Range{3.2, 3.2000001}}) {
    const auto ticks = ticks_in(range, 8, 0);
    BOOST_TEST(ticks.size() <= 17U);
    for (const double tick : ticks) BOOST_TEST((tick >= range.low && tick <= range.high * 1.0001));
  }
}

BOOST_AUTO_TEST_CASE(range_of_one_value_has_that_value_in_the_middle) {
  for (const double value : {0.0, 3.2, -1e-30, 1e38}) {
    const auto range = with_air({value, value});
    BOOST_TEST(range.low < value);
    BOOST_TEST(range.high > value);
    BOOST_TEST(range.place_of(value) == 0.5, boost::test_tools::tolerance(1e-6));
  }
}

BOOST_AUTO_TEST_CASE(rare_spikes_do_not_set_the_range_but_the_beginning_does) {
  std::vector<Point> points;
  for (int step = 0; step < 1000; ++step) points.push_back({static_cast<double>(step), 3});
  points[0].value = 11;
  points[500].value = 1e30;
  points[501].value = 2.5;
  const auto range = range_without_spikes(points);
  BOOST_TEST(range.low == 2.5);
  BOOST_TEST(range.high == 11);
}

BOOST_AUTO_TEST_CASE(few_points_are_all_in_the_range) {
  const std::vector<Point> points{{1, 3}, {2, 40}, {3, 2}};
  BOOST_TEST(range_without_spikes(points).high == 40);
}

BOOST_AUTO_TEST_CASE(thousands_are_grouped) {
  BOOST_TEST(grouped(0) == "0");
  BOOST_TEST(grouped(999) == "999");
  BOOST_TEST(grouped(1000) == "1,000");
  BOOST_TEST(grouped(-1234567) == "-1,234,567");
}

BOOST_AUTO_TEST_SUITE_END()
