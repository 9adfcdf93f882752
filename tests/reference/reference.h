// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Every operation of kernels.h once more, as plain loops in double: the yardstick of both twins.
// Shapes and formulas are those of kernels.h. Gradients are returned, not added. `factors` of
// dropout: one for each element, 0 or 1 / (1 - p); empty: none.
#pragma once

#include <cstdint>
#include <vector>

#include "libcore/kernels/kernels.h"

namespace gpt2::reference {

using Values = std::vector<double>;
using Indices = std::vector<std::int32_t>;

/// The factors of B sequences of `elements` each, element by element from the definition.
Values dropout_factors(const kernels::Dropout& dropout, std::int64_t B, std::int64_t elements);

/// x (B, T, C).
Values embedding_forward(const Indices& tokens, const Values& wte, const Values& wpe,
                         const Values& factors, std::int64_t B, std::int64_t T, std::int64_t C,
                         std::int64_t first_position = 0);
struct EmbeddingGradients {
  Values dwte, dwpe;  // (rows, C) each
};
EmbeddingGradients embedding_backward(const Indices& tokens, const Values& dx,
                                      const Values& factors, std::int64_t B, std::int64_t T,
                                      std::int64_t C, std::int64_t wte_rows, std::int64_t wpe_rows);

struct LayerNorm {
  Values y, mean, rstd;
};
LayerNorm layernorm_forward(const Values& x, const Values& weight, const Values& bias,
                            std::int64_t N, std::int64_t C, double epsilon = 1e-5);
struct LayerNormGradients {
  Values dx, dweight, dbias;
};
LayerNormGradients layernorm_backward(const Values& dy, const Values& x, const Values& weight,
                                      std::int64_t N, std::int64_t C, double epsilon = 1e-5);

double gelu(double x);
double gelu_slope(double x);

/// x weight + bias (empty: none).
Values matmul_forward(const Values& x, const Values& weight, const Values& bias, std::int64_t N,
                      std::int64_t K, std::int64_t M);
Values matmul_backward_input(const Values& dy, const Values& weight, std::int64_t N, std::int64_t K,
                             std::int64_t M);
struct MatmulGradients {
  Values dweight, dbias;
};
MatmulGradients matmul_backward_weight(const Values& x, const Values& dy, std::int64_t N,
                                       std::int64_t K, std::int64_t M);

struct Attention {
  Values out, lse;  // (B, T, C), (B, H, T)
};
Attention attention_forward(const Values& qkv, const Values& factors, std::int64_t B,
                            std::int64_t T, std::int64_t C, std::int64_t H);
/// dqkv (B, T, 3C).
Values attention_backward(const Values& qkv, const Values& dout, const Values& factors,
                          std::int64_t B, std::int64_t T, std::int64_t C, std::int64_t H);

struct Classifier {
  Values losses, dx, dwte;
};
Classifier classifier(const Values& x, const Values& wte, const Indices& targets, std::int64_t N,
                      std::int64_t C, std::int64_t V, double scale);

struct AdamWState {
  Values parameter, exp_avg, exp_avg_sq;
};
void adamw_update(AdamWState& state, const Values& gradient, const kernels::AdamWUpdate& settings,
                  const kernels::UpdateOutcome& outcome);

}  // namespace gpt2::reference
