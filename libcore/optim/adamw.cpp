// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/optim/adamw.h"

#include <fmt/format.h>

#include <algorithm>
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

/// The elements of one parameter in a buffer laid out as the parameters.
TensorView elements_of(const model::Parameter& parameter, const device::DeviceBuffer& buffer) {
  return {buffer.f32() + parameter.offset, DataType::kF32, {parameter.element_count}};
}

void check_sizes(const model::Parameter& parameter, std::size_t first, std::size_t second) {
  const auto expected = static_cast<std::size_t>(parameter.element_count);
  if (first != expected || second != expected) {
    throw formats::UsageError(fmt::format("the moments of {} have {} elements each, not {} and {}",
                                          parameter.name, expected, first, second));
  }
}

}  // namespace

AdamW::AdamW(model::Gpt2& model, const AdamWOptions& options)
    : model_(model),
      options_(checked(options)),
      exp_avg_(model.device(), model.table().buffer_bytes()),
      exp_avg_sq_(model.device(), model.table().buffer_bytes()) {
  model.device().fill_zero(exp_avg_.data(), exp_avg_.bytes());
  model.device().fill_zero(exp_avg_sq_.data(), exp_avg_sq_.bytes());
}

double AdamW::gradient_norm(const device::DeviceBuffer& gradients) const {
  // Gaps and padding hold zeros, so the whole buffer is one tensor.
  return std::sqrt(model_.kernels().sum_of_squares(
      {gradients.data(), DataType::kF32, {model_.table().buffer_elements()}}));
}

void AdamW::step(const device::DeviceBuffer& gradients, double norm, double learning_rate) {
  constexpr double kSmall = 1e-6;  // as torch.nn.utils.clip_grad_norm_
  const double scale =
      options_.grad_clip > 0 ? std::min(1.0, options_.grad_clip / (norm + kSmall)) : 1.0;
  ++step_count_;
  for (const auto& parameter : model_.table().parameters()) {
    model_.kernels().adamw_update(
        {.parameter = elements_of(parameter, model_.parameters()),
         .gradient = elements_of(parameter, gradients),
         .exp_avg = elements_of(parameter, exp_avg_),
         .exp_avg_sq = elements_of(parameter, exp_avg_sq_),
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
  check_sizes(parameter, exp_avg.size(), exp_avg_sq.size());
  auto& device = model_.device();
  device.copy_to_device(exp_avg_.f32() + parameter.offset, exp_avg.data(), exp_avg.size_bytes());
  device.copy_to_device(exp_avg_sq_.f32() + parameter.offset, exp_avg_sq.data(),
                        exp_avg_sq.size_bytes());
}

void AdamW::store_moments(const model::Parameter& parameter, std::span<float> exp_avg,
                          std::span<float> exp_avg_sq) const {
  check_sizes(parameter, exp_avg.size(), exp_avg_sq.size());
  auto& device = model_.device();
  device.copy_to_host(exp_avg.data(), exp_avg_.f32() + parameter.offset, exp_avg.size_bytes());
  device.copy_to_host(exp_avg_sq.data(), exp_avg_sq_.f32() + parameter.offset,
                      exp_avg_sq.size_bytes());
}

}  // namespace gpt2::optim
