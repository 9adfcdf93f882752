// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/model/transformer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <initializer_list>

#include "formats/errors.h"

namespace gpt2::model {
namespace {

using device::DataType;

/// Cuts one allocation into tensors. Without memory it only counts, so that one description of the
/// layout gives both the size and the views.
class Cutter {
 public:
  /// Tensors are of `type` where no other is named.
  Cutter(void* memory, DataType type) : memory_(static_cast<std::byte*>(memory)), type_(type) {}
  TensorView operator()(std::initializer_list<std::int64_t> shape) { return (*this)(shape, type_); }
  TensorView operator()(std::initializer_list<std::int64_t> shape, DataType type) {
    TensorView view(memory_ == nullptr ? nullptr : memory_ + used_, type, shape);
    used_ += (view.bytes() + kAlignment - 1) / kAlignment * kAlignment;
    return view;
  }
  std::size_t used() const { return used_; }

 private:
  static constexpr std::size_t kAlignment = 64;
  std::byte* memory_;
  DataType type_;
  std::size_t used_ = 0;
};

/// Tensors of one layer are cut in three parts: the stream that enters it, and what either level of
/// recomputation makes again.
struct LayerCutter {
  Cutter& cut;
  const Gpt2Config& config;
  std::int64_t B, T;

  void layernorms_and_mlp(LayerActivations& layer) const {
    const auto N = B * T, C = config.channels, F = config.inner_channels();
    layer.ln_1 = cut({N, C});
    layer.ln_1_mean = cut({N}, DataType::kF32);
    layer.ln_1_rstd = cut({N}, DataType::kF32);
    layer.ln_2 = cut({N, C});
    layer.ln_2_mean = cut({N}, DataType::kF32);
    layer.ln_2_rstd = cut({N}, DataType::kF32);
    layer.pre_activation = cut({N, F});
    layer.hidden = cut({N, F});
  }
  void attention(LayerActivations& layer) const {
    const auto C = config.channels;
    layer.qkv = cut({B, T, 3 * C});
    layer.attention = cut({B, T, C});
    layer.lse = cut({B, config.heads, T}, DataType::kF32);
    layer.residual_mid = cut({B * T, C});
  }
  /// For a pass without backward.
  LayerActivations in_place() const {
    const auto N = B * T, C = config.channels;
    LayerActivations layer;
    layer.residual = layer.residual_mid = cut({N, C});
    layer.ln_1 = layer.ln_2 = cut({N, C});
    layer.ln_1_mean = layer.ln_2_mean = cut({N}, DataType::kF32);
    layer.ln_1_rstd = layer.ln_2_rstd = cut({N}, DataType::kF32);
    layer.qkv = cut({B, T, 3 * C});
    layer.attention = cut({B, T, C});
    layer.lse = cut({B, config.heads, T}, DataType::kF32);
    layer.pre_activation = layer.hidden = cut({N, config.inner_channels()});
    return layer;
  }
};

Activations cut_activations(Cutter& cut, const Gpt2Config& config, std::int64_t B, std::int64_t T,
                            bool training, Recomputation level) {
  const auto N = B * T, C = config.channels, F = config.inner_channels();
  const LayerCutter of_layer{cut, config, B, T};
  Activations a;
  a.tokens = cut({B, T}, DataType::kI32);
  a.targets = cut({N}, DataType::kI32);
  a.losses = cut({N}, DataType::kF32);
  a.branch = cut({N, C});
  const auto layer_count = static_cast<std::size_t>(config.layers);
  if (training) {
    LayerActivations shared;
    if (level != Recomputation::kNone) of_layer.layernorms_and_mlp(shared);
    if (level == Recomputation::kBlock) of_layer.attention(shared);
    a.layers.assign(layer_count, shared);
    for (auto& layer : a.layers) {
      layer.residual = cut({N, C});
      if (level == Recomputation::kNone) of_layer.layernorms_and_mlp(layer);
      if (level != Recomputation::kBlock) of_layer.attention(layer);
    }
    a.residual_f = cut({N, C});
    a.ln_f = cut({N, C});
    a.ln_f_mean = cut({N}, DataType::kF32);
    a.ln_f_rstd = cut({N}, DataType::kF32);
    a.dresidual = cut({N, C});
    a.dbranch = a.branch;
    a.dattention = cut({B, T, C});
    const auto wide = cut({N * std::max(3 * C, F)});
    a.dqkv = wide.part(0, {B, T, 3 * C});
    a.dhidden = wide.part(0, {N, F});
  } else {
    a.layers.assign(layer_count, of_layer.in_place());
    const auto& last = a.layers.back();
    a.residual_f = last.residual;
    a.ln_f = last.ln_1;
    a.ln_f_mean = last.ln_1_mean;
    a.ln_f_rstd = last.ln_1_rstd;
  }
  return a;
}

kernels::Dropout dropout_at(const DropoutPlan& plan, std::int64_t site) {
  return {.probability = plan.probability,
          .seed = plan.seed,
          .first_sequence = plan.first_sequence,
          .site = static_cast<std::uint32_t>(site)};
}

}  // namespace

ModelTensors view_tensors(const ParameterTable& table, const Gpt2Config& config,
                          const TensorView& buffer, const TensorView& of_products) {
  auto next = table.parameters().begin();
  const auto norm = [&] {
    const auto& parameter = *next++;
    return buffer.part(parameter.offset, {parameter.shape[0]});
  };
  const auto bias = [&] {
    const auto& parameter = *next++;
    return of_products.part(parameter.offset, {parameter.shape[0]});
  };
  const auto matrix = [&] {
    const auto& parameter = *next++;
    return of_products.part(parameter.offset, {parameter.shape[0], parameter.shape[1]});
  };
  ModelTensors tensors;
  tensors.wte = matrix();
  tensors.wte.sizes[0] = config.padded_vocab_size();
  tensors.wpe = matrix();
  tensors.layers.resize(static_cast<std::size_t>(config.layers));
  for (auto& layer : tensors.layers) {
    layer.ln_1_weight = norm();
    layer.ln_1_bias = norm();
    layer.c_attn_weight = matrix();
    layer.c_attn_bias = bias();
    layer.attention_proj_weight = matrix();
    layer.attention_proj_bias = bias();
    layer.ln_2_weight = norm();
    layer.ln_2_bias = norm();
    layer.c_fc_weight = matrix();
    layer.c_fc_bias = bias();
    layer.mlp_proj_weight = matrix();
    layer.mlp_proj_bias = bias();
  }
  tensors.ln_f_weight = norm();
  tensors.ln_f_bias = norm();
  return tensors;
}

ModelTensors view_parameters(const Gpt2& model) {
  const TensorView masters(model.parameters().data(), DataType::kF32,
                           {model.table().buffer_elements()});
  const auto copy = model.compute_copy();
  return view_tensors(model.table(), model.config(), masters, copy ? copy : masters);
}

Recomputation recomputation_named(std::string_view name) {
  if (name == "none") return Recomputation::kNone;
  if (name == "mlp") return Recomputation::kMlp;
  if (name == "block") return Recomputation::kBlock;
  throw formats::UsageError(
      fmt::format("recomputation: is '{}', must be none, mlp or block", name));
}

std::size_t activation_bytes(const Gpt2Config& config, DataType type, std::int64_t B,
                             std::int64_t T, bool training, Recomputation level) {
  Cutter count(nullptr, type);
  cut_activations(count, config, B, T, training, level);
  return count.used();
}

void ActivationArena::set_recomputation(Recomputation level) {
  if (level != level_) B_ = T_ = 0;  // what is planned has another layout
  level_ = level;
}

const Activations& ActivationArena::plan(std::int64_t B, std::int64_t T, bool training) {
  if (B == B_ && T == T_ && training == training_) return activations_;
  const auto bytes = activation_bytes(config_, type_, B, T, training, level_);
  if (bytes > memory_.bytes()) {
    B_ = T_ = 0;   // nothing is planned if the allocation fails
    memory_ = {};  // first, so that old and new memory are never held together
    memory_ = device::DeviceBuffer(device_, bytes);
  }
  Cutter cut(memory_.data(), type_);
  activations_ = cut_activations(cut, config_, B, T, training, level_);
  B_ = B;
  T_ = T;
  training_ = training;
  return activations_;
}

kernels::Dropout embedding_dropout(const DropoutPlan& plan) { return dropout_at(plan, 0); }
kernels::Dropout attention_dropout(const DropoutPlan& plan, std::int64_t layer) {
  return dropout_at(plan, 3 * layer + 1);
}
kernels::Dropout attention_residual_dropout(const DropoutPlan& plan, std::int64_t layer) {
  return dropout_at(plan, 3 * layer + 2);
}
kernels::Dropout mlp_residual_dropout(const DropoutPlan& plan, std::int64_t layer) {
  return dropout_at(plan, 3 * layer + 3);
}

void embed_tokens(kernels::Kernels& kernels, const Gpt2Config& config,
                  const ModelTensors& parameters, const Activations& activations, std::int64_t B,
                  std::int64_t T, const TensorView& first_position, const DropoutPlan& dropout) {
  kernels.embedding_forward({.tokens = activations.tokens,
                             .wte = parameters.wte,
                             .wpe = parameters.wpe,
                             .x = activations.layers.front().residual,
                             .B = B,
                             .T = T,
                             .C = config.channels,
                             .first_position = first_position,
                             .dropout = embedding_dropout(dropout)});
}

namespace {

/// The operations of one layer, as forward and backward pass run them.
struct LayerForward {
  kernels::Kernels& kernels;
  const Gpt2Config& config;
  const Activations& activations;
  const LayerTensors& p;
  const LayerActivations& a;
  std::int64_t B, T;

