// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Gradient slots: the sum over a step's micro-batches in one fixed order, whoever computes them. A
// slot sums its micro-batches in order; slots are joined pairwise, (0+1)+(2+3) ..., as a binary
// counter carries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "libcore/comm/communicator.h"
#include "libcore/device/device.h"
#include "libcore/kernels/kernels.h"

namespace gpt2::train {

/// The sum of a number of each slot of every rank, by the same tree.
double sum_over_slots(std::span<const double> of_slots, comm::Communicator& communicator);

/// The slots of one rank. Of S slots at most floor(log2(S)) + 1 gradient buffers live at once; they
/// are kept from step to step.
class GradientSlots {
 public:
  /// `elements`: size of one gradient buffer. `device` and `kernels` must outlive it.
  GradientSlots(device::Device& device, kernels::Kernels& kernels, std::int64_t elements);

  /// A zeroed buffer that the next slot's micro-batches add to. Opening one after join() begins a
  /// new step.
  const device::DeviceBuffer& open_slot();
  /// Ends the slot.
  void close_slot();
  /// Joins what is left, here and then over the ranks. This rank's share of the sum, and undefined
  /// values elsewhere; until the next open_slot(). Precondition: at least one slot was closed, none
  /// is open.
  const device::DeviceBuffer& join(comm::Communicator& communicator);

  std::size_t buffer_count() const { return partials_.size() + spare_.size(); }

 private:
  struct Partial {
    device::DeviceBuffer gradients;
    std::int64_t slot_count = 0;  // 0: open
  };
  void merge_last_two();
  device::TensorView view(const Partial& partial) const;

  device::Device& device_;
  kernels::Kernels& kernels_;
  std::int64_t elements_;
  std::vector<Partial> partials_;  // sums of neighbouring slots, oldest first
  std::vector<device::DeviceBuffer> spare_;
  bool joined_ = false;
};

}  // namespace gpt2::train
