// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// AdamW over a model's parameter buffer, with decay on 2-D tensors, clipping by the global norm,
// and its moments.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "libcore/kernels/kernels.h"
#include "libcore/model/gpt2.h"

namespace gpt2::optim {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weight_decay = 0.1;
  double grad_clip = 1.0;  // 0: off
};

class AdamW {
 public:
  /// Moments start at zero.
  AdamW(model::Gpt2& model, const AdamWOptions& options);
  /// Global L2 norm of the gradients, in double, fixed order.
  double gradient_norm(const device::DeviceBuffer& gradients) const;
  /// One update with gradients x min(1, clip / (norm + 1e-6)). Precondition: norm is finite.
  void step(const device::DeviceBuffer& gradients, double norm, double learning_rate);
  std::int64_t step_count() const { return step_count_; }
  void set_step_count(std::int64_t count) { step_count_ = count; }
  /// Unpadded moments of one parameter, to and from the host.
  void load_moments(const model::Parameter& parameter, std::span<const float> exp_avg,
                    std::span<const float> exp_avg_sq);
  void store_moments(const model::Parameter& parameter, std::span<float> exp_avg,
                     std::span<float> exp_avg_sq) const;

 private:
  model::Gpt2& model_;
  AdamWOptions options_;
  device::DeviceBuffer exp_avg_, exp_avg_sq_;
  std::int64_t step_count_ = 0;
};

}  // namespace gpt2::optim
