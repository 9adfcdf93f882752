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

LayerActivations cut_layer(Cutter& cut, const Gpt2Config& config, std::int64_t B, std::int64_t T,
                           bool training) {
  const auto N = B * T, C = config.channels, F = config.inner_channels();
  LayerActivations layer;
  layer.residual = cut({N, C});
  layer.ln_1 = cut({N, C});
  layer.ln_1_mean = cut({N}, DataType::kF32);
  layer.ln_1_rstd = cut({N}, DataType::kF32);
  layer.qkv = cut({B, T, 3 * C});
  layer.attention = cut({B, T, C});
  layer.lse = cut({B, config.heads, T}, DataType::kF32);
  layer.residual_mid = training ? cut({N, C}) : layer.residual;
  layer.ln_2 = training ? cut({N, C}) : layer.ln_1;
  layer.ln_2_mean = training ? cut({N}, DataType::kF32) : layer.ln_1_mean;
  layer.ln_2_rstd = training ? cut({N}, DataType::kF32) : layer.ln_1_rstd;
  layer.pre_activation = cut({N, F});
  layer.hidden = training ? cut({N, F}) : layer.pre_activation;
  return layer;
}

Activations cut_activations(Cutter& cut, const Gpt2Config& config, std::int64_t B, std::int64_t T,
                            bool training) {
  const auto N = B * T, C = config.channels, F = config.inner_channels();
  Activations a;
  a.tokens = cut({B, T}, DataType::kI32);
  a.targets = cut({N}, DataType::kI32);
  a.losses = cut({N}, DataType::kF32);
  a.branch = cut({N, C});
  const auto layer_count = static_cast<std::size_t>(config.layers);
  if (training) {
    for (std::size_t layer = 0; layer < layer_count; ++layer) {
      a.layers.push_back(cut_layer(cut, config, B, T, training));
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
    a.layers.assign(layer_count, cut_layer(cut, config, B, T, training));
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

const Activations& ActivationArena::plan(std::int64_t B, std::int64_t T, bool training) {
  if (B == B_ && T == T_ && training == training_) return activations_;
  Cutter count(nullptr, type_);
  cut_activations(count, config_, B, T, training);
  if (count.used() > memory_.bytes()) {
    B_ = T_ = 0;   // nothing is planned if the allocation fails
    memory_ = {};  // first, so that old and new memory are never held together
    memory_ = device::DeviceBuffer(device_, count.used());
  }
  Cutter cut(memory_.data(), type_);
  activations_ = cut_activations(cut, config_, B, T, training);
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
                  std::int64_t T, std::int64_t first_position, const DropoutPlan& dropout) {
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

void forward_layers(kernels::Kernels& kernels, const Gpt2Config& config,
                    const ModelTensors& parameters, const Activations& activations, std::int64_t B,
                    std::int64_t T, const DropoutPlan& dropout,
                    const std::function<void(std::int64_t layer)>& attend) {
  const auto N = B * T, C = config.channels, F = config.inner_channels();
  const auto epsilon = config.layer_norm_epsilon;
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    const auto index = static_cast<std::size_t>(layer);
    const auto& p = parameters.layers[index];
    const auto& a = activations.layers[index];
    if (layer == 0) {
      kernels.layernorm_forward({.x = a.residual,
                                 .weight = p.ln_1_weight,
                                 .bias = p.ln_1_bias,
                                 .y = a.ln_1,
                                 .mean = a.ln_1_mean,
                                 .rstd = a.ln_1_rstd,
                                 .N = N,
                                 .C = C,
                                 .epsilon = epsilon});
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
                                          .epsilon = epsilon,
                                          .dropout = mlp_residual_dropout(dropout, layer - 1)});
    }
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
                                        .epsilon = epsilon,
                                        .dropout = attention_residual_dropout(dropout, layer)});
    kernels.matmul_forward({.x = a.ln_2,
                            .weight = p.c_fc_weight,
                            .bias = p.c_fc_bias,
                            .y = a.hidden,
                            .pre_activation = a.pre_activation,
                            .N = N,
                            .K = C,
                            .M = F});
    kernels.matmul_forward({.x = a.hidden,
                            .weight = p.mlp_proj_weight,
                            .bias = p.mlp_proj_bias,
                            .y = activations.branch,
                            .N = N,
                            .K = F,
                            .M = C});
  }
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