  /// Of a stream that is complete.
  void normalise(const TensorView& x, const TensorView& weight, const TensorView& bias,
                 const TensorView& y, const TensorView& mean, const TensorView& rstd) const {
    kernels.layernorm_forward({.x = x,
                               .weight = weight,
                               .bias = bias,
                               .y = y,
                               .mean = mean,
                               .rstd = rstd,
                               .N = B * T,
                               .C = config.channels,
                               .epsilon = config.layer_norm_epsilon});
  }
  void first_layernorm() const {
    normalise(a.residual, p.ln_1_weight, p.ln_1_bias, a.ln_1, a.ln_1_mean, a.ln_1_rstd);
  }
  void second_layernorm() const {
    normalise(a.residual_mid, p.ln_2_weight, p.ln_2_bias, a.ln_2, a.ln_2_mean, a.ln_2_rstd);
  }
  /// From ln_1 to residual_mid and ln_2.
  void attention(const std::function<void(std::int64_t layer)>& attend, std::int64_t layer,
                 const DropoutPlan& dropout) const {
    const auto N = B * T, C = config.channels;
    kernels.matmul_forward({.x = a.ln_1,
                            .weight = p.c_attn_weight,
                            .bias = p.c_attn_bias,
                            .y = a.qkv,
                            .N = N,
                            .K = C,
                            .M = 3 * C});
    attend(layer);
    kernels.matmul_forward({.x = a.attention,
                            .weight = p.attention_proj_weight,
                            .bias = p.attention_proj_bias,
                            .y = activations.branch,
                            .N = N,
                            .K = C,
                            .M = C});
    kernels.residual_layernorm_forward({.residual = a.residual,
                                        .branch = activations.branch,
                                        .sum = a.residual_mid,
                                        .weight = p.ln_2_weight,
                                        .bias = p.ln_2_bias,
                                        .y = a.ln_2,
                                        .mean = a.ln_2_mean,
                                        .rstd = a.ln_2_rstd,
                                        .B = B,
                                        .T = T,
                                        .C = C,
                                        .epsilon = config.layer_norm_epsilon,
                                        .dropout = attention_residual_dropout(dropout, layer)});
  }
  void inside_of_mlp() const {
    kernels.matmul_forward({.x = a.ln_2,
                            .weight = p.c_fc_weight,
                            .bias = p.c_fc_bias,
                            .y = a.hidden,
                            .pre_activation = a.pre_activation,
                            .N = B * T,
                            .K = config.channels,
                            .M = config.inner_channels()});
  }
};

}  // namespace

void forward_layers(kernels::Kernels& kernels, const Gpt2Config& config,
                    const ModelTensors& parameters, const Activations& activations, std::int64_t B,
                    std::int64_t T, const DropoutPlan& dropout,
                    const std::function<void(std::int64_t layer)>& attend) {
  const auto N = B * T, C = config.channels, F = config.inner_channels();
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    const auto index = static_cast<std::size_t>(layer);
    const auto& p = parameters.layers[index];
    const auto& a = activations.layers[index];
    const LayerForward run{kernels, config, activations, p, a, B, T};
    if (layer == 0) {
      run.first_layernorm();
    } else {
      kernels.residual_layernorm_forward({.residual = activations.layers[index - 1].residual_mid,
                                          .branch = activations.branch,
                                          .sum = a.residual,
                                          .weight = p.ln_1_weight,
                                          .bias = p.ln_1_bias,
                                          .y = a.ln_1,
                                          .mean = a.ln_1_mean,
                                          .rstd = a.ln_1_rstd,
                                          .B = B,
                                          .T = T,
                                          .C = C,
                                          .epsilon = config.layer_norm_epsilon,
                                          .dropout = mlp_residual_dropout(dropout, layer - 1)});
    }
    run.attention(attend, layer, dropout);
    run.inside_of_mlp();
    kernels.matmul_forward({.x = a.hidden,
                            .weight = p.mlp_proj_weight,
                            .bias = p.mlp_proj_bias,
                            .y = activations.branch,
                            .N = N,
                            .K = F,
                            .M = C});
  }
}

