// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// AdamW over a model's parameter buffer, with decay on 2-D tensors, clipping by the global norm,
// and its moments.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "libcore/comm/communicator.h"
#include "libcore/kernels/kernels.h"
#include "libcore/model/gpt2.h"

namespace gpt2::optim {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weight_decay = 0.1;
  double grad_clip = 1.0;  // 0: off
};

/// The elements of `parameter`, counted from its first, that lie in `range` of the buffer.
comm::ElementRange part_within(const model::Parameter& parameter, comm::ElementRange range);

class AdamW {
 public:
  /// Updates all parameters. Moments start at zero.
  AdamW(model::Gpt2& model, const AdamWOptions& options);
  /// Updates, and has moments of, the elements `owned` of the parameter buffer alone.
  AdamW(model::Gpt2& model, const AdamWOptions& options, comm::ElementRange owned);
  /// Global L2 norm of the gradients, of which each rank has its own share; in double, the same for
  /// any number of ranks. All ranks call it.
  double gradient_norm(const device::DeviceBuffer& gradients,
                       comm::Communicator& communicator) const;
  /// Whether an update by gradients of this norm stays finite: after clipping, its square must be a
  /// float, as the second moment adds squares up.
  bool is_safe(double norm) const;
  /// One update with gradients x min(1, clip / (norm + 1e-6)). Precondition: is_safe(norm).
  void step(const device::DeviceBuffer& gradients, double norm, double learning_rate);
  std::int64_t step_count() const { return step_count_; }
  void set_step_count(std::int64_t count) { step_count_ = count; }
  /// The elements of `parameter`, counted from its first, that are updated here.
  comm::ElementRange owned_part(const model::Parameter& parameter) const {
    return part_within(parameter, owned_);
  }
  /// Moments of that part of one parameter, to and from the host.
  void load_moments(const model::Parameter& parameter, std::span<const float> exp_avg,
                    std::span<const float> exp_avg_sq);
  void store_moments(const model::Parameter& parameter, std::span<float> exp_avg,
                     std::span<float> exp_avg_sq) const;

 private:
  double gradient_scale(double norm) const;

  model::Gpt2& model_;
  AdamWOptions options_;
  comm::ElementRange owned_;
  std::vector<kernels::AdamWPart> parts_;  // of the parameters, counted from the first owned one
  device::DeviceBuffer exp_avg_, exp_avg_sq_;
  std::int64_t step_count_ = 0;
};

}  // namespace gpt2::optim
