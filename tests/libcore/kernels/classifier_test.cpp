// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <cmath>
#include <limits>

#include "formats/errors.h"
#include "tests/libcore/kernels/kernel_fixture.h"

namespace gpt2::kernels {
namespace {

struct Inputs {
  std::int64_t N, C, V;
  float scale = 1;
  std::int64_t pad_rows = 5;  // of wte and dwte, after the vocabulary: zeros and what must stay
  std::vector<float> x = random_floats(N * C, 1),
                     wte = padded(random_floats(V * C, 2), pad_rows*C, 0),
                     dwte = padded(random_floats(V * C, 3), pad_rows*C, 7);
  std::vector<std::int32_t> targets = some_ignored(random_ints(N, static_cast<std::int32_t>(V), 4));
  static std::vector<float> padded(std::vector<float> values, std::int64_t count, float value) {
    values.insert(values.end(), static_cast<std::size_t>(count), value);
    return values;
  }
  static std::vector<std::int32_t> some_ignored(std::vector<std::int32_t> targets) {
    for (std::size_t i = 2; i < targets.size(); i += 5) targets[i] = -1;
    return targets;
  }
  reference::Values used_rows(const std::vector<float>& table) const {
    return {table.begin(), table.begin() + V * C};
  }
};

// One row, few rows, ragged tiles, a chunk of logits and more on a CPU, GPT-2's own vocabulary.
const std::vector<Inputs> kShapes{{1, 1, 11},       {3, 25, 11, 0.5F},
                                  {9, 64, 1000},    {130, 80, 257, 0.01F},
                                  {1030, 8, 65, 2}, {12, 16, 50257, 0.25F, 47}};

std::vector<float> forward(Backend& backend, const Inputs& in) {
  const auto losses = backend.poisoned_floats({in.N});
  backend.kernels().classifier_forward({.x = backend.upload(in.x),
                                        .wte = backend.upload(in.wte),
                                        .targets = backend.upload_ints(in.targets),
                                        .losses = losses,
                                        .N = in.N,
                                        .C = in.C,
                                        .V = in.V});
  return backend.download(losses);
}

Outputs forward_backward(Backend& backend, const Inputs& in) {
  const auto losses = backend.poisoned_floats({in.N}), dx = backend.poisoned({in.N, in.C}),
             dwte = backend.upload_floats(in.dwte);
  backend.kernels().classifier_forward_backward({.x = backend.upload(in.x),
                                                 .wte = backend.upload(in.wte),
                                                 .targets = backend.upload_ints(in.targets),
                                                 .losses = losses,
                                                 .dx = dx,
                                                 .dwte = dwte,
                                                 .N = in.N,
                                                 .C = in.C,
                                                 .V = in.V,
                                                 .scale = in.scale});
  return {backend.download(losses), backend.download(dx), backend.download(dwte)};
}

std::vector<float> head(Backend& backend, const Inputs& in) {
  const auto logits = backend.poisoned_floats({in.N, in.V});
  backend.kernels().head_forward({.x = backend.upload(in.x),
                                  .wte = backend.upload(in.wte),
                                  .logits = logits,
                                  .N = in.N,
                                  .C = in.C,
                                  .V = in.V});
  return backend.download(logits);
}

void check_gradients(Backend& backend, const Inputs& in) {
  const auto expected = reference::classifier(doubles(in.x), in.used_rows(in.wte), in.targets, in.N,
                                              in.C, in.V, in.scale);
  auto actual = forward_backward(backend, in);
  check_computed("losses", actual[0], expected.losses, kFp32Tolerance);
  // Logits of up to 10 are rounded as well: that moves their probabilities by twice a rounding.
  check_computed("dx", actual[1], expected.dx,
                 std::max(kFp32Tolerance, 2 * support::rounding_of_twin()));
  for (std::int64_t i = in.V * in.C; i < (in.V + in.pad_rows) * in.C; ++i)
    BOOST_REQUIRE(actual[2][i] == 7);
  actual[2].resize(in.V * in.C);
  check_computed("dwte", actual[2], sum_of(in.used_rows(in.dwte), expected.dwte), kFp32Tolerance);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(classifier)

BOOST_FIXTURE_TEST_CASE(losses_and_gradients_agree_with_reference, Backend) {
  for (const Inputs& in : kShapes) {
    check_gradients(*this, in);
    const auto expected = reference::classifier(doubles(in.x), in.used_rows(in.wte), in.targets,
                                                in.N, in.C, in.V, in.scale);
    check_close("losses alone", forward(*this, in), expected.losses, kFp32Tolerance);
  }
}

BOOST_FIXTURE_TEST_CASE(more_rows_than_a_gpu_has_logits_at_once_agree_with_reference, Backend) {
  check_gradients(*this, {8200, 2, 9});
}

BOOST_FIXTURE_TEST_CASE(rows_without_target_have_no_loss_and_no_gradient, Backend) {
  Inputs in{20, 12, 30};
  std::fill(in.targets.begin(), in.targets.end(), -1);
  const auto actual = forward_backward(*this, in);
  BOOST_TEST(actual[0] == std::vector<float>(20, 0), boost::test_tools::per_element());
  BOOST_TEST(actual[1] == std::vector<float>(20 * 12, 0), boost::test_tools::per_element());
  BOOST_TEST(std::equal(in.dwte.begin(), in.dwte.begin() + 30 * 12, actual[2].begin()));
}

BOOST_FIXTURE_TEST_CASE(large_logits_neither_overflow_nor_lose_the_loss, Backend) {
  // Logits 0 and 200: the loss of the other token is 200, of the same one 0.
  Inputs in{2, 1, 2};
  in.x = {1, 1};
  in.wte = {0, 200};
  in.targets = {0, 1};
  in.dwte = {0, 0};
  const auto actual = forward_backward(*this, in);
  BOOST_TEST(actual[0] == (std::vector<float>{200, 0}), boost::test_tools::per_element());
  BOOST_TEST(actual[1] == (std::vector<float>{200, 0}), boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(a_nan_in_one_token_row_makes_every_loss_nan, Backend) {
  Inputs in{9, 4, 500};
  in.wte[400 * 4 + 1] = std::numeric_limits<float>::quiet_NaN();
  const auto alone = forward(*this, in), with_gradient = forward_backward(*this, in)[0];
  for (std::size_t row = 0; row < alone.size(); ++row) {
    BOOST_TEST(std::isnan(alone[row]) == (in.targets[row] >= 0));
    BOOST_TEST(std::isnan(with_gradient[row]) == (in.targets[row] >= 0));
  }
}

BOOST_FIXTURE_TEST_CASE(a_target_outside_of_the_vocabulary_is_no_loss_unseen, Backend) {
  Inputs in{3, 4, 11};
  in.targets[1] = 11;
  if (support::test_device() != "cpu") {  // a GPU does not wait to look at targets
    BOOST_TEST(std::isnan(forward(*this, in)[1]));
    BOOST_TEST(std::isnan(forward_backward(*this, in)[0][1]));
    return;
  }
  BOOST_CHECK_THROW(forward(*this, in), formats::UsageError);
  BOOST_CHECK_THROW(forward_backward(*this, in), formats::UsageError);
}

BOOST_FIXTURE_TEST_CASE(head_agrees_with_reference, Backend) {
  for (const Inputs& in : kShapes) {
    const auto expected =
        reference::matmul_backward_input(doubles(in.x), in.used_rows(in.wte), in.N, in.V, in.C);
    check_close("logits", head(*this, in), expected, kFp32Tolerance);
  }
}

BOOST_AUTO_TEST_CASE(does_not_depend_on_threads) {
  for (const Inputs& in : {Inputs{3, 25, 1000}, Inputs{600, 33, 700}}) {
    check_same_bits_for_any_thread_count(
        [&](Backend& backend) -> Outputs { return {forward(backend, in)}; });
    check_same_bits_for_any_thread_count(
        [&](Backend& backend) { return forward_backward(backend, in); });
    check_same_bits_for_any_thread_count(
        [&](Backend& backend) -> Outputs { return {head(backend, in)}; });
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::kernels
