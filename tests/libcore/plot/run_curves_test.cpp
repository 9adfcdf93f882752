// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/plot/run_curves.h"

#include <boost/test/unit_test.hpp>
#include <fstream>

#include "formats/errors.h"
#include "tests/support/temporary_folder.h"

using namespace gpt2;
using plot::Point;

namespace {

struct Run {
  support::TemporaryFolder folder;
  void put(const char* name, const char* text) const { std::ofstream(path / name) << text; }
  const std::filesystem::path path = folder.path();
};

}  // namespace

BOOST_AUTO_TEST_SUITE(run_curves)

BOOST_FIXTURE_TEST_CASE(metrics_become_curves, Run) {
  put("log.txt", "9 train 9.0\n");  // metrics.jsonl is the truth
  put("metrics.jsonl",
      R"({"kind":"train","step":1,"time":1,"loss":4,"learning_rate":0.1,"gradient_norm":2,"tokens":64}
{"kind":"val","step":1,"time":1,"loss":3.5}
{"kind":"hella","step":1,"time":1,"accuracy":0.25}
{"kind":"sample","step":1,"time":1,"text":"loss"}
{"kind":"skip","step":1,"time":1,"loss":77}
{"kind":"train","step":2,"time":1,"loss":3,"learning_rate":0.2,"gradient_norm":1,"tokens":128}
)");
  const auto curves = plot::load_run_curves(path);
  BOOST_CHECK((curves.training_loss.points == std::vector<Point>{{1, 4}, {2, 3}}));
  BOOST_CHECK((curves.validation_loss.points == std::vector<Point>{{1, 3.5}}));
  BOOST_CHECK((curves.accuracy.points == std::vector<Point>{{1, 0.25}}));
  BOOST_CHECK((curves.learning_rate.points == std::vector<Point>{{1, 0.1}, {2, 0.2}}));
  BOOST_CHECK((curves.gradient_norm.points == std::vector<Point>{{1, 2}, {2, 1}}));
  BOOST_TEST(curves.tokens_per_step == 64);
}

BOOST_FIXTURE_TEST_CASE(seconds_are_those_of_the_steps_and_samples_and_settings_are_kept, Run) {
  put("metrics.jsonl",
      R"({"kind":"train","step":1,"time":1,"loss":4,"tokens":64,"tokens_per_second":32}
{"kind":"sample","step":1,"time":1,"text":"words"}
{"kind":"train","step":2,"time":99999,"loss":3,"tokens":128,"tokens_per_second":64}
)");
  put("config.yaml", "# comment: x\nseed: 42\ntrain: [\"a: b\"]\n");
  const auto curves = plot::load_run_curves(path);
  BOOST_CHECK((curves.seconds.points == std::vector<Point>{{1, 2}, {2, 3}}));
  BOOST_REQUIRE_EQUAL(curves.samples.size(), 1U);
  BOOST_TEST(curves.samples[0].text == "words");
  BOOST_TEST(curves.settings.size() == 2U);
  BOOST_TEST(curves.settings.at("train") == "[\"a: b\"]");
  const auto over_time = plot::over(curves.training_loss, curves.seconds);
  BOOST_CHECK((over_time.points == std::vector<Point>{{2, 4}, {3, 3}}));
}

BOOST_FIXTURE_TEST_CASE(points_before_the_first_step_stand_at_zero, Run) {
  plot::Curve validation, tokens;
  validation.points = {{0, 9}, {2, 5}, {3, 4}};
  BOOST_TEST(plot::over(validation, tokens).empty());
  tokens.points = {{1, 10}, {2, 20}};
  BOOST_CHECK((plot::over(validation, tokens).points == std::vector<Point>{{0, 9}, {20, 5}}));
}

BOOST_FIXTURE_TEST_CASE(log_txt_serves_where_there_is_nothing_else, Run) {
  put("log.txt", "0 val 10.9\n0 hella 0.2475\n0 train 10.955\n1 train 10.5\n");
  const auto curves = plot::load_run_curves(path);
  BOOST_CHECK((curves.training_loss.points == std::vector<Point>{{0, 10.955}, {1, 10.5}}));
  BOOST_CHECK((curves.validation_loss.points == std::vector<Point>{{0, 10.9}}));
  BOOST_CHECK((curves.accuracy.points == std::vector<Point>{{0, 0.2475}}));
  BOOST_TEST(curves.learning_rate.empty());
}

BOOST_FIXTURE_TEST_CASE(step_that_was_done_again_counts_once_as_it_was_last, Run) {
  put("log.txt", "1 train 5\n2 train 4\n3 train 3\n2 train 3.9\n3 train 2.9\n");
  BOOST_CHECK((plot::load_run_curves(path).training_loss.points ==
               std::vector<Point>{{1, 5}, {2, 3.9}, {3, 2.9}}));
}

BOOST_FIXTURE_TEST_CASE(losses_that_are_not_finite_are_counted_and_left_out, Run) {
  put("log.txt", "1 train 5\n2 train nan\n3 train inf\n4 train 1e39\n5 train 4\n");
  const auto curve = plot::load_run_curves(path).training_loss;
  BOOST_TEST(curve.not_finite == 3U);
  BOOST_CHECK((curve.points == std::vector<Point>{{1, 5}, {5, 4}}));
}

BOOST_FIXTURE_TEST_CASE(run_without_a_loss_is_an_input_error, Run) {
  BOOST_CHECK_THROW(plot::load_run_curves(path), formats::InputError);
  BOOST_CHECK_THROW(plot::load_run_curves(path / "missing"), formats::InputError);
  put("metrics.jsonl", "");
  BOOST_CHECK_THROW(plot::load_run_curves(path), formats::InputError);
  put("metrics.jsonl", "{\"kind\":\"train\",\"step\":1,\"time\":1,\"loss\":null}\n");
  BOOST_CHECK_THROW(plot::load_run_curves(path), formats::InputError);
}

BOOST_AUTO_TEST_SUITE_END()
