// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A step of an optimizer without a trainer.
#pragma once

#include "libcore/optim/adamw.h"

namespace gpt2::support {

/// One step of a rank alone with this mean loss, and gradients of loss_scale times it; what it came
/// to.
inline kernels::UpdateOutcome take_step(optim::AdamW& optimizer, device::Device& device,
                                        const device::DeviceBuffer& gradients, double learning_rate,
                                        double loss = 1, double loss_scale = 1) {
  const device::DeviceBuffer sum(device, sizeof loss);
  device.copy_to_device(sum.data(), &loss, sizeof loss);
  const auto alone = comm::make_solo_communicator();
  optimizer.decide(
      gradients,
      {.sums = {sum.data(), device::DataType::kF64, {1}}, .token_count = 1, .scale = loss_scale},
      *alone);
  optimizer.update(gradients, learning_rate);
  kernels::UpdateOutcome outcome;
  device.copy_to_host(&outcome, optimizer.outcome(), sizeof outcome);
  return outcome;
}

}  // namespace gpt2::support
