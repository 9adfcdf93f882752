// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Gradient slots: the sum over a step's micro-batches in one fixed order, whoever computes them. A
// slot sums its micro-batches in order; slots are joined pairwise, (0+1)+(2+3) ..., as a binary
// counter carries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
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
  /// `elements`: size of one gradient buffer. With a `wire` of kBF16 (else kF32) both terms of
  /// every join are rounded to it first, those of one rank too: the sum is the same for any number
  /// of ranks. `device` and `kernels` must outlive it. All ranks of `communicator` make one.
  GradientSlots(device::Device& device, kernels::Kernels& kernels, std::int64_t elements,
                comm::Communicator& communicator, device::DataType wire);
  /// Waits for what was sent; the other ranks come to it too.
  ~GradientSlots() = default;

  /// A zeroed buffer that the next slot's micro-batches add to. Opening one after join() begins a
  /// new step.
  const device::DeviceBuffer& open_slot();
  void close_slot();
  /// Whether finish_from() brings anything.
  bool sums_early() const { return of_thread_ && communicator_.size() > 1; }
  /// Nothing is added any more, in this step, to elements from `first` on, which only becomes less
  /// from call to call: they are joined, and the ranks sum them while the caller goes on. GPUs sum
  /// all elements at once, in join(): those of one layer are the share of one or two ranks, whose
  /// links alone would carry them.
  /// Precondition: the open slot is the last one of the step, and every rank makes the same calls.
  void finish_from(std::int64_t first);

  /// Joins what is left, here and then over the ranks. This rank's share of the sum, and undefined
  /// values elsewhere; until the next open_slot(). Precondition: at least one slot was closed, none
  /// is open.
  const device::DeviceBuffer& join();

  std::size_t buffer_count() const { return partials_.size() + spare_.size(); }

 private:
  struct Partial {
    device::DeviceBuffer gradients;
    std::int64_t slot_count = 0;  // 0: open
  };
  /// Adds elements of the partial after `to` to it.
  void add_next(std::size_t to, comm::ElementRange range);
  /// The last one is in the one before.
  void drop_last();
  device::TensorView view(const Partial& partial, comm::ElementRange range) const;
  device::TensorView all_of_first() const { return view(partials_.front(), {0, elements_}); }

  device::Device& device_;
  kernels::Kernels& kernels_;
  std::int64_t elements_;
  device::DataType wire_;
  comm::Communicator& communicator_;
  std::unique_ptr<comm::Communicator> of_thread_;  // that under way; none on a GPU
  std::vector<Partial> partials_;                  // sums of neighbouring slots, oldest first
  std::vector<device::DeviceBuffer> spare_;
  std::int64_t unfinished_ = 0;  // elements of this step before those that are finished
  bool joined_ = false;
  std::future<void> under_way_;  // last: joined before what its thread uses goes
};

}  // namespace gpt2::train
