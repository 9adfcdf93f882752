// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/model/gpt2.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <compare>
#include <map>
#include <numbers>

#include "formats/errors.h"
#include "libcore/kernels/philox.h"
#include "libcore/model/transformer.h"

namespace gpt2::model {
namespace {

using device::DataType;

/// Two independent standard normal numbers from two words.
/// Source: Box and Muller 1958, A Note on the Generation of Random Normal Deviates.
std::pair<double, double> normal_pair(std::uint32_t a, std::uint32_t b) {
  const double radius = std::sqrt(-2 * std::log((a + 0.5) / 0x1p32));
  const double angle = 2 * std::numbers::pi * (b / 0x1p32);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

void fill_normal(std::span<float> values, double deviation, std::uint32_t seed,
                 std::uint64_t sequence, int threads) {
  const auto count = static_cast<std::int64_t>(values.size());
#pragma omp parallel for num_threads(threads)
  for (std::int64_t first = 0; first < count; first += 4) {
    const auto words = kernels::random_quad(seed, kernels::RandomPurpose::kInitialisation, sequence,
                                            0, static_cast<std::uint32_t>(first / 4));
    const auto [z0, z1] = normal_pair(words[0], words[1]);
    const auto [z2, z3] = normal_pair(words[2], words[3]);
    const std::array normals{z0, z1, z2, z3};
    for (std::int64_t k = 0; k < std::min<std::int64_t>(4, count - first); ++k) {
      values[first + k] = static_cast<float>(deviation * normals[k]);
    }
  }
}

template <typename Value>
void check_size(const Parameter& parameter, std::span<Value> values) {
  if (values.size() != static_cast<std::size_t>(parameter.element_count)) {
    throw formats::UsageError(fmt::format("{} has {} elements, not {}", parameter.name,
                                          parameter.element_count, values.size()));
  }
}

}  // namespace

struct Gpt2::State {
  explicit State(const Gpt2& model)
      : parameters(view_parameters(model)),
        arena(model.device(), model.config(), model.kernels().compute_type()) {}

  /// Passes without dropout are the same work again and again.
  struct Pass {
    std::int64_t B, T;
    float scale = 0;
    const void* gradients = nullptr;
    auto operator<=>(const Pass&) const = default;
  };
  void run(const Pass& pass, kernels::Kernels& kernels, const std::function<void()>& queue) {
    constexpr std::size_t kMostRecorded = 16;
    auto at = recorded.find(pass);
    if (at == recorded.end()) {
      if (recorded.size() == kMostRecorded) recorded.clear();
      at = recorded.emplace(pass, kernels.record()).first;
    }
    at->second->run(queue);
  }

