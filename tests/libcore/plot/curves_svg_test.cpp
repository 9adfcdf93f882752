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
  auto svg = draw_curves({&curves, 1});
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
  svg = draw_curves({&curves, 1});
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
    const auto svg = draw_curves({&curves, 1});
    BOOST_TEST(!has(svg, "nan"));
    BOOST_TEST(!has(svg, "inf"));
    BOOST_TEST(svg.size() < 25'000U);
  }
}

BOOST_AUTO_TEST_CASE(several_runs_have_a_colour_each_and_a_legend_by_name) {
  std::vector<RunCurves> runs(2);
  runs[0].name = "first";
  runs[1].name = "second";
  for (auto& run : runs) {
    run.training_loss.points = falling(100);
    run.validation_loss.points = {{0, 11}, {50, 7.25}};
  }
  const auto svg = draw_curves(runs);
  BOOST_TEST(has(svg, ">first: training, last 4.1"));
  BOOST_TEST(has(svg, ">second: validation, best 7.2500 at step 50<"));
  BOOST_TEST(has(svg, "<polyline class=\"curve c0 raw\""));
  BOOST_TEST(has(svg, "<polyline class=\"curve c1 dashed\""));
  BOOST_TEST(!has(svg, "c2\" "));
}

BOOST_AUTO_TEST_CASE(tokens_and_time_are_measures_for_the_runs_that_logged_them) {
  std::vector<RunCurves> runs(2);
  for (auto& run : runs) run.training_loss.points = {{1, 5}, {2, 4}, {3, 3}};
  BOOST_TEST(make_charts(runs, Progress::kTokens).empty());
  runs[1].tokens.points = {{1, 1e9}, {2, 2e9}, {3, 3e9}};
  runs[1].seconds.points = {{1, 60}, {2, 120}, {3, 180}};
  auto charts = make_charts(runs, Progress::kTokens);
  BOOST_REQUIRE_EQUAL(charts.size(), 1U);
  BOOST_REQUIRE_EQUAL(charts[0].lines.size(), 1U);
  BOOST_TEST(charts[0].x_label == "billion tokens");
  BOOST_CHECK(charts[0].lines[0].points == (std::vector<Point>{{1, 5}, {2, 4}, {3, 3}}));
  charts = make_charts(runs, Progress::kTime);
  BOOST_TEST(charts[0].x_label == "minutes of training");
  BOOST_CHECK(charts[0].lines[0].points == (std::vector<Point>{{1, 5}, {2, 4}, {3, 3}}));
}

BOOST_AUTO_TEST_CASE(published_accuracies_are_drawn_up_to_the_first_that_is_better) {
  RunCurves curves;
  curves.training_loss.points = falling(3);
  curves.accuracy.points = {{1, 0.25}, {2, 0.31}};
  const auto svg = draw_curves({&curves, 1});
  BOOST_TEST(has(svg, ">GPT-2 124M, 0.294<"));
  BOOST_TEST(has(svg, ">GPT-2 355M, 0.375<"));
  BOOST_TEST(!has(svg, ">GPT-2 774M"));
}

BOOST_AUTO_TEST_CASE(name_of_the_run_cannot_break_the_picture) {
  RunCurves curves;
  curves.training_loss.points = falling(3);
  curves.name = "<script>&\x01\xFF\xC3\xA9";
  const auto svg = draw_curves({&curves, 1});
  BOOST_TEST(has(svg, "class=\"title\">&lt;script>&amp;??\xC3\xA9</text>"));
  curves.name.assign(500, 'x');
  BOOST_TEST(has(draw_curves({&curves, 1}), "class=\"title\">...x"));
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
