// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/training_snapshot.h"

#include <cstddef>

namespace gpt2::train {
namespace {

template <typename Float>
std::span<Float> part_of(Float* buffer, const model::Parameter& parameter) {
  return {buffer + parameter.offset, static_cast<std::size_t>(parameter.element_count)};
}

}  // namespace

TrainingSnapshot::TrainingSnapshot(const model::Gpt2& model) : model_(model) {
  for (auto* buffer : {&weights_, &exp_avg_, &exp_avg_sq_}) {
    *buffer = std::make_unique_for_overwrite<float[]>(
        static_cast<std::size_t>(model.table().buffer_elements()));
  }
}

void TrainingSnapshot::take(const optim::AdamW& optimizer) {
  for (const auto& parameter : table().parameters()) {
    model_.store_parameter(parameter, part_of(weights_.get(), parameter));
    optimizer.store_moments(parameter, part_of(exp_avg_.get(), parameter),
                            part_of(exp_avg_sq_.get(), parameter));
  }
  update_count_ = optimizer.step_count();
}

std::span<const float> TrainingSnapshot::weights(const model::Parameter& parameter) const {
  return part_of(weights_.get(), parameter);
}
std::span<const float> TrainingSnapshot::exp_avg(const model::Parameter& parameter) const {
  return part_of(exp_avg_.get(), parameter);
}
std::span<const float> TrainingSnapshot::exp_avg_sq(const model::Parameter& parameter) const {
  return part_of(exp_avg_sq_.get(), parameter);
}

}  // namespace gpt2::train
