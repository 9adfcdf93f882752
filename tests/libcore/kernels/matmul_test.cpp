// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <cmath>
#include <limits>

#include "tests/libcore/kernels/kernel_fixture.h"

namespace gpt2::kernels {
namespace {

struct Inputs {
  std::int64_t N, K, M;
  std::vector<float> x = random_floats(N * K, 1), weight = random_floats(K * M, 2),
                     bias = random_floats(M, 3), dy = random_floats(N * M, 4),
                     pre_activation = random_floats(N * K, 5), dweight = random_floats(K * M, 6),
                     dbias = random_floats(M, 7);
};

// Few rows (decoding), ragged tiles, no multiple of a vector, one column, and sizes that are cut
// into tiles.
const std::vector<Inputs> kShapes{{1, 1, 1},     {1, 25, 75},  {3, 64, 192},   {8, 80, 1000},
                                  {9, 130, 33},  {65, 7, 257}, {130, 257, 65}, {257, 64, 513},
                                  {300, 400, 1}, {7, 3, 2},    {513, 96, 200}, {515, 37, 71}};

enum class Gelu { kNone, kKept, kInPlace };
Outputs forward(Backend& backend, const Inputs& in, Gelu gelu, bool with_bias = true) {
  const auto y = backend.poisoned({in.N, in.M});
  const auto pre_activation = gelu == Gelu::kKept ? backend.poisoned({in.N, in.M}) : y;
  backend.kernels().matmul_forward(
      {.x = backend.upload(in.x),
       .weight = backend.upload(in.weight),
       .bias = with_bias ? backend.upload(in.bias) : TensorView(),
       .y = y,
       .pre_activation = gelu == Gelu::kNone ? TensorView() : pre_activation,
       .N = in.N,
       .K = in.K,
       .M = in.M});
  return {backend.download(y), backend.download(pre_activation)};
}

std::vector<float> backward_input(Backend& backend, const Inputs& in, bool with_gelu) {
  const auto dx = backend.poisoned({in.N, in.K});
  backend.kernels().matmul_backward_input(
      {.dy = backend.upload(in.dy),
       .weight = backend.upload(in.weight),
       .dx = dx,
       .pre_activation = with_gelu ? backend.upload(in.pre_activation) : TensorView(),
       .N = in.N,
       .K = in.K,
       .M = in.M});
  return backend.download(dx);
}

Outputs backward_weight(Backend& backend, const Inputs& in, bool with_bias = true) {
  const auto dweight = backend.upload_floats(in.dweight), dbias = backend.upload_floats(in.dbias);
  backend.kernels().matmul_backward_weight({.x = backend.upload(in.x),
                                            .dy = backend.upload(in.dy),
                                            .dweight = dweight,
                                            .dbias = with_bias ? dbias : TensorView(),
                                            .N = in.N,
                                            .K = in.K,
                                            .M = in.M});
  return {backend.download(dweight), backend.download(dbias)};
}

reference::Values gelu_of(reference::Values values) {
  for (double& value : values) value = reference::gelu(value);
  return values;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(matmul)

BOOST_FIXTURE_TEST_CASE(forward_agrees_with_reference, Backend) {
  for (const Inputs& in : kShapes) {
    const auto product =
        reference::matmul_forward(doubles(in.x), doubles(in.weight), {}, in.N, in.K, in.M);
    const auto sum = reference::matmul_forward(doubles(in.x), doubles(in.weight), doubles(in.bias),
                                               in.N, in.K, in.M);
    check_computed("x weight", forward(*this, in, Gelu::kNone, false)[0], product, kFp32Tolerance);
    check_computed("y", forward(*this, in, Gelu::kNone)[0], sum, kFp32Tolerance);
    const auto with_gelu = forward(*this, in, Gelu::kKept);
    check_computed("gelu", with_gelu[0], gelu_of(sum), kFp32Tolerance);
    check_computed("pre_activation", with_gelu[1], sum, kFp32Tolerance);
    check_computed("gelu in place", forward(*this, in, Gelu::kInPlace)[0], gelu_of(sum),
                   kFp32Tolerance);
    const auto without_bias = forward(*this, in, Gelu::kKept, false);
    check_computed("gelu without bias", without_bias[0], gelu_of(product), kFp32Tolerance);
  }
}

BOOST_FIXTURE_TEST_CASE(backward_agrees_with_reference, Backend) {
  for (const Inputs& in : kShapes) {
    auto dx =
        reference::matmul_backward_input(doubles(in.dy), doubles(in.weight), in.N, in.K, in.M);
    check_computed("dx", backward_input(*this, in, false), dx, kFp32Tolerance);
    for (std::size_t i = 0; i < dx.size(); ++i)
      dx[i] *= reference::gelu_slope(in.pre_activation[i]);
    check_computed("dx through gelu", backward_input(*this, in, true), dx, kFp32Tolerance);

    const auto expected =
        reference::matmul_backward_weight(doubles(in.x), doubles(in.dy), in.N, in.K, in.M);
    const auto actual = backward_weight(*this, in);
    check_close("dweight", actual[0], sum_of(doubles(in.dweight), expected.dweight),
                kFp32Tolerance);
    check_close("dbias", actual[1], sum_of(doubles(in.dbias), expected.dbias), kFp32Tolerance);
    BOOST_TEST((backward_weight(*this, in, false)[1] == in.dbias));
  }
}

BOOST_FIXTURE_TEST_CASE(gelu_is_exact_to_few_roundings_over_its_range, Backend) {
  // One row, weight 1 x 1: y = gelu(x) alone.
  std::vector<float> x;
  for (int i = -12000; i <= 12000; ++i) x.push_back(static_cast<float>(i) / 1000);
  const auto N = static_cast<std::int64_t>(x.size());
  const auto y = poisoned({N}), pre_activation = poisoned({N});
  kernels().matmul_forward({.x = upload(x),
                            .weight = upload(std::vector<float>{1}),
                            .y = y,
                            .pre_activation = pre_activation,
                            .N = N,
                            .K = 1,
                            .M = 1});
  const auto slope = poisoned({N});
  kernels().matmul_backward_input({.dy = upload(std::vector<float>(x.size(), 1)),
                                   .weight = upload(std::vector<float>{1}),
                                   .dx = slope,
                                   .pre_activation = upload(x),
                                   .N = N,
                                   .K = 1,
                                   .M = 1});
  const auto values = download(y), slopes = download(slope);
  for (std::size_t i = 0; i < x.size(); ++i) {
    // Relative where gelu is not small; below -1.5 its values inherit the rounding of u in e^u.
    const double expected = reference::gelu(x[i]);
    BOOST_REQUIRE_SMALL(values[i] - expected, 3e-7 * std::max(std::abs(expected), 0.2));
    BOOST_REQUIRE_SMALL(slopes[i] - reference::gelu_slope(x[i]), 4e-7);
  }
}

BOOST_FIXTURE_TEST_CASE(gelu_of_extremes_is_finite_and_nan_stays, Backend) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float large = kernels().compute_type() == device::DataType::kF16 ? 6e4F : 1e6F;
  const auto y = poisoned({5}), pre_activation = poisoned({5});
  kernels().matmul_forward({.x = upload({-large, -60.F, 60.F, large, nan}),
                            .weight = upload(std::vector<float>{1}),
                            .y = y,
                            .pre_activation = pre_activation,
                            .N = 5,
                            .K = 1,
                            .M = 1});
  const auto values = download(y);
  BOOST_TEST(std::abs(values[0]) < 1e-30F);
  BOOST_TEST(std::abs(values[1]) < 1e-30F);
  BOOST_TEST(values[2] == 60.F);
  BOOST_TEST(values[3] == support::rounded(large));
  BOOST_TEST(std::isnan(values[4]));
}

BOOST_AUTO_TEST_CASE(does_not_depend_on_threads) {
  for (const Inputs& in :
       {Inputs{1, 768, 2304}, Inputs{8, 80, 1000}, Inputs{300, 200, 600}, Inputs{1025, 64, 96}}) {
    check_same_bits_for_any_thread_count(
        [&](Backend& backend) { return forward(backend, in, Gelu::kKept); });
    check_same_bits_for_any_thread_count(
        [&](Backend& backend) -> Outputs { return {backward_input(backend, in, true)}; });
    check_same_bits_for_any_thread_count(
        [&](Backend& backend) { return backward_weight(backend, in); });
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::kernels
