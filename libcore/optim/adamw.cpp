// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/optim/adamw.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "formats/errors.h"

namespace gpt2::optim {
namespace {

using device::DataType;
using device::TensorView;

const AdamWOptions& checked(const AdamWOptions& options) {
  const auto refuse = [](std::string_view name, double value, std::string_view expected) {
    throw formats::UsageError(fmt::format("{} is {}; it must be {}", name, value, expected));
  };
  if (!(options.beta1 >= 0 && options.beta1 < 1)) {
    refuse("beta1", options.beta1, "at least 0 and below 1");
  }
  if (!(options.beta2 >= 0 && options.beta2 < 1)) {
    refuse("beta2", options.beta2, "at least 0 and below 1");
  }
  // Without it an element that never had a gradient would become 0 / 0.
  if (!(options.epsilon > 0 && std::isfinite(options.epsilon))) {
    refuse("epsilon", options.epsilon, "above 0");
  }
  if (!(options.weight_decay >= 0 && std::isfinite(options.weight_decay))) {
    refuse("the weight decay", options.weight_decay, "at least 0");
  }
  if (!(options.grad_clip >= 0 && std::isfinite(options.grad_clip))) {
    refuse("the gradient clip", options.grad_clip, "at least 0");
  }
  return options;
}

void check_sizes(const model::Parameter& parameter, std::int64_t count, std::size_t first,
                 std::size_t second) {
  const auto expected = static_cast<std::size_t>(count);
  if (first != expected || second != expected) {
    throw formats::UsageError(fmt::format("the moments of {} have {} elements each, not {} and {}",
                                          parameter.name, expected, first, second));
  }
}

}  // namespace

comm::ElementRange part_within(const model::Parameter& parameter, comm::ElementRange range) {
  const auto part = range.intersect({parameter.offset, parameter.element_count});
  return {part.first - parameter.offset, part.count};
}

AdamW::AdamW(model::Gpt2& model, const AdamWOptions& options)
    : AdamW(model, options, {0, model.table().buffer_elements()}) {}

AdamW::AdamW(model::Gpt2& model, const AdamWOptions& options, comm::ElementRange owned)
    : model_(model),
      options_(checked(options)),
      owned_(owned),
      exp_avg_(model.device(), static_cast<std::size_t>(owned.count) * sizeof(float)),
      exp_avg_sq_(model.device(), exp_avg_.bytes()),
      squares_(model.device(), comm::Shares::kUnits * sizeof(double)),
      outcome_(model.device(), sizeof(kernels::UpdateOutcome)) {
  for (const auto& parameter : model.table().parameters()) {
    const auto part = owned_part(parameter);
    if (part.count == 0) continue;
    parts_.push_back(
        {.first = parameter.offset + part.first - owned_.first,
         .count = part.count,
         .weight_decay = parameter.decayed() ? static_cast<float>(options_.weight_decay) : 0.0F});
  }
  model.device().fill_zero(exp_avg_.data(), exp_avg_.bytes());
  model.device().fill_zero(exp_avg_sq_.data(), exp_avg_sq_.bytes());
  model.device().fill_zero(outcome_.data(), outcome_.bytes());
}

void AdamW::decide(const device::DeviceBuffer& gradients, const StepLosses& losses,
                   comm::Communicator& communicator) {
  // Gaps and padding hold zeros, so the buffer is cut without regard to them.
  const comm::Shares shares(model_.table().buffer_elements(), communicator.size());
  const auto own = shares.of_rank(communicator.rank());
  const auto first = shares.first_unit(communicator.rank());
  const TensorView squares(squares_.data(), DataType::kF64, {comm::Shares::kUnits});
  auto& device = model_.device();
  device.fill_zero(squares_.data(), squares_.bytes());
  if (own.count != 0) {
    const auto part = shares.unit(0).count;
    const auto units = (own.count + part - 1) / part;
    model_.kernels().part_sums({.x = {gradients.f32() + own.first, DataType::kF32, {own.count}},
                                .sums = squares.part(first, {units}),
                                .part = part,
                                .squared = true});
  }
  if (communicator.size() > 1) {
    std::array<double, comm::Shares::kUnits> of_ranks{};
    device.copy_to_host(of_ranks.data(), squares.data, squares.bytes());
    communicator.tree_sum(of_ranks);  // the others have 0 in these places
    device.copy_to_device(squares.data, of_ranks.data(), squares.bytes());
  }
  model_.kernels().decide_update(
      {.loss_sums = losses.sums,
       .squares = squares,
       .token_count = losses.token_count,
       .grad_clip = options_.grad_clip,
       .beta1 = double{static_cast<float>(options_.beta1)},
       .beta2 = double{static_cast<float>(options_.beta2)},
       .loss_scale = losses.scale,
       .outcome = static_cast<kernels::UpdateOutcome*>(outcome_.data())});
}

std::int64_t AdamW::update_count() const {
  kernels::UpdateOutcome outcome;
  model_.device().copy_to_host(&outcome, outcome_.data(), sizeof outcome);
  return outcome.update_count;
}

void AdamW::set_update_count(std::int64_t count) {
  const kernels::UpdateOutcome outcome{.update_count = count};
  model_.device().copy_to_device(outcome_.data(), &outcome, sizeof outcome);
}

void AdamW::update(const device::DeviceBuffer& gradients, double learning_rate) {
  const auto owned = [&](const TensorView& buffer) {
    return buffer ? buffer.part(owned_.first, {owned_.count}) : TensorView();
  };
  const auto floats = [](const device::DeviceBuffer& buffer) -> TensorView {
    return {
        buffer.data(), DataType::kF32, {static_cast<std::int64_t>(buffer.bytes() / sizeof(float))}};
  };
  model_.kernels().adamw_update({.parameter = owned(floats(model_.parameters())),
                                 .gradient = owned(floats(gradients)),
                                 .exp_avg = floats(exp_avg_),
                                 .exp_avg_sq = floats(exp_avg_sq_),
                                 .compute_copy = owned(model_.compute_copy()),
                                 .parts = parts_,
                                 .learning_rate = static_cast<float>(learning_rate),
                                 .beta1 = static_cast<float>(options_.beta1),
                                 .beta2 = static_cast<float>(options_.beta2),
                                 .epsilon = static_cast<float>(options_.epsilon),
                                 .outcome = outcome()});
}

void AdamW::load_moments(const model::Parameter& parameter, std::span<const float> exp_avg,
                         std::span<const float> exp_avg_sq) {
  const auto part = owned_part(parameter);
  check_sizes(parameter, part.count, exp_avg.size(), exp_avg_sq.size());
  if (part.count == 0) return;
  const auto at = parameter.offset + part.first - owned_.first;
  auto& device = model_.device();
  device.copy_to_device(exp_avg_.f32() + at, exp_avg.data(), exp_avg.size_bytes());
  device.copy_to_device(exp_avg_sq_.f32() + at, exp_avg_sq.data(), exp_avg_sq.size_bytes());
}

void AdamW::store_moments(const model::Parameter& parameter, std::span<float> exp_avg,
                          std::span<float> exp_avg_sq) const {
  const auto part = owned_part(parameter);
  check_sizes(parameter, part.count, exp_avg.size(), exp_avg_sq.size());
  if (part.count == 0) return;
  const auto at = parameter.offset + part.first - owned_.first;
  auto& device = model_.device();
  device.copy_to_host(exp_avg.data(), exp_avg_.f32() + at, exp_avg.size_bytes());
  device.copy_to_host(exp_avg_sq.data(), exp_avg_sq_.f32() + at, exp_avg_sq.size_bytes());
}

}  // namespace gpt2::optim
