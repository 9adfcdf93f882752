// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/plot/curves_svg.h"

#include <boost/test/unit_test.hpp>
#include <cmath>

using namespace gpt2::plot;

namespace {

std::vector<Point> falling(int count) {
  std::vector<Point> points;
  for (int step = 0; step < count; ++step) {
    points.push_back(
        {static_cast<double>(step), 11 - 7.0 * step / count + (step % 2 ? 0.1 : -0.1)});
  }
  return points;
}

bool has(const std::string& svg, const char* text) { return svg.find(text) != std::string::npos; }

}  // namespace

BOOST_AUTO_TEST_SUITE(curves_svg)

BOOST_AUTO_TEST_CASE(picture_has_a_panel_for_what_was_logged_alone) {
  RunCurves curves;
  curves.name = "run";
  curves.training_loss.points = falling(100);
  auto svg = draw_curves(curves);
  BOOST_TEST(svg.starts_with("<svg xmlns="));
  BOOST_TEST(svg.ends_with("</svg>\n"));
  BOOST_TEST(has(svg, ">training, last 4.1"));
  BOOST_TEST(!has(svg, ">validation"));
  BOOST_TEST(!has(svg, "radient norm"));
  BOOST_TEST(!has(svg, "HellaSwag"));
  BOOST_TEST(has(svg, ">step</text>"));

  curves.validation_loss.points = {{0, 11}, {50, 7.25}, {99, 7.5}};
  curves.gradient_norm.points = falling(100);
  curves.accuracy.points = {{50, 0.25}};
  curves.tokens_per_step = 32768;
  svg = draw_curves(curves);
  BOOST_TEST(has(svg, ">validation, best 7.2500 at step 50<"));
  BOOST_TEST(has(svg, ">Gradient norm</text>"));
  BOOST_TEST(has(svg, ">HellaSwag accuracy</text>"));
  BOOST_TEST(has(svg, ">step (32,768 tokens each)</text>"));
}

BOOST_AUTO_TEST_CASE(no_number_of_the_picture_is_nan_or_infinite) {
  constexpr double kMost = 3.4e38;
  const std::vector<std::vector<Point>> cases{{{7, 3}},
                                              {{0, 0}},
                                              {{1, 3}, {2, 3}},
                                              {{1, -kMost}, {2, kMost}, {3, 0}, {4, 1e-300}},
                                              {{18446744073709551615.0, 2}},
                                              {{0, 5}, {18446744073709551615.0, 2}},
                                              {{9007199254740991, 5}, {9007199254740992, 5}}};
  for (const auto& points : cases) {
    RunCurves curves;
    curves.training_loss.points = curves.learning_rate.points = curves.gradient_norm.points =
        curves.accuracy.points = points;
    const auto svg = draw_curves(curves);
    BOOST_TEST(!has(svg, "nan"));
    BOOST_TEST(!has(svg, "inf"));
    BOOST_TEST(svg.size() < 20'000U);
  }
}

BOOST_AUTO_TEST_CASE(name_of_the_run_cannot_break_the_picture) {
  RunCurves curves;
  curves.training_loss.points = falling(3);
  curves.name = "<script>&\x01\xFF\xC3\xA9";
  const auto svg = draw_curves(curves);
  BOOST_TEST(has(svg, "class=\"title\">&lt;script>&amp;??\xC3\xA9</text>"));
  curves.name.assign(500, 'x');
  BOOST_TEST(has(draw_curves(curves), "class=\"title\">...x"));
}

BOOST_AUTO_TEST_CASE(mean_over_neighbours_is_exact_and_keeps_the_ends) {
  const auto points = falling(1000);
  const auto smooth = smoothed(points);
  BOOST_REQUIRE(smooth.size() == points.size());
  BOOST_CHECK(smooth.front() == points.front());
  BOOST_CHECK(smooth.back() == points.back());
  double sum = 0;
  for (int step = 490; step <= 510; ++step) sum += points[static_cast<std::size_t>(step)].value;
  BOOST_TEST(smooth[500].value == sum / 21, boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(thinning_keeps_ends_and_extremes_of_every_column) {
  auto points = falling(100'000);
  points[77'777].value = 50;
  points[33'333].value = -50;
  const auto thin = thinned(points, 100);
  BOOST_TEST(thin.size() <= 4U * 101U);
  BOOST_CHECK(thin.front() == points.front());
  BOOST_CHECK(thin.back() == points.back());
  BOOST_TEST(std::count(thin.begin(), thin.end(), points[77'777]) == 1);
  BOOST_TEST(std::count(thin.begin(), thin.end(), points[33'333]) == 1);
  for (std::size_t i = 1; i < thin.size(); ++i) BOOST_TEST(thin[i - 1].step < thin[i].step);
}

BOOST_AUTO_TEST_CASE(few_points_are_all_kept) {
  const auto points = falling(100);
  BOOST_CHECK(thinned(points, 816) == points);
  BOOST_CHECK(thinned({{3, 4}}, 816) == (std::vector<Point>{{3, 4}}));
}

BOOST_AUTO_TEST_SUITE_END()
