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
                            .gradient_scale = 0.37F};

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
    op.step = 1;
    reference::adamw_update(expected, doubles(random_floats(1000, 11)), op);
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
  op.step = 1;
  kernels().adamw_update(op);
  for (const auto& tensor : {op.parameter, op.exp_avg, op.exp_avg_sq}) {
    BOOST_TEST(download(tensor) == std::vector<float>(40, 0), boost::test_tools::per_element());
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