void forward_layer_again(kernels::Kernels& kernels, const Gpt2Config& config,
                         const ModelTensors& parameters, const Activations& activations,
                         std::int64_t B, std::int64_t T, Recomputation level,
                         const DropoutPlan& dropout, std::int64_t layer,
                         const std::function<void(std::int64_t layer)>& attend) {
  // The forward pass left the last layer's.
  if (level == Recomputation::kNone || layer == config.layers - 1) return;
  const auto index = static_cast<std::size_t>(layer);
  const LayerForward run{
      kernels, config, activations, parameters.layers[index], activations.layers[index], B, T};
  run.first_layernorm();
  if (level == Recomputation::kBlock) {
    run.attention(attend, layer, dropout);
  } else {
    run.second_layernorm();
  }
  run.inside_of_mlp();
}

void last_layernorm(kernels::Kernels& kernels, const Gpt2Config& config,
                    const ModelTensors& parameters, const Activations& activations, std::int64_t B,
                    std::int64_t T, const DropoutPlan& dropout) {
  const auto& a = activations;
  kernels.residual_layernorm_forward({.residual = a.layers.back().residual_mid,
                                      .branch = a.branch,
                                      .sum = a.residual_f,
                                      .weight = parameters.ln_f_weight,
                                      .bias = parameters.ln_f_bias,
                                      .y = a.ln_f,
                                      .mean = a.ln_f_mean,
                                      .rstd = a.ln_f_rstd,
                                      .B = B,
                                      .T = T,
                                      .C = config.channels,
                                      .epsilon = config.layer_norm_epsilon,
                                      .dropout = mlp_residual_dropout(dropout, config.layers - 1)});
}

void check_tokens(std::span<const std::int32_t> tokens, std::int64_t vocab_size, bool allow_none) {
  const auto wrong = std::find_if(tokens.begin(), tokens.end(), [&](std::int32_t token) {
    return token >= vocab_size || (token < 0 && !allow_none);
  });
  if (wrong != tokens.end()) {
    throw formats::UsageError(
        fmt::format("token {} at place {} is not below the vocabulary size {}", *wrong,
                    wrong - tokens.begin(), vocab_size));
  }
}

}  // namespace gpt2::model
