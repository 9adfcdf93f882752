// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <cmath>
#include <numbers>

#include "tests/reference/reference.h"

namespace gpt2::reference {
namespace {

constexpr double kCubic = 0.044715;
const double kRoot = std::sqrt(2 / std::numbers::pi);

}  // namespace

double gelu(double x) { return 0.5 * x * (1 + std::tanh(kRoot * (x + kCubic * x * x * x))); }

double gelu_slope(double x) {
  const double tanh = std::tanh(kRoot * (x + kCubic * x * x * x));
  return 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh * tanh) * kRoot * (1 + 3 * kCubic * x * x);
}

Values matmul_forward(const Values& x, const Values& weight, const Values& bias, std::int64_t N,
                      std::int64_t K, std::int64_t M) {
  Values y(N * M);
  for (std::int64_t n = 0; n < N; ++n) {
    for (std::int64_t k = 0; k < K; ++k) {
      for (std::int64_t m = 0; m < M; ++m) y[n * M + m] += x[n * K + k] * weight[k * M + m];
    }
    for (std::int64_t m = 0; m < M && !bias.empty(); ++m) y[n * M + m] += bias[m];
  }
  return y;
}

Values matmul_backward_input(const Values& dy, const Values& weight, std::int64_t N, std::int64_t K,
                             std::int64_t M) {
  Values dx(N * K);
  for (std::int64_t n = 0; n < N; ++n) {
    for (std::int64_t k = 0; k < K; ++k) {
      for (std::int64_t m = 0; m < M; ++m) dx[n * K + k] += dy[n * M + m] * weight[k * M + m];
    }
  }
  return dx;
}

MatmulGradients matmul_backward_weight(const Values& x, const Values& dy, std::int64_t N,
                                       std::int64_t K, std::int64_t M) {
  MatmulGradients gradients{Values(K * M), Values(M)};
  for (std::int64_t n = 0; n < N; ++n) {
    for (std::int64_t k = 0; k < K; ++k) {
      for (std::int64_t m = 0; m < M; ++m)
        gradients.dweight[k * M + m] += x[n * K + k] * dy[n * M + m];
    }
    for (std::int64_t m = 0; m < M; ++m) gradients.dbias[m] += dy[n * M + m];
  }
  return gradients;
}

}  // namespace gpt2::reference
