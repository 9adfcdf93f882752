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
                             std::int64_t elements, comm::Communicator& communicator,
                             device::DataType wire)
    : device_(device),
      kernels_(kernels),
      elements_(elements),
      wire_(wire),
      communicator_(communicator),
      of_thread_(device.is_host() ? communicator.duplicate() : nullptr) {}

device::TensorView GradientSlots::view(const Partial& partial, comm::ElementRange range) const {
  return {partial.gradients.f32() + range.first, device::DataType::kF32, {range.count}};
}

const device::DeviceBuffer& GradientSlots::open_slot() {
  if (joined_) {
    spare_.push_back(std::move(partials_.back().gradients));
    partials_.clear();
    joined_ = false;
  }
  assert(partials_.empty() || partials_.back().slot_count > 0);
  while (partials_.size() > 1 &&
         partials_.back().slot_count == partials_[partials_.size() - 2].slot_count) {
    add_next(partials_.size() - 2, {0, elements_});
    drop_last();
  }
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
  unfinished_ = elements_;
  return partials_.back().gradients;
}

void GradientSlots::close_slot() {
  assert(!partials_.empty() && partials_.back().slot_count == 0);
  partials_.back().slot_count = 1;
}

void GradientSlots::add_next(std::size_t to, comm::ElementRange range) {
  comm::join_terms(kernels_, view(partials_[to], range), view(partials_[to + 1], range), wire_);
}

void GradientSlots::drop_last() {
  Partial later = std::move(partials_.back());
  partials_.pop_back();
  partials_.back().slot_count += later.slot_count;
  spare_.push_back(std::move(later.gradients));
}

void GradientSlots::finish_from(std::int64_t first) {
  assert(!partials_.empty() && first <= unfinished_);
  const comm::ElementRange range{first, unfinished_ - first};
  unfinished_ = first;
  for (std::size_t to = partials_.size() - 1; to-- > 0;) add_next(to, range);
  if (!sums_early()) return;
  under_way_ = std::async(std::launch::async, [this, before = std::move(under_way_),
                                               values = all_of_first(), range]() mutable {
    if (before.valid()) before.get();
    of_thread_->reduce_shares(values, {elements_, of_thread_->size()}, range, wire_);
  });
}

const device::DeviceBuffer& GradientSlots::join() {
  assert(!partials_.empty() && partials_.back().slot_count > 0);
  finish_from(0);
  while (partials_.size() > 1) drop_last();
  joined_ = true;
  if (under_way_.valid()) under_way_.get();
  if (!of_thread_) {
    communicator_.reduce_shares(all_of_first(), {elements_, communicator_.size()}, {0, elements_},
                                wire_);
  }
  return partials_.front().gradients;
}

}  // namespace gpt2::train
