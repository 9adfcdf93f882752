// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tests/reference/reference.h"

namespace gpt2::reference {

Values embedding_forward(const Indices& tokens, const Values& wte, const Values& wpe,
                         const Values& factors, std::int64_t B, std::int64_t T, std::int64_t C,
                         std::int64_t first_position) {
  Values x(B * T * C);
  for (std::int64_t row = 0; row < B * T; ++row) {
    for (std::int64_t c = 0; c < C; ++c) {
      const double sum = wte[tokens[row] * C + c] + wpe[(first_position + row % T) * C + c];
      x[row * C + c] = sum * (factors.empty() ? 1 : factors[row * C + c]);
    }
  }
  return x;
}

EmbeddingGradients embedding_backward(const Indices& tokens, const Values& dx,
                                      const Values& factors, std::int64_t B, std::int64_t T,
                                      std::int64_t C, std::int64_t wte_rows,
                                      std::int64_t wpe_rows) {
  EmbeddingGradients gradients{Values(wte_rows * C), Values(wpe_rows * C)};
  for (std::int64_t row = 0; row < B * T; ++row) {
    for (std::int64_t c = 0; c < C; ++c) {
      const double gradient = dx[row * C + c] * (factors.empty() ? 1 : factors[row * C + c]);
      gradients.dwte[tokens[row] * C + c] += gradient;
      gradients.dwpe[row % T * C + c] += gradient;
    }
  }
  return gradients;
}

}  // namespace gpt2::reference
