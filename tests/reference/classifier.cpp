// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <algorithm>
#include <cmath>

#include "tests/reference/reference.h"

namespace gpt2::reference {

Classifier classifier(const Values& x, const Values& wte, const Indices& targets, std::int64_t N,
                      std::int64_t C, std::int64_t V, double scale) {
  Classifier result{Values(N), Values(N * C), Values(V * C)};
  for (std::int64_t n = 0; n < N; ++n) {
    if (targets[n] < 0) continue;
    Values logits(V);
    for (std::int64_t v = 0; v < V; ++v) {
      for (std::int64_t c = 0; c < C; ++c) logits[v] += x[n * C + c] * wte[v * C + c];
    }
    const double max = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const double logit : logits) sum += std::exp(logit - max);
    const double lse = max + std::log(sum);
    result.losses[n] = lse - logits[targets[n]];
    for (std::int64_t v = 0; v < V; ++v) {
      const double dlogit = scale * (std::exp(logits[v] - lse) - (v == targets[n] ? 1 : 0));
      for (std::int64_t c = 0; c < C; ++c) {
        result.dx[n * C + c] += dlogit * wte[v * C + c];
        result.dwte[v * C + c] += dlogit * x[n * C + c];
      }
    }
  }
  return result;
}

}  // namespace gpt2::reference
