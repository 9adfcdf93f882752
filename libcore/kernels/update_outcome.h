// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Whether a step's gradients may change the weights, and what AdamW needs to know of the step. One
// function for both twins: it runs where the sums are.
#pragma once

#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "libcore/kernels/pairwise.h"

namespace gpt2::kernels {

/// What a step came to. It lies in the device's memory, from step to step, as `update_count` goes
/// on; all zero before the first one.
struct UpdateOutcome {
  double loss = 0;                         // mean over the tokens of the step
  double gradient_norm = 0;                // L2, before clipping, of the loss without its scale
  std::int64_t update_count = 0;           // updates so far, this one too
  float gradient_scale = 0;                // what AdamW multiplies gradients by: clipping / scale
  float correction1 = 0, correction2 = 0;  // 1 / (1 - beta^update_count)
  std::int32_t is_done = 0;                // 0: left out, as loss or norm is not fit for it
};

/// What a decision is made of.
struct UpdateTerms {
  std::int64_t loss_count, square_count;  // of the sums to join
  double token_count;
  double grad_clip;  // the largest norm; 0: any
  double beta1, beta2;
  double loss_scale;  // of the loss whose gradients these are: a power of two
};

/// Joins the sums of losses pairwise, in place, and those of squares in order. An update is done
/// when the loss is finite and the square of the norm, after clipping, is a float, as the second
/// moment adds squares up.
GPT2_HOST_DEVICE inline void decide(double* loss_sums, const double* squares,
                                    const UpdateTerms& terms, UpdateOutcome& outcome) {
  constexpr double kSmall = 1e-6;  // as torch.nn.utils.clip_grad_norm_
  join_pairwise(static_cast<std::size_t>(terms.loss_count),
                [&](std::size_t to, std::size_t from) { loss_sums[to] += loss_sums[from]; });
  double sum = 0;
  for (std::int64_t i = 0; i < terms.square_count; ++i) sum += squares[i];
  outcome.loss = loss_sums[0] / terms.token_count;
  outcome.gradient_norm = std::sqrt(sum) / terms.loss_scale;
  const double clipped = terms.grad_clip / (outcome.gradient_norm + kSmall);
  const double scale = terms.grad_clip > 0 && clipped < 1 ? clipped : 1;
  outcome.is_done = std::isfinite(outcome.loss) &&
                            outcome.gradient_norm * scale <= std::sqrt(static_cast<double>(FLT_MAX))
                        ? 1
                        : 0;
  if (outcome.is_done == 0) return;
  ++outcome.update_count;
  const auto count = static_cast<double>(outcome.update_count);
  outcome.gradient_scale = static_cast<float>(scale / terms.loss_scale);
  outcome.correction1 = static_cast<float>(1 / (1 - std::pow(terms.beta1, count)));
  outcome.correction2 = static_cast<float>(1 / (1 - std::pow(terms.beta2, count)));
}

}  // namespace gpt2::kernels
