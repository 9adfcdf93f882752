// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <cmath>

#include "tests/reference/reference.h"

namespace gpt2::reference {

LayerNorm layernorm_forward(const Values& x, const Values& weight, const Values& bias,
                            std::int64_t N, std::int64_t C, double epsilon) {
  LayerNorm result{Values(N * C), Values(N), Values(N)};
  for (std::int64_t n = 0; n < N; ++n) {
    double mean = 0, variance = 0;
    for (std::int64_t c = 0; c < C; ++c) mean += x[n * C + c];
    mean /= static_cast<double>(C);
    for (std::int64_t c = 0; c < C; ++c) variance += std::pow(x[n * C + c] - mean, 2);
    variance /= static_cast<double>(C);
    const double rstd = 1 / std::sqrt(variance + epsilon);
    for (std::int64_t c = 0; c < C; ++c) {
      result.y[n * C + c] = (x[n * C + c] - mean) * rstd * weight[c] + bias[c];
    }
    result.mean[n] = mean;
    result.rstd[n] = rstd;
  }
  return result;
}

LayerNormGradients layernorm_backward(const Values& dy, const Values& x, const Values& weight,
                                      std::int64_t N, std::int64_t C, double epsilon) {
  LayerNormGradients gradients{Values(N * C), Values(C), Values(C)};
  const auto statistics = layernorm_forward(x, weight, Values(C), N, C, epsilon);
  for (std::int64_t n = 0; n < N; ++n) {
    const double mean = statistics.mean[n], rstd = statistics.rstd[n];
    double dy_mean = 0, product_mean = 0;
    for (std::int64_t c = 0; c < C; ++c) {
      const double normalized = (x[n * C + c] - mean) * rstd;
      dy_mean += dy[n * C + c] * weight[c] / static_cast<double>(C);
      product_mean += dy[n * C + c] * weight[c] * normalized / static_cast<double>(C);
      gradients.dweight[c] += dy[n * C + c] * normalized;
      gradients.dbias[c] += dy[n * C + c];
    }
    for (std::int64_t c = 0; c < C; ++c) {
      const double normalized = (x[n * C + c] - mean) * rstd;
      gradients.dx[n * C + c] =
          (dy[n * C + c] * weight[c] - dy_mean - normalized * product_mean) * rstd;
    }
  }
  return gradients;
}

}  // namespace gpt2::reference
