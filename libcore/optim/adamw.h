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

/// Of a step, whose loss is their sum / token_count.
struct StepLosses {
  device::TensorView sums;  // double, of the slots; joined pairwise, in place
  double token_count;
  double scale = 1;  // a power of two: the gradients are those of scale x loss
};

/// The elements of `parameter`, counted from its first, that lie in `range` of the buffer.
comm::ElementRange part_within(const model::Parameter& parameter, comm::ElementRange range);

class AdamW {
 public:
  /// What an AdamW takes beside its moments. Units: bytes.
  static constexpr std::size_t kFixedBytes =
      comm::Shares::kUnits * sizeof(double) + sizeof(kernels::UpdateOutcome);
  /// Updates all parameters. Moments start at zero.
  AdamW(model::Gpt2& model, const AdamWOptions& options);
  /// Updates, and has moments of, the elements `owned` of the parameter buffer alone.
  AdamW(model::Gpt2& model, const AdamWOptions& options, comm::ElementRange owned);
  /// Finds the global L2 norm of the gradients, of which each rank has its own share: in double,
  /// the same for any number of ranks. Decides whether they and the loss are fit for an update
  /// (kernels/update_outcome.h), then the same way. All ranks call it. Stream: queued, but for the
  /// sums of several ranks, which are waited for.
  void decide(const device::DeviceBuffer& gradients, const StepLosses& losses,
              comm::Communicator& communicator);
  /// The update that was decided on, with gradients x min(1, clip / (norm + 1e-6)); none, if it was
  /// to be left out. Stream: queued.
  void update(const device::DeviceBuffer& gradients, double learning_rate);
  /// What decide() came to, in the device's memory.
  const kernels::UpdateOutcome* outcome() const {
    return static_cast<const kernels::UpdateOutcome*>(outcome_.data());
  }
  /// Updates done. Waits for the device.
  std::int64_t update_count() const;
  void set_update_count(std::int64_t count);
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
  model::Gpt2& model_;
  AdamWOptions options_;
  comm::ElementRange owned_;
  std::vector<kernels::AdamWPart> parts_;  // of the parameters, counted from the first owned one
  device::DeviceBuffer exp_avg_, exp_avg_sq_;
  device::DeviceBuffer squares_;  // (comm::Shares::kUnits) double, of the gradients
  device::DeviceBuffer outcome_;
};

}  // namespace gpt2::optim
