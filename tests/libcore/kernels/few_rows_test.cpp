// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Products of the few rows that decoding has: the rows of each N up to kFewRows.
#include <vector>

#include "tests/libcore/kernels/kernel_fixture.h"

namespace gpt2::kernels {
namespace {

/// The first N rows of x, times weights; K and M are no multiple of a block, and by default of a
/// vector neither.
struct Few {
  std::int64_t N, K = 203, M = 331;
  std::vector<float> x = random_floats(kFewRows * K, 1), weight = random_floats(K * M, 2),
                     bias = random_floats(M, 3);
  std::vector<float> first_rows() const { return {x.begin(), x.begin() + N * K}; }
};

std::vector<float> matmul(Backend& backend, const Few& in, const std::vector<float>& x) {
  const auto y = backend.poisoned({in.N, in.M});
  backend.kernels().matmul_forward({.x = backend.upload(x),
                                    .weight = backend.upload(in.weight),
                                    .bias = backend.upload(in.bias),
                                    .y = y,
                                    .pre_activation = {},
                                    .N = in.N,
                                    .K = in.K,
                                    .M = in.M});
  return backend.download(y);
}

/// The weights as M rows of K.
std::vector<float> head(Backend& backend, const Few& in, const std::vector<float>& x) {
  const auto logits = backend.poisoned_floats({in.N, in.M});
  backend.kernels().head_forward({.x = backend.upload(x),
                                  .wte = backend.upload(in.weight),
                                  .logits = logits,
                                  .N = in.N,
                                  .C = in.K,
                                  .V = in.M});
  return backend.download(logits);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(few_rows)

BOOST_FIXTURE_TEST_CASE(agree_with_reference, Backend) {
  std::vector<Few> shapes{{.N = 1}, {.N = 6}, {.N = 11}, {.N = kFewRows}};
  for (std::int64_t N = 1; N <= kFewRows; ++N) shapes.push_back({.N = N, .K = 520, .M = 72});
  for (const Few& in : shapes) {
    const auto x = in.first_rows();
    check_computed("y", matmul(*this, in, x),
                   reference::matmul_forward(doubles(x), doubles(in.weight), doubles(in.bias), in.N,
                                             in.K, in.M),
                   kFp32Tolerance);
    check_close("logits", head(*this, in, x),
                reference::matmul_backward_input(doubles(x), doubles(in.weight), in.N, in.M, in.K),
                kFp32Tolerance);
  }
}

BOOST_FIXTURE_TEST_CASE(are_each_what_they_are_alone_to_the_bit, Backend) {
  for (const Few& all : {Few{.N = kFewRows}, Few{.N = kFewRows, .K = 520, .M = 72}}) {
    std::vector<float> y, logits;
    for (std::int64_t n = 0; n < kFewRows; ++n) {
      const Few one{.N = 1, .K = all.K, .M = all.M};
      const std::vector<float> row(all.x.begin() + n * all.K, all.x.begin() + (n + 1) * all.K);
      for (const float value : matmul(*this, one, row)) y.push_back(value);
      for (const float value : head(*this, one, row)) logits.push_back(value);
    }
    for (std::int64_t N = 1; N <= kFewRows; ++N) {
      const Few in{.N = N, .K = all.K, .M = all.M};
      const auto x = in.first_rows();
      BOOST_TEST(matmul(*this, in, x) == std::vector<float>(y.begin(), y.begin() + N * in.M),
                 boost::test_tools::per_element());
      BOOST_TEST(
          head(*this, in, x) == std::vector<float>(logits.begin(), logits.begin() + N * in.M),
          boost::test_tools::per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(do_not_depend_on_threads) {
  for (const std::int64_t N : {1, 3, 6, 16}) {
    const Few in{.N = N};
    check_same_bits_for_any_thread_count([&](Backend& backend) -> Outputs {
      return {matmul(backend, in, in.first_rows()), head(backend, in, in.first_rows())};
    });
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::kernels
