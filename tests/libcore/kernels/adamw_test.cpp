// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tests/libcore/kernels/kernel_fixture.h"

namespace gpt2::kernels {
namespace {

// Moments and parameters after `steps` updates with gradients of seeds 10, 11, ...
Outputs update(Backend& backend, std::int64_t count, AdamWUpdate op, std::int64_t steps) {
  op.parameter = backend.upload_floats(random_floats(count, 1));
  op.exp_avg = backend.upload_floats(std::vector<float>(count, 0));
  op.exp_avg_sq = backend.upload_floats(std::vector<float>(count, 0));
  for (op.step = 1; op.step <= steps; ++op.step) {
    op.gradient =
        backend.upload_floats(random_floats(count, 10 + static_cast<std::uint32_t>(op.step)));
    backend.kernels().adamw_update(op);
  }
  return {backend.download(op.parameter), backend.download(op.exp_avg),
          backend.download(op.exp_avg_sq)};
}

const AdamWUpdate kSettings{.learning_rate = 0.01F,
                            .beta1 = 0.9F,
                            .beta2 = 0.95F,
                            .epsilon = 1e-8F,
                            .weight_decay = 0.1F,
                            .gradient_scale = 0.37F};

}  // namespace

BOOST_AUTO_TEST_SUITE(adamw)

BOOST_FIXTURE_TEST_CASE(update_agrees_with_reference, Backend) {
  for (const std::int64_t count : {1, 7, 64, 1000, 70'000}) {
    for (const float weight_decay : {0.0F, 0.1F}) {
      AdamWUpdate settings = kSettings;
      settings.weight_decay = weight_decay;
      reference::AdamWState expected{doubles(random_floats(count, 1)), reference::Values(count),
                                     reference::Values(count)};
      const std::int64_t steps = 4;
      for (settings.step = 1; settings.step <= steps; ++settings.step) {
        reference::adamw_update(
            expected, doubles(random_floats(count, 10 + static_cast<std::uint32_t>(settings.step))),
            settings);
      }
      const auto actual = update(*this, count, settings, steps);
      check_close("parameter", actual[0], expected.parameter,
                  1e-6);  // few operations a step, four steps
      check_close("exp_avg", actual[1], expected.exp_avg, 1e-6);
      check_close("exp_avg_sq", actual[2], expected.exp_avg_sq, 1e-6);
    }
  }
}

BOOST_FIXTURE_TEST_CASE(the_copy_to_compute_with_is_the_new_parameter_rounded, Backend) {
  if (kernels().compute_type() == device::DataType::kF32) return;  // it computes with the parameter
  for (const std::int64_t count : {7, 64, 1000}) {
    AdamWUpdate op = kSettings;
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
  op.step = 1;
  kernels().adamw_update(op);
  for (const auto& tensor : {op.parameter, op.exp_avg, op.exp_avg_sq}) {
    BOOST_TEST(download(tensor) == std::vector<float>(40, 0), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(does_not_depend_on_threads) {
  check_same_bits_for_any_thread_count(
      [](Backend& backend) { return update(backend, 300'001, kSettings, 2); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::kernels
