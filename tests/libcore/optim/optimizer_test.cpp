// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <map>

#include "formats/errors.h"
#include "libcore/optim/adamw.h"
#include "tests/libcore/model/model_fixture.h"
#include "tests/support/update_step.h"

namespace gpt2::optim {
namespace {

using model::test::odd_config;
using model::test::SmallModel;

/// A model with gradients ~ N(0, 1) in every parameter and zero in the gaps.
struct Gradients {
  Gradients() : small(odd_config()), buffer(small.zeros()) {
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    for (const auto& parameter : small.model.table().parameters()) {
      auto& values = by_name[parameter.name];
      values.resize(static_cast<std::size_t>(parameter.element_count));
      for (auto& value : values) {
        value = normal(random);
        sum_of_squares += double{value} * value;
      }
      small.device->copy_to_device(buffer.f32() + parameter.offset, values.data(),
                                   values.size() * sizeof(float));
    }
  }

  kernels::UpdateOutcome take_step(AdamW& optimizer, double learning_rate, double loss = 1) {
    return support::take_step(optimizer, *small.device, buffer, learning_rate, loss);
  }

  SmallModel small;
  device::DeviceBuffer buffer;
  std::map<std::string, std::vector<float>> by_name;
  double sum_of_squares = 0;
};

BOOST_FIXTURE_TEST_SUITE(adamw, Gradients)

BOOST_AUTO_TEST_CASE(the_norm_is_that_of_all_parameters_together) {
  AdamW optimizer(small.model, {});
  BOOST_TEST(take_step(optimizer, 0).gradient_norm == std::sqrt(sum_of_squares),
             boost::test_tools::tolerance(1e-7));
}

BOOST_AUTO_TEST_CASE(three_steps_follow_the_algorithm_in_double) {
  const AdamWOptions options{.beta1 = 0.8, .beta2 = 0.9, .weight_decay = 0.25, .grad_clip = 2.0};
  AdamW optimizer(small.model, options);
  const double scale = 2.0 / (std::sqrt(sum_of_squares) + 1e-6);
  BOOST_TEST(scale < 1);
  std::map<std::string, std::vector<float>> before;
  for (const auto& [name, gradient] : by_name) before[name] = small.stored(name);
  const std::vector<double> rates{1e-2, 3e-2, 2e-2};
  for (const double rate : rates) take_step(optimizer, rate);
  BOOST_TEST(optimizer.update_count() == 3);

  for (const auto& [name, gradient] : by_name) {
    const auto after = small.stored(name);
    const double decay = small.model.table().at(name).decayed() ? 0.25 : 0;
    double worst = 0;
    for (std::size_t i = 0; i < after.size(); ++i) {
      double p = before[name][i], m = 0, v = 0;
      const double g = gradient[i] * scale;
      for (std::size_t step = 0; step < rates.size(); ++step) {
        const auto t = static_cast<double>(step + 1);
        m = 0.8 * m + 0.2 * g;
        v = 0.9 * v + 0.1 * g * g;
        const double m_hat = m / (1 - std::pow(0.8, t)), v_hat = v / (1 - std::pow(0.9, t));
        p -= rates[step] * (m_hat / (std::sqrt(v_hat) + 1e-8) + decay * p);
      }
      worst = std::max(worst, std::abs(after[i] - p));
    }
    BOOST_TEST(worst < 1e-6,
               name << " is off by " << worst);  // floats around 0.1 and 1, three steps
  }
}

BOOST_AUTO_TEST_CASE(small_gradients_are_not_clipped) {
  SmallModel off(odd_config());
  const double norm = std::sqrt(sum_of_squares);
  AdamW with_clip(small.model, {.grad_clip = 2 * norm}), without_clip(off.model, {.grad_clip = 0});
  take_step(with_clip, 1e-2);
  support::take_step(without_clip, *off.device, buffer, 1e-2);
  for (const auto& [name, gradient] : by_name) BOOST_TEST((small.stored(name) == off.stored(name)));
}

BOOST_AUTO_TEST_CASE(gradients_or_a_loss_that_are_not_fit_leave_all_as_it_was) {
  // All of the norm in one element: the most that its moments can have to hold.
  const auto& parameter = small.model.table().at("ln_f.bias");
  std::vector<float> gradient(static_cast<std::size_t>(parameter.element_count)),
      exp_avg(gradient.size()), exp_avg_sq(gradient.size());
  const auto set = [&](float value) {
    gradient[0] = value;
    small.device->copy_to_device(buffer.f32() + parameter.offset, gradient.data(),
                                 gradient.size() * sizeof(float));
  };
  AdamW optimizer(small.model, {.grad_clip = 0});
  set(1.8e19F);
  for (int step = 0; step < 3; ++step) BOOST_TEST(take_step(optimizer, 1e-2).is_done == 1);
  optimizer.store_moments(parameter, exp_avg, exp_avg_sq);
  BOOST_TEST((std::isfinite(exp_avg[0]) && std::isfinite(exp_avg_sq[0])));
  BOOST_TEST(std::isfinite(small.stored("ln_f.bias")[0]));

  const auto weights = small.download(small.model.parameters());
  const auto check_left_out = [&](double loss) {
    BOOST_TEST(take_step(optimizer, 1e-2, loss).is_done == 0);
    BOOST_TEST(optimizer.update_count() == 3);
    BOOST_TEST((small.download(small.model.parameters()) == weights));
    auto before = exp_avg_sq;
    optimizer.store_moments(parameter, exp_avg, exp_avg_sq);
    BOOST_TEST((exp_avg_sq == before));
  };
  check_left_out(std::nan(""));
  for (const float bad : {1.9e19F, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    set(bad);
    check_left_out(1);
  }
}

BOOST_AUTO_TEST_CASE(moments_taken_over_continue_the_run) {
  AdamW first(small.model, {});
  take_step(first, 1e-2);
  SmallModel other(odd_config());
  AdamW second(other.model, {});
  second.set_update_count(first.update_count());
  for (const auto& parameter : small.model.table().parameters()) {
    std::vector<float> exp_avg(static_cast<std::size_t>(parameter.element_count)),
        exp_avg_sq = exp_avg;
    first.store_moments(parameter, exp_avg, exp_avg_sq);
    second.load_moments(parameter, exp_avg, exp_avg_sq);
    other.model.load_parameter(parameter, small.stored(parameter.name));
  }
  take_step(first, 1e-2);
  support::take_step(second, *other.device, buffer, 1e-2);
  BOOST_TEST(
      (small.download(small.model.parameters()) == other.download(other.model.parameters())));
}

BOOST_AUTO_TEST_CASE(padding_stays_zero) {
  AdamW optimizer(small.model, {});
  for (int step = 0; step < 3; ++step) take_step(optimizer, 1e-2);
  const auto values = small.download(small.model.parameters());
  const auto& parameters = small.model.table().parameters();
  const auto padding = values.begin() + parameters[0].element_count;
  BOOST_TEST(
      std::all_of(padding, values.begin() + parameters[1].offset, [](float v) { return v == 0; }));
}

BOOST_AUTO_TEST_CASE(refuses_values_without_meaning) {
  const auto refused = [&](const AdamWOptions& options) {
    BOOST_CHECK_THROW(AdamW(small.model, options), formats::UsageError);
  };
  refused({.beta1 = 1});
  refused({.beta1 = -0.1});
  refused({.beta2 = 1});
  refused({.epsilon = 0});
  refused({.weight_decay = -0.1});
  refused({.grad_clip = -1});
  refused({.grad_clip = std::nan("")});
  AdamW optimizer(small.model, {});
  std::vector<float> moments(3);
  const auto& parameter = small.model.table().at("ln_f.bias");
  BOOST_CHECK_THROW(optimizer.load_moments(parameter, moments, moments), formats::UsageError);
  BOOST_CHECK_THROW(optimizer.store_moments(parameter, moments, moments), formats::UsageError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::optim
