// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/optim/adamw.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

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
      exp_avg_sq_(model.device(), exp_avg_.bytes()) {
  model.device().fill_zero(exp_avg_.data(), exp_avg_.bytes());
  model.device().fill_zero(exp_avg_sq_.data(), exp_avg_sq_.bytes());
}

double AdamW::gradient_norm(const device::DeviceBuffer& gradients,
                            comm::Communicator& communicator) const {
  // Gaps and padding hold zeros, so the buffer is cut without regard to them.
  const comm::Shares shares(model_.table().buffer_elements(), communicator.size());
  std::array<double, comm::Shares::kUnits> sums{};
  const int end = shares.first_unit(communicator.rank() + 1);
  for (int unit = shares.first_unit(communicator.rank()); unit < end; ++unit) {
    const auto range = shares.unit(unit);
    if (range.count == 0) continue;
    sums[static_cast<std::size_t>(unit)] = model_.kernels().sum_of_squares(
        {gradients.f32() + range.first, DataType::kF32, {range.count}});
  }
  communicator.tree_sum(sums);  // the others have 0 in these places
  double sum = 0;
  for (const double unit : sums) sum += unit;
  return std::sqrt(sum);
}

double AdamW::gradient_scale(double norm) const {
  constexpr double kSmall = 1e-6;  // as torch.nn.utils.clip_grad_norm_
  return options_.grad_clip > 0 ? std::min(1.0, options_.grad_clip / (norm + kSmall)) : 1.0;
}

bool AdamW::is_safe(double norm) const {
  return norm * gradient_scale(norm) <= std::sqrt(std::numeric_limits<float>::max());
}

void AdamW::step(const device::DeviceBuffer& gradients, double norm, double learning_rate) {
  const double scale = gradient_scale(norm);
  ++step_count_;
  const auto copy = model_.compute_copy();
  for (const auto& parameter : model_.table().parameters()) {
    const auto part = owned_part(parameter);
    if (part.count == 0) continue;
    const auto first = parameter.offset + part.first;
    const auto part_of = [&](const device::DeviceBuffer& buffer, std::int64_t at) -> TensorView {
      return {buffer.f32() + at, DataType::kF32, {part.count}};
    };
    model_.kernels().adamw_update(
        {.parameter = part_of(model_.parameters(), first),
         .gradient = part_of(gradients, first),
         .exp_avg = part_of(exp_avg_, first - owned_.first),
         .exp_avg_sq = part_of(exp_avg_sq_, first - owned_.first),
         .compute_copy = copy ? copy.part(first, {part.count}) : TensorView(),
         .learning_rate = static_cast<float>(learning_rate),
         .beta1 = static_cast<float>(options_.beta1),
         .beta2 = static_cast<float>(options_.beta2),
         .epsilon = static_cast<float>(options_.epsilon),
         .weight_decay = parameter.decayed() ? static_cast<float>(options_.weight_decay) : 0.0F,
         .gradient_scale = static_cast<float>(scale),
         .step = step_count_});
  }
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
