// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/errors.h"
#include "tests/libcore/kernels/kernel_fixture.h"

namespace gpt2::kernels {
namespace {

struct Inputs {
  std::int64_t N, C;
  float offset = 0;  // added to x: a large mean is hard on the variance
  std::vector<float> x = shifted(random_floats(N * C, 1), offset), weight = random_floats(C, 2),
                     bias = random_floats(C, 3), dy = random_floats(N * C, 4),
                     dresidual = random_floats(N * C, 5), dweight = random_floats(C, 6),
                     dbias = random_floats(C, 7);
  static std::vector<float> shifted(std::vector<float> values, float offset) {
    for (float& value : values) value += offset;
    return values;
  }
};

const std::vector<Inputs> kShapes{{1, 1},     {1, 2},    {3, 25},   {7, 64},   {65, 80},
                                  {257, 130}, {33, 768}, {2, 4095}, {3, 5120}, {4, 1600, 100}};

Outputs forward(Backend& backend, const Inputs& in, bool in_place = false) {
  const auto x = backend.upload(in.x), y = in_place ? x : backend.poisoned({in.N, in.C});
  const auto mean = backend.poisoned_floats({in.N}), rstd = backend.poisoned_floats({in.N});
  backend.kernels().layernorm_forward({.x = x,
                                       .weight = backend.upload_floats(in.weight),
                                       .bias = backend.upload_floats(in.bias),
                                       .y = y,
                                       .mean = mean,
                                       .rstd = rstd,
                                       .N = in.N,
                                       .C = in.C});
  return {backend.download(y), backend.download(mean), backend.download(rstd)};
}

Outputs backward(Backend& backend, const Inputs& in) {
  const auto dresidual = backend.upload(in.dresidual), dweight = backend.upload_floats(in.dweight),
             dbias = backend.upload_floats(in.dbias);
  const auto statistics = forward(backend, in);
  backend.kernels().layernorm_backward({.dy = backend.upload(in.dy),
                                        .x = backend.upload(in.x),
                                        .weight = backend.upload_floats(in.weight),
                                        .mean = backend.upload_floats(statistics[1]),
                                        .rstd = backend.upload_floats(statistics[2]),
                                        .dresidual = dresidual,
                                        .dweight = dweight,
                                        .dbias = dbias,
                                        .N = in.N,
                                        .C = in.C});
  return {backend.download(dresidual), backend.download(dweight), backend.download(dbias)};
}

enum class Alias { kNone, kResidual, kBranch };
Outputs residual_forward(Backend& backend, std::int64_t B, std::int64_t T, std::int64_t C,
                         const Dropout& dropout, Alias alias = Alias::kNone) {
  const Inputs in{B * T, C};
  const auto residual = backend.upload(in.x), branch = backend.upload(in.dy);
  const auto sum = alias == Alias::kResidual ? residual
                   : alias == Alias::kBranch ? branch
                                             : backend.poisoned({B * T * C});
  const auto y = backend.poisoned({B * T * C}), mean = backend.poisoned_floats({B * T}),
             rstd = backend.poisoned_floats({B * T});
  backend.kernels().residual_layernorm_forward({.residual = residual,
                                                .branch = branch,
                                                .sum = sum,
                                                .weight = backend.upload_floats(in.weight),
                                                .bias = backend.upload_floats(in.bias),
                                                .y = y,
                                                .mean = mean,
                                                .rstd = rstd,
                                                .B = B,
                                                .T = T,
                                                .C = C,
                                                .dropout = dropout});
  return {backend.download(sum), backend.download(y), backend.download(mean),
          backend.download(rstd)};
}

const Dropout kSomeDropout{.probability = 0.2F, .seed = 4, .first_sequence = 6, .site = 2};

}  // namespace

BOOST_AUTO_TEST_SUITE(layernorm)

BOOST_FIXTURE_TEST_CASE(forward_of_constant_row_is_bias, Backend) {
  const auto y = poisoned({1, 4});
  kernels().layernorm_forward({.x = upload({7.F, 7.F, 7.F, 7.F}),
                               .weight = upload_floats({2.F, 2.F, 2.F, 2.F}),
                               .bias = upload_floats({1.F, 2.F, 3.F, 4.F}),
                               .y = y,
                               .mean = poisoned_floats({1}),
                               .rstd = poisoned_floats({1}),
                               .N = 1,
                               .C = 4});
  BOOST_TEST(download(y) == (std::vector<float>{1, 2, 3, 4}), boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(forward_agrees_with_reference, Backend) {
  for (const Inputs& in : kShapes) {
    if (in.offset != 0 && support::rounding_of_twin() > 0) continue;  // 8 bits do not hold it
    const auto expected = reference::layernorm_forward(doubles(in.x), doubles(in.weight),
                                                       doubles(in.bias), in.N, in.C);
    // With a mean of 100 and a deviation of 1, x itself is rounded by 4e-6 of the deviation.
    const double tolerance = in.offset == 0 ? kFp32Tolerance : 3e-5;
    const auto actual = forward(*this, in);
    check_computed("y", actual[0], expected.y, tolerance);
    check_close("mean", actual[1], expected.mean, kFp32Tolerance);
    check_close("rstd", actual[2], expected.rstd, tolerance);
  }
}

BOOST_FIXTURE_TEST_CASE(forward_works_in_place, Backend) {
  for (const Inputs& in : kShapes) {
    BOOST_TEST(forward(*this, in, true)[0] == forward(*this, in)[0],
               boost::test_tools::per_element());
  }
}

BOOST_FIXTURE_TEST_CASE(backward_agrees_with_reference, Backend) {
  for (const Inputs& in : kShapes) {
    if (in.offset != 0 && support::rounding_of_twin() > 0) continue;
    if (in.C < 3)
      continue;  // rows of two are +-1 after normalising: their gradient is a difference of equal
                 // numbers
    const auto expected = reference::layernorm_backward(doubles(in.dy), doubles(in.x),
                                                        doubles(in.weight), in.N, in.C);
    const double tolerance =
        in.offset == 0 ? 1e-5 : 1e-4;  // rstd multiplies what rounding left in the differences
    const auto actual = backward(*this, in);
    check_computed("dresidual", actual[0], sum_of(doubles(in.dresidual), expected.dx), tolerance);
    check_computed("dweight", actual[1], sum_of(doubles(in.dweight), expected.dweight), tolerance);
    check_close("dbias", actual[2], sum_of(doubles(in.dbias), expected.dbias), kFp32Tolerance);
  }
}

BOOST_FIXTURE_TEST_CASE(of_residual_agrees_with_reference, Backend) {
  for (const Dropout& dropout : {Dropout{}, kSomeDropout}) {
    for (const std::int64_t C : {25, 64, 130}) {
      const std::int64_t B = 2, T = 7;
      const Inputs in{B * T, C};
      auto branch = doubles(in.dy);
      const auto factors = reference::dropout_factors(dropout, B, T * C);
      for (std::size_t i = 0; i < factors.size(); ++i) branch[i] *= factors[i];
      const auto sum = sum_of(doubles(in.x), branch);
      const auto expected =
          reference::layernorm_forward(sum, doubles(in.weight), doubles(in.bias), B * T, C);
      const auto actual = residual_forward(*this, B, T, C, dropout);
      check_computed("sum", actual[0], sum, 2e-7);
      check_computed("y", actual[1], expected.y, kFp32Tolerance);
      check_computed("mean", actual[2], expected.mean, kFp32Tolerance);
      check_computed("rstd", actual[3], expected.rstd, kFp32Tolerance);
      BOOST_TEST((residual_forward(*this, B, T, C, dropout, Alias::kResidual) == actual));
      BOOST_TEST((residual_forward(*this, B, T, C, dropout, Alias::kBranch) == actual));
    }
  }
}

BOOST_AUTO_TEST_CASE(does_not_depend_on_threads) {
  const Inputs in{257, 130};
  check_same_bits_for_any_thread_count([&](Backend& backend) { return forward(backend, in); });
  check_same_bits_for_any_thread_count([&](Backend& backend) { return backward(backend, in); });
  check_same_bits_for_any_thread_count(
      [&](Backend& backend) { return residual_forward(backend, 3, 65, 130, kSomeDropout); });
}

BOOST_FIXTURE_TEST_CASE(refuses_types_it_does_not_have, Backend) {
  auto x = upload(random_floats(8, 1));
  const auto row = upload_floats(random_floats(4, 1));
  x.type = x.type == device::DataType::kF16 ? device::DataType::kBF16 : device::DataType::kF16;
  BOOST_CHECK_THROW(kernels().layernorm_forward({.x = x,
                                                 .weight = row,
                                                 .bias = row,
                                                 .y = poisoned({8}),
                                                 .mean = row,
                                                 .rstd = row,
                                                 .N = 2,
                                                 .C = 4}),
                    formats::UsageError);
}

BOOST_FIXTURE_TEST_CASE(backward_on_a_gpu_says_how_many_channels_it_takes, Backend) {
  if (device().is_host()) return;
  for (const auto& [C, most] : {std::pair{5128, 5120}, {4097, 4096}}) {
    const auto expected = "at most " + std::to_string(most) + " channels, not " + std::to_string(C);
    BOOST_CHECK_EXCEPTION(backward(*this, {1, C}), formats::UsageError, [&](const auto& error) {
      return std::string(error.what()).ends_with(expected);
    });
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::kernels
