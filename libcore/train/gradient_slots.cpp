// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/gradient_slots.h"

#include <cassert>
#include <utility>

namespace gpt2::train {

double sum_over_slots(std::span<const double> of_slots, comm::Communicator& communicator) {
  std::vector<double> sums(of_slots.begin(), of_slots.end());
  comm::join_pairwise(sums.size(), [&](std::size_t i, std::size_t k) { sums[i] += sums[k]; });
  communicator.tree_sum(std::span(sums).first(1));
  return sums.front();
}

GradientSlots::GradientSlots(device::Device& device, kernels::Kernels& kernels,
                             std::int64_t elements)
    : device_(device), kernels_(kernels), elements_(elements) {}

device::TensorView GradientSlots::view(const Partial& partial) const {
  return {partial.gradients.data(), device::DataType::kF32, {elements_}};
}

const device::DeviceBuffer& GradientSlots::open_slot() {
  if (joined_) {
    spare_.push_back(std::move(partials_.back().gradients));
    partials_.clear();
    joined_ = false;
  }
  assert(partials_.empty() || partials_.back().slot_count > 0);
  Partial partial;
  if (spare_.empty()) {
    partial.gradients =
        device::DeviceBuffer(device_, static_cast<std::size_t>(elements_) * sizeof(float));
  } else {
    partial.gradients = std::move(spare_.back());
    spare_.pop_back();
  }
  device_.fill_zero(partial.gradients.data(), partial.gradients.bytes());
  partials_.push_back(std::move(partial));
  return partials_.back().gradients;
}

void GradientSlots::close_slot() {
  assert(!partials_.empty() && partials_.back().slot_count == 0);
  partials_.back().slot_count = 1;
  while (partials_.size() > 1 &&
         partials_.back().slot_count == partials_[partials_.size() - 2].slot_count) {
    merge_last_two();
  }
}

void GradientSlots::merge_last_two() {
  Partial later = std::move(partials_.back());
  partials_.pop_back();
  Partial& earlier = partials_.back();
  kernels_.add(view(earlier), view(later));
  earlier.slot_count += later.slot_count;
  spare_.push_back(std::move(later.gradients));
}

const device::DeviceBuffer& GradientSlots::join(comm::Communicator& communicator) {
  assert(!partials_.empty() && partials_.back().slot_count > 0);
  while (partials_.size() > 1) merge_last_two();
  joined_ = true;
  Partial& total = partials_.front();
  communicator.reduce_shares(kernels_, view(total), {elements_, communicator.size()});
  return total.gradients;
}

}  // namespace gpt2::train