  ModelTensors parameters;
  ActivationArena arena;
  std::map<Pass, std::unique_ptr<device::RecordedWork>> recorded;
};

Gpt2::Gpt2(device::Device& device, kernels::Kernels& kernels, const Gpt2Config& config)
    : device_(device),
      kernels_(kernels),
      config_(config),
      table_(config),
      parameters_(device, table_.buffer_bytes()) {
  if (const auto type = kernels.compute_type(); type != DataType::kF32) {
    const auto elements = static_cast<std::size_t>(table_.buffer_elements());
    compute_copy_ = device::DeviceBuffer(device, elements * bytes_of(type));
    device.fill_zero(compute_copy_.data(), compute_copy_.bytes());
  }
  state_ = std::make_unique<State>(*this);
  // Only the gaps are cleared: a parameter's memory is first touched when it gets its values.
  const auto& all = table_.parameters();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto begin = all[i].offset + all[i].element_count;
    const auto end = i + 1 < all.size() ? all[i + 1].offset : table_.buffer_elements();
    device.fill_zero(parameters_.f32() + begin, static_cast<std::size_t>(end - begin) * 4);
  }
}

Gpt2::Gpt2(Gpt2&&) noexcept = default;
Gpt2::~Gpt2() = default;

TensorView Gpt2::compute_copy() const {
  if (compute_copy_.data() == nullptr) return {};
  return {compute_copy_.data(), kernels_.compute_type(), {table_.buffer_elements()}};
}

void Gpt2::renew_compute_copy() {
  const auto copy = compute_copy();
  if (!copy) return;
  kernels_.convert(copy, {parameters_.data(), DataType::kF32, {table_.buffer_elements()}});
}

std::size_t Gpt2::compute_bytes() const {
  const auto copy = compute_copy();
  return copy ? copy.bytes() : parameters_.bytes();
}

void Gpt2::initialise(std::uint32_t seed) {
  constexpr double kDeviation = 0.02;
  const double projection_deviation =
      kDeviation / std::sqrt(2.0 * static_cast<double>(config_.layers));
  std::vector<float> values;
  for (std::size_t number = 0; number < table_.parameters().size(); ++number) {
    const auto& parameter = table_.parameters()[number];
    values.resize(static_cast<std::size_t>(parameter.element_count));
    if (parameter.shape.size() == 2) {
      const bool projection = parameter.name.ends_with(".c_proj.weight");
      fill_normal(values, projection ? projection_deviation : kDeviation, seed, number,
                  device_.threads());
    } else {
      const bool gain = parameter.name.ends_with(".weight");
      std::fill(values.begin(), values.end(), gain ? 1.0F : 0.0F);
    }
    load_parameter(parameter, values);
  }
}

void Gpt2::load_parameter(const Parameter& parameter, std::span<const float> values) {
  check_size(parameter, values);
  const TensorView masters(parameters_.f32() + parameter.offset, DataType::kF32,
                           {parameter.element_count});
  device_.copy_to_device(masters.data, values.data(), values.size_bytes());
  if (const auto copy = compute_copy()) {
    kernels_.convert(copy.part(parameter.offset, {parameter.element_count}), masters);
  }
}

void Gpt2::store_parameter(const Parameter& parameter, std::span<float> values) const {
  check_size(parameter, values);
  device_.copy_to_host(values.data(), parameters_.f32() + parameter.offset, values.size_bytes());
}

void Gpt2::check_shape(std::size_t token_count, std::int64_t B, std::int64_t T) const {
  if (B < 1 || T < 1 || T > config_.context) {
    throw formats::UsageError(
        fmt::format("{} sequences of {} tokens do not fit a context of {}", B, T, config_.context));
  }
  if (token_count != static_cast<std::size_t>(B * T)) {
    throw formats::UsageError(
        fmt::format("{} x {} positions need as many tokens, not {}", B, T, token_count));
  }
}

void Gpt2::prepare_training(std::int64_t B, std::int64_t T, Recomputation level) {
  check_shape(static_cast<std::size_t>(B * T), B, T);
  state_->arena.set_recomputation(level);
  state_->recorded.clear();  // at another level activations lie elsewhere
  state_->arena.plan(B, T, true);
}

void Gpt2::attend(const Activations& a, std::int64_t B, std::int64_t T, const DropoutPlan& dropout,
                  std::int64_t layer) {
  const auto& block = a.layers[static_cast<std::size_t>(layer)];
  kernels_.attention_forward({.qkv = block.qkv,
                              .out = block.attention,
                              .lse = block.lse,
                              .B = B,
                              .T = T,
                              .C = config_.channels,
                              .H = config_.heads,
                              .dropout = attention_dropout(dropout, layer)});
}

const Activations& Gpt2::upload(std::span<const std::int32_t> tokens, std::int64_t B,
                                std::int64_t T, bool training) {
  check_shape(tokens.size(), B, T);
  check_tokens(tokens, config_.vocab_size, false);
  const auto& a = state_->arena.plan(B, T, training);
  device_.queue_to_device(a.tokens.data, tokens.data(), tokens.size_bytes());
  return a;
}

void Gpt2::forward(const Activations& a, std::int64_t B, std::int64_t T,
                   const DropoutPlan& dropout) {
  const auto& p = state_->parameters;
  embed_tokens(kernels_, config_, p, a, B, T, {}, dropout);
  forward_layers(kernels_, config_, p, a, B, T, dropout,
                 [&](std::int64_t layer) { attend(a, B, T, dropout, layer); });
  last_layernorm(kernels_, config_, p, a, B, T, dropout);
}

void Gpt2::losses(std::span<const std::int32_t> tokens, std::span<const std::int32_t> targets,
                  std::int64_t B, std::int64_t T, std::span<float> losses) {
  check_shape(targets.size(), B, T);
  check_shape(losses.size(), B, T);
  check_tokens(targets, config_.vocab_size, true);
  const auto& a = upload(tokens, B, T, false);
  device_.queue_to_device(a.targets.data, targets.data(), targets.size_bytes());
  state_->run({.B = B, .T = T}, kernels_, [&] {
    forward(a, B, T, {});
    kernels_.classifier_forward({.x = a.ln_f,
                                 .wte = state_->parameters.wte,
                                 .targets = a.targets,
                                 .losses = a.losses,
                                 .N = B * T,
                                 .C = config_.channels,
                                 .V = config_.vocab_size});
  });
  device_.copy_to_host(losses.data(), a.losses.data, losses.size_bytes());
}

void Gpt2::logits(std::span<const std::int32_t> tokens, std::int64_t B, std::int64_t T,
                  std::span<float> logits) {
  const auto V = config_.vocab_size;
  if (logits.size() != tokens.size() * static_cast<std::size_t>(V)) {
    throw formats::UsageError(fmt::format("{} tokens need {} x {} logits, not {}", tokens.size(),
                                          tokens.size(), V, logits.size()));
  }
  const auto& a = upload(tokens, B, T, false);
  forward(a, B, T, {});
  const device::DeviceBuffer memory(device_, logits.size_bytes());
  kernels_.head_forward({.x = a.ln_f,
                         .wte = state_->parameters.wte,
                         .logits = TensorView(memory.data(), DataType::kF32, {B * T, V}),
                         .N = B * T,
                         .C = config_.channels,
                         .V = V});
  device_.copy_to_host(logits.data(), memory.data(), logits.size_bytes());
}

void Gpt2::forward_backward(std::span<const std::int32_t> tokens,
                            std::span<const std::int32_t> targets, std::int64_t B, std::int64_t T,
                            float scale, const DropoutPlan& dropout,
                            const device::DeviceBuffer& gradients, const TensorView& losses,
                            const FinishedFrom& finished_from) {
  check_shape(targets.size(), B, T);
  check_shape(static_cast<std::size_t>(losses.element_count()), B, T);
  check_tokens(targets, config_.vocab_size, true);
  if (!(dropout.probability >= 0 && dropout.probability < 1)) {
    throw formats::UsageError(fmt::format(
        "the dropout probability is {}; it must be at least 0 and below 1", dropout.probability));
  }
  if (gradients.bytes() != table_.buffer_bytes()) {
    throw formats::UsageError(fmt::format("the gradients need {} bytes, not {}",
                                          table_.buffer_bytes(), gradients.bytes()));
  }
  const auto& a = upload(tokens, B, T, true);
  device_.queue_to_device(a.targets.data, targets.data(), targets.size_bytes());
  const auto queue = [&] {
    forward(a, B, T, dropout);
    backward(a, B, T, scale, dropout, gradients, finished_from);
  };
  if (dropout.probability == 0 && !finished_from) {
    state_->run({B, T, scale, gradients.data()}, kernels_, queue);
  } else {
    queue();
  }
  device_.copy_on_device(losses.data, a.losses.data, a.losses.bytes());
}

void Gpt2::backward(const Activations& a, std::int64_t B, std::int64_t T, float scale,
                    const DropoutPlan& dropout, const device::DeviceBuffer& gradients,
                    const FinishedFrom& finished_from) {
  const auto N = B * T, C = config_.channels, F = config_.inner_channels();
  const auto& parameters = state_->parameters;
  const TensorView all_gradients(gradients.data(), DataType::kF32, {table_.buffer_elements()});
  const auto dparameters = view_tensors(table_, config_, all_gradients, all_gradients);

  // From here on a.branch is dead, and a.dbranch takes its memory.
  kernels_.classifier_forward_backward({.x = a.ln_f,
                                        .wte = parameters.wte,
                                        .targets = a.targets,
                                        .losses = a.losses,
                                        .dx = a.dbranch,
                                        .dwte = dparameters.wte,
                                        .N = N,
                                        .C = C,
                                        .V = config_.vocab_size,
                                        .scale = scale});
  device_.fill_zero(a.dresidual.data, a.dresidual.bytes());
  kernels_.layernorm_backward({.dy = a.dbranch,
                               .x = a.residual_f,
                               .weight = parameters.ln_f_weight,
                               .mean = a.ln_f_mean,
                               .rstd = a.ln_f_rstd,
                               .dresidual = a.dresidual,
                               .dweight = dparameters.ln_f_weight,
                               .dbias = dparameters.ln_f_bias,
                               .N = N,
                               .C = C});
  // The gradient of what was added to the stream: the stream's own, through the mask if there is
  // one.
  const auto branch_gradient = [&](const kernels::Dropout& mask) {
    if (mask.probability == 0) return a.dresidual;
    kernels_.dropout_backward(
        {.dy = a.dresidual, .dx = a.dbranch, .B = B, .T = T, .C = C, .dropout = mask});
    return a.dbranch;
  };
  for (auto layer = config_.layers - 1; layer >= 0; --layer) {
    const auto index = static_cast<std::size_t>(layer);
    const auto& p = parameters.layers[index];
    const auto& dp = dparameters.layers[index];
    const auto& block = a.layers[index];

    forward_layer_again(kernels_, config_, parameters, a, B, T, state_->arena.recomputation(),
                        dropout, layer,
                        [&](std::int64_t again) { attend(a, B, T, dropout, again); });
    const auto dmlp = branch_gradient(mlp_residual_dropout(dropout, layer));
    kernels_.matmul_backward_weight({.x = block.hidden,
                                     .dy = dmlp,
                                     .dweight = dp.mlp_proj_weight,
                                     .dbias = dp.mlp_proj_bias,
                                     .N = N,
                                     .K = F,
                                     .M = C});
    kernels_.matmul_backward_input({.dy = dmlp,
                                    .weight = p.mlp_proj_weight,
                                    .dx = a.dhidden,
                                    .pre_activation = block.pre_activation,
                                    .N = N,
                                    .K = F,
                                    .M = C});
    kernels_.matmul_backward_weight({.x = block.ln_2,
                                     .dy = a.dhidden,
                                     .dweight = dp.c_fc_weight,
                                     .dbias = dp.c_fc_bias,
                                     .N = N,
                                     .K = C,
                                     .M = F});
    kernels_.matmul_backward_input(
        {.dy = a.dhidden, .weight = p.c_fc_weight, .dx = a.dbranch, .N = N, .K = C, .M = F});
    kernels_.layernorm_backward({.dy = a.dbranch,
                                 .x = block.residual_mid,
                                 .weight = p.ln_2_weight,
                                 .mean = block.ln_2_mean,
                                 .rstd = block.ln_2_rstd,
                                 .dresidual = a.dresidual,
                                 .dweight = dp.ln_2_weight,
                                 .dbias = dp.ln_2_bias,
                                 .N = N,
                                 .C = C});

    const auto dprojection = branch_gradient(attention_residual_dropout(dropout, layer));
    kernels_.matmul_backward_weight({.x = block.attention,
                                     .dy = dprojection,
                                     .dweight = dp.attention_proj_weight,
                                     .dbias = dp.attention_proj_bias,
                                     .N = N,
                                     .K = C,
                                     .M = C});
    kernels_.matmul_backward_input({.dy = dprojection,
                                    .weight = p.attention_proj_weight,
                                    .dx = a.dattention,
                                    .N = N,
                                    .K = C,
                                    .M = C});
    kernels_.attention_backward({.qkv = block.qkv,
                                 .out = block.attention,
                                 .lse = block.lse,
                                 .dout = a.dattention,
                                 .dqkv = a.dqkv,
                                 .B = B,
                                 .T = T,
                                 .C = C,
                                 .H = config_.heads,
                                 .dropout = attention_dropout(dropout, layer)});
    kernels_.matmul_backward_weight({.x = block.ln_1,
                                     .dy = a.dqkv,
                                     .dweight = dp.c_attn_weight,
                                     .dbias = dp.c_attn_bias,
                                     .N = N,
                                     .K = C,
                                     .M = 3 * C});
    kernels_.matmul_backward_input(
        {.dy = a.dqkv, .weight = p.c_attn_weight, .dx = a.dbranch, .N = N, .K = C, .M = 3 * C});
    kernels_.layernorm_backward({.dy = a.dbranch,
                                 .x = block.residual,
                                 .weight = p.ln_1_weight,
                                 .mean = block.ln_1_mean,
                                 .rstd = block.ln_1_rstd,
                                 .dresidual = a.dresidual,
                                 .dweight = dp.ln_1_weight,
                                 .dbias = dp.ln_1_bias,
                                 .N = N,
                                 .C = C});
    if (finished_from) finished_from(dp.ln_1_weight.f32() - gradients.f32());
  }
  kernels_.embedding_backward({.tokens = a.tokens,
                               .dx = a.dresidual,
                               .dwte = dparameters.wte,
                               .dwpe = dparameters.wpe,
                               .B = B,
                               .T = T,
                               .C = C,
                               .dropout = embedding_dropout(dropout)});
}

}  // namespace gpt2::model
