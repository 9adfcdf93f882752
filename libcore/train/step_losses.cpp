// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/step_losses.h"

#include <vector>

#include "libcore/train/gradient_slots.h"

namespace gpt2::train {
namespace {

using device::DataType;
using device::TensorView;

std::size_t bytes_of_losses(const RankShare& share, const TrainingPlan& plan) {
  return static_cast<std::size_t>(share.slots * share.micro_batches * plan.B * plan.T) *
         sizeof(float);
}
std::size_t bytes_of_sums(const RankShare& share) {
  return static_cast<std::size_t>(share.slots) * sizeof(double);
}

}  // namespace

std::size_t StepLossBuffer::bytes(const RankShare& share, const TrainingPlan& plan) {
  return bytes_of_losses(share, plan) + bytes_of_sums(share);
}

StepLossBuffer::StepLossBuffer(device::Device& device, const RankShare& share,
                               const TrainingPlan& plan)
    : device_(device),
      slots_(share.slots),
      micro_batches_(share.micro_batches),
      positions_(plan.B * plan.T),
      losses_(device, bytes_of_losses(share, plan)),
      sums_(device, bytes_of_sums(share)) {}

TensorView StepLossBuffer::of_micro_batch(std::int64_t slot, std::int64_t micro_batch) const {
  return {losses_.f32() + (slot * micro_batches_ + micro_batch) * positions_,
          DataType::kF32,
          {positions_}};
}

TensorView StepLossBuffer::sums(kernels::Kernels& kernels, comm::Communicator& communicator) const {
  const TensorView sums(sums_.data(), DataType::kF64, {slots_});
  kernels.part_sums({.x = {losses_.data(), DataType::kF32, {slots_ * micro_batches_ * positions_}},
                     .sums = sums,
                     .part = micro_batches_ * positions_});
  if (communicator.size() == 1) return sums;
  std::vector<double> of_slots(static_cast<std::size_t>(slots_));
  device_.copy_to_host(of_slots.data(), sums.data, sums.bytes());
  const double sum = sum_over_slots(of_slots, communicator);
  device_.copy_to_device(sums.data, &sum, sizeof sum);
  return sums.part(0, {1});
}

}  // namespace gpt2::train
