// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The losses of a step's micro-batches, in the device's memory until their sum is asked for.
#pragma once

#include <cstddef>
#include <cstdint>

#include "libcore/comm/communicator.h"
#include "libcore/device/device.h"
#include "libcore/kernels/kernels.h"
#include "libcore/train/training_config.h"

namespace gpt2::train {

/// Of one rank. `device` must outlive it.
class StepLossBuffer {
 public:
  /// What it takes. Units: bytes.
  static std::size_t bytes(const RankShare& share, const TrainingPlan& plan);
  StepLossBuffer(device::Device& device, const RankShare& share, const TrainingPlan& plan);

  /// (B, T) float, of this rank's slots and their micro-batches.
  device::TensorView of_micro_batch(std::int64_t slot, std::int64_t micro_batch) const;
  /// Their sums by slot, in double; of several ranks, who all call it, the one sum by the same
  /// tree. Stream: queued, but for the sum of several ranks, which is waited for.
  device::TensorView sums(kernels::Kernels& kernels, comm::Communicator& communicator) const;

 private:
  device::Device& device_;
  std::int64_t slots_, micro_batches_, positions_;  // of a micro-batch
  device::DeviceBuffer losses_;                     // (slots, micro-batches, B, T) float
  device::DeviceBuffer sums_;                       // (slots) double
};

}  // namespace gpt2::train
