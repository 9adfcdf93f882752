// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <algorithm>
#include <cmath>

#include "tests/reference/reference.h"

namespace gpt2::reference {
namespace {

// Where the packed rows of one head lie.
struct Head {
  std::int64_t b, h, T, C, H;
  std::int64_t D() const { return C / H; }
  std::int64_t q(std::int64_t t) const { return (b * T + t) * 3 * C + h * D(); }
  std::int64_t k(std::int64_t t) const { return q(t) + C; }
  std::int64_t v(std::int64_t t) const { return q(t) + 2 * C; }
  std::int64_t out(std::int64_t t) const { return (b * T + t) * C + h * D(); }
  std::int64_t factor(std::int64_t query, std::int64_t key) const {
    return ((b * H + h) * T + query) * T + key;
  }
};

// Softmax of one query's scaled scores over keys 0 .. query; lse is their log-sum-exp.
Values probabilities(const Values& qkv, const Head& head, std::int64_t query, double& lse) {
  Values scores(query + 1);
  for (std::int64_t key = 0; key <= query; ++key) {
    for (std::int64_t d = 0; d < head.D(); ++d) {
      scores[key] += qkv[head.q(query) + d] * qkv[head.k(key) + d];
    }
    scores[key] /= std::sqrt(static_cast<double>(head.D()));
  }
  const double max = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (const double score : scores) sum += std::exp(score - max);
  lse = max + std::log(sum);
  for (double& score : scores) score = std::exp(score - lse);
  return scores;
}

}  // namespace

Attention attention_forward(const Values& qkv, const Values& factors, std::int64_t B,
                            std::int64_t T, std::int64_t C, std::int64_t H) {
  Attention result{Values(B * T * C), Values(B * H * T)};
  for (std::int64_t task = 0; task < B * H * T; ++task) {
    const std::int64_t query = task % T;
    const Head head{task / T / H, task / T % H, T, C, H};
    const auto p = probabilities(qkv, head, query, result.lse[task]);
    for (std::int64_t key = 0; key <= query; ++key) {
      const double factor = factors.empty() ? 1 : factors[head.factor(query, key)];
      for (std::int64_t d = 0; d < head.D(); ++d) {
        result.out[head.out(query) + d] += p[key] * factor * qkv[head.v(key) + d];
      }
    }
  }
  return result;
}

Values attention_backward(const Values& qkv, const Values& dout, const Values& factors,
                          std::int64_t B, std::int64_t T, std::int64_t C, std::int64_t H) {
  Values dqkv(B * T * 3 * C);
  for (std::int64_t task = 0; task < B * H * T; ++task) {
    const std::int64_t query = task % T;
    const Head head{task / T / H, task / T % H, T, C, H};
    double lse = 0, dp_mean = 0;
    const auto p = probabilities(qkv, head, query, lse);
    Values dp(query + 1);
    for (std::int64_t key = 0; key <= query; ++key) {
      const double factor = factors.empty() ? 1 : factors[head.factor(query, key)];
      for (std::int64_t d = 0; d < head.D(); ++d) {
        dp[key] += factor * dout[head.out(query) + d] * qkv[head.v(key) + d];
        dqkv[head.v(key) + d] += p[key] * factor * dout[head.out(query) + d];
      }
      dp_mean += p[key] * dp[key];
    }
    for (std::int64_t key = 0; key <= query; ++key) {
      const double dscore = p[key] * (dp[key] - dp_mean) / std::sqrt(static_cast<double>(head.D()));
      for (std::int64_t d = 0; d < head.D(); ++d) {
        dqkv[head.q(query) + d] += dscore * qkv[head.k(key) + d];
        dqkv[head.k(key) + d] += dscore * qkv[head.q(query) + d];
      }
    }
  }
  return dqkv;
}

}  // namespace gpt2::reference
