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

TrainingSnapshot::TrainingSnapshot(const model::Gpt2& model)
    : TrainingSnapshot(model, {0, model.table().buffer_elements()}) {}

TrainingSnapshot::TrainingSnapshot(const model::Gpt2& model, comm::ElementRange share)
    : model_(model), share_(share) {
  for (auto* buffer : {&weights_, &exp_avg_, &exp_avg_sq_}) {
    *buffer = std::make_unique_for_overwrite<float[]>(
        static_cast<std::size_t>(model.table().buffer_elements()));
  }
}

void TrainingSnapshot::take(const optim::AdamW& optimizer, bool with_weights) {
  for (const auto& parameter : table().parameters()) {
    if (with_weights) model_.store_parameter(parameter, part_of(weights_.get(), parameter));
    const auto owned = optimizer.owned_part(parameter);
    if (owned.count == 0) continue;
    const auto count = static_cast<std::size_t>(owned.count);
    const auto first = parameter.offset + owned.first;
    optimizer.store_moments(parameter, {exp_avg_.get() + first, count},
                            {exp_avg_sq_.get() + first, count});
  }
  update_count_ = optimizer.update_count();
}

std::span<const float> TrainingSnapshot::weights(const model::Parameter& parameter) const {
  return part_of(weights_.get(), parameter);
}

std::span<const float> TrainingSnapshot::in_share(const Buffer& buffer,
                                                  const model::Parameter& parameter) const {
  const auto share = share_of(parameter);
  if (share.count == 0) return {};
  return {buffer.get() + parameter.offset + share.first, static_cast<std::size_t>(share.count)};
}
std::span<const float> TrainingSnapshot::exp_avg(const model::Parameter& parameter) const {
  return in_share(exp_avg_, parameter);
}
std::span<const float> TrainingSnapshot::exp_avg_sq(const model::Parameter& parameter) const {
  return in_share(exp_avg_sq_, parameter);
}

}  // namespace gpt2::train
