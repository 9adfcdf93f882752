// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <cmath>
#include <limits>

#include "tests/libcore/kernels/kernel_fixture.h"

namespace gpt2::kernels {
namespace {

constexpr float kBeta1 = 0.9F, kBeta2 = 0.95F;

/// An update number `step` that is to be done.
UpdateOutcome update_number(std::int64_t step) {
  const auto count = static_cast<double>(step);
  return {.update_count = step,
          .gradient_scale = 0.37F,
          .correction1 = static_cast<float>(1 / (1 - std::pow(double{kBeta1}, count))),
          .correction2 = static_cast<float>(1 / (1 - std::pow(double{kBeta2}, count))),
          .is_done = 1};
}

// Moments and parameters after `steps` updates with gradients of seeds 11, 12, ...
Outputs update(Backend& backend, std::int64_t count, AdamWUpdate op, std::int64_t steps) {
  op.parameter = backend.upload_floats(random_floats(count, 1));
  op.exp_avg = backend.upload_floats(std::vector<float>(count, 0));
  op.exp_avg_sq = backend.upload_floats(std::vector<float>(count, 0));
  for (std::int64_t step = 1; step <= steps; ++step) {
    op.outcome = backend.upload_value(update_number(step));
    op.gradient =
        backend.upload_floats(random_floats(count, 10 + static_cast<std::uint32_t>(step)));
    backend.kernels().adamw_update(op);
  }
  return {backend.download(op.parameter), backend.download(op.exp_avg),
          backend.download(op.exp_avg_sq)};
}

const AdamWUpdate kSettings{
    .learning_rate = 0.01F, .beta1 = kBeta1, .beta2 = kBeta2, .epsilon = 1e-8F};

/// All of `count` elements with and without decay, and parts with gaps between them.
std::vector<std::vector<AdamWPart>> parts_in(std::int64_t count) {
  std::vector<std::vector<AdamWPart>> cases{{{.count = count, .weight_decay = 0.1F}},
                                            {{.count = count}}};
  std::vector<AdamWPart> some;
  // The second and the third are one piece of a GPU's table and several.
  for (std::int64_t first = 0, size = 48; first + size <= count; first += size + 16, size *= 10) {
    some.push_back({.first = first, .count = size, .weight_decay = size % 20 == 0 ? 0.1F : 0.0F});
  }
  if (!some.empty()) cases.push_back(some);
  return cases;
}
}  // namespace

BOOST_AUTO_TEST_SUITE(adamw)

BOOST_FIXTURE_TEST_CASE(update_agrees_with_reference, Backend) {
  for (const std::int64_t count : {1, 7, 64, 1000, 70'000}) {
    for (const auto& parts : parts_in(count)) {
      AdamWUpdate settings = kSettings;
      settings.parts = parts;
      reference::AdamWState expected{doubles(random_floats(count, 1)), reference::Values(count),
                                     reference::Values(count)};
      const std::int64_t steps = 4;
      for (std::int64_t step = 1; step <= steps; ++step) {
        reference::adamw_update(
            expected, doubles(random_floats(count, 10 + static_cast<std::uint32_t>(step))),
            settings, update_number(step));
      }
      const auto actual = update(*this, count, settings, steps);
      check_close("parameter", actual[0], expected.parameter,
                  1e-6);  // few operations a step, four steps
      check_close("exp_avg", actual[1], expected.exp_avg, 1e-6);
      check_close("exp_avg_sq", actual[2], expected.exp_avg_sq, 1e-6);
    }
  }
}

BOOST_FIXTURE_TEST_CASE(elements_of_no_part_keep_their_bits, Backend) {
  const std::int64_t count = 5000;
  const auto before = random_floats(count, 1);
  AdamWUpdate op = kSettings;
  const std::vector<AdamWPart> parts{{.first = 16, .count = 160}, {.first = 4992, .count = 7}};
  op.parts = parts;
  const auto after = update(*this, count, op, 1);
  const auto is_of = [](const AdamWPart& part, std::int64_t i) {
    return i >= part.first && i < part.first + part.count;
  };
  for (std::int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const bool changes = is_of(parts[0], i) || is_of(parts[1], i);
    BOOST_REQUIRE_EQUAL(after[0][at] != before[at], changes);
    BOOST_REQUIRE_EQUAL(after[2][at] != 0, changes);
  }
}

BOOST_FIXTURE_TEST_CASE(parts_may_change_between_updates, Backend) {
  // Of another optimizer, or of the same one with other settings.
  AdamWUpdate op = kSettings;
  for (const auto& parts : parts_in(1000)) {
    op.parts = parts;
    reference::AdamWState expected{doubles(random_floats(1000, 1)), reference::Values(1000),
                                   reference::Values(1000)};
    reference::adamw_update(expected, doubles(random_floats(1000, 11)), op, update_number(1));
    check_close("parameter", update(*this, 1000, op, 1)[0], expected.parameter, 1e-6);
  }
}

BOOST_FIXTURE_TEST_CASE(the_copy_to_compute_with_is_the_new_parameter_rounded, Backend) {
  if (kernels().compute_type() == device::DataType::kF32) return;  // it computes with the parameter
  for (const std::int64_t count : {7, 64, 1000}) {
    AdamWUpdate op = kSettings;
    const std::vector<AdamWPart> all{{.count = count, .weight_decay = 0.1F}};
    op.parts = all;
    op.compute_copy = poisoned({count});
    const auto parameter = update(*this, count, op, 2)[0], copy = download(op.compute_copy);
    for (std::size_t i = 0; i < copy.size(); ++i) {
      BOOST_REQUIRE_EQUAL(copy[i], support::rounded(parameter[i]));
    }
  }
}

BOOST_FIXTURE_TEST_CASE(zero_parameters_with_zero_gradients_stay_zero, Backend) {
  // Padding inside of the parameter buffer depends on it.
  AdamWUpdate op = kSettings;
  op.parameter = upload_floats(std::vector<float>(40, 0)),
  op.gradient = upload_floats(std::vector<float>(40, 0));
  op.exp_avg = upload_floats(std::vector<float>(40, 0)),
  op.exp_avg_sq = upload_floats(std::vector<float>(40, 0));
  const std::vector<AdamWPart> all{{.count = 40, .weight_decay = 0.1F}};
  op.parts = all;
  op.outcome = upload_value(update_number(1));
  kernels().adamw_update(op);
  for (const auto& tensor : {op.parameter, op.exp_avg, op.exp_avg_sq}) {
    BOOST_TEST(download(tensor) == std::vector<float>(40, 0), boost::test_tools::per_element());
  }
}

BOOST_FIXTURE_TEST_CASE(an_update_left_out_changes_nothing, Backend) {
  const std::int64_t count = 1000;
  const std::vector<float> gradient(count, std::nanf(""));
  const std::vector<AdamWPart> all{{.count = count, .weight_decay = 0.1F}};
  AdamWUpdate op = kSettings;
  op.parts = all;
  std::vector<std::vector<float>> before;
  for (auto* tensor : {&op.parameter, &op.exp_avg, &op.exp_avg_sq}) {
    before.push_back(random_floats(count, 1));
    *tensor = upload_floats(before.back());
  }
  op.gradient = upload_floats(gradient);
  auto outcome = update_number(3);
  outcome.is_done = 0;
  op.outcome = upload_value(outcome);
  kernels().adamw_update(op);
  BOOST_TEST((Outputs{download(op.parameter), download(op.exp_avg), download(op.exp_avg_sq)}) ==
             before);
}

namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The outcome of sums, after `count` updates.
UpdateOutcome decided(Backend& backend, const std::vector<double>& loss_sums,
                      const std::vector<double>& squares, double clip, std::int64_t count = 0,
                      double loss_scale = 1) {
  auto* outcome = backend.upload_value(UpdateOutcome{.update_count = count});
  backend.kernels().decide_update({.loss_sums = backend.upload_doubles(loss_sums),
                                   .squares = backend.upload_doubles(squares),
                                   .token_count = 8,
                                   .grad_clip = clip,
                                   .beta1 = kBeta1,
                                   .beta2 = kBeta2,
                                   .loss_scale = loss_scale,
                                   .outcome = outcome});
  return backend.download_value(outcome);
}
}  // namespace

BOOST_FIXTURE_TEST_CASE(a_decision_has_loss_norm_clipping_and_corrections, Backend) {
  const auto outcome = decided(*this, {1, 2, 4, 8, 16}, {9, 0, 16}, 2.5, 6);
  BOOST_TEST(outcome.loss == 31.0 / 8);
  BOOST_TEST(outcome.gradient_norm == 5.0);
  BOOST_TEST(outcome.is_done == 1);
  BOOST_TEST(outcome.update_count == 7);
  BOOST_TEST(outcome.gradient_scale == static_cast<float>(2.5 / (5 + 1e-6)));
  const auto expected = update_number(7);
  const auto tolerance = boost::test_tools::tolerance(1e-6F);  // pow of two libraries
  BOOST_TEST(outcome.correction1 == expected.correction1, tolerance);
  BOOST_TEST(outcome.correction2 == expected.correction2, tolerance);
  for (const double clip : {0.0, 5.1}) {
    BOOST_TEST(decided(*this, {1}, {9, 16}, clip).gradient_scale == 1.0F);
  }
}

BOOST_FIXTURE_TEST_CASE(the_scale_of_the_loss_is_taken_out_exactly, Backend) {
  for (const double clip : {0.0, 0.3}) {
    const auto plain = decided(*this, {1}, {0.2, 0.3}, clip);
    const auto scaled = decided(*this, {1}, {0.2 * 0x1p40, 0.3 * 0x1p40}, clip, 0, 0x1p20);
    BOOST_TEST(scaled.loss == plain.loss);
    BOOST_TEST(scaled.gradient_norm == plain.gradient_norm);
    BOOST_TEST(scaled.gradient_scale * 0x1p20F == plain.gradient_scale);
  }
}

BOOST_FIXTURE_TEST_CASE(losses_are_joined_pairwise, Backend) {
  // In a row the ones would be lost, one by one.
  const double large = 0x1p53;
  BOOST_TEST(decided(*this, {large, 0, 1, 1}, {1}, 0).loss == (large + 2) / 8);
}

BOOST_FIXTURE_TEST_CASE(an_update_is_left_out_unless_its_square_is_a_float, Backend) {
  const auto is_done = [&](double loss, double norm, double clip) {
    const auto outcome = decided(*this, {loss}, {norm * norm}, clip, 4);
    BOOST_TEST(outcome.update_count == 4 + outcome.is_done);
    return outcome.is_done != 0;
  };
  for (const double norm : {0.0, 1.0, 1.8e19}) {
    BOOST_TEST(is_done(1, norm, 1));
    BOOST_TEST(is_done(1, norm, 0));
  }
  BOOST_TEST(is_done(1, 1e38, 1));
  BOOST_TEST(!is_done(1, 1.9e19, 0));
  for (const double bad : {kInfinity, -kInfinity, std::nan("")}) {
    BOOST_TEST(!is_done(1, bad, 1));
    BOOST_TEST(!is_done(1, bad, 0));
    BOOST_TEST(!is_done(bad, 1, 1));
  }
}

BOOST_AUTO_TEST_CASE(does_not_depend_on_threads) {
  const std::vector<AdamWPart> parts{{.count = 200'001, .weight_decay = 0.1F},
                                     {.first = 200'016, .count = 99'985}};
  AdamWUpdate op = kSettings;
  op.parts = parts;
  check_same_bits_for_any_thread_count(
      [&](Backend& backend) { return update(backend, 300'001, op, 2); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::kernels
