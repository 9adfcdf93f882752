// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What training, evaluation and decoding share: views of the parameters and of the activations, and
// the forward pass through the layers. Private to libcore/model.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "libcore/device/device.h"
#include "libcore/kernels/kernels.h"
#include "libcore/model/gpt2.h"
#include "libcore/model/gpt2_config.h"
#include "libcore/model/parameters.h"

namespace gpt2::model {

using device::TensorView;

/// The tensors of one layer in a buffer that is laid out as a ParameterTable: parameters or their
/// gradients.
struct LayerTensors {
  TensorView ln_1_weight, ln_1_bias;
  TensorView c_attn_weight, c_attn_bias, attention_proj_weight, attention_proj_bias;
  TensorView ln_2_weight, ln_2_bias;
  TensorView c_fc_weight, c_fc_bias, mlp_proj_weight, mlp_proj_bias;
};
struct ModelTensors {
  TensorView wte, wpe;  // (Vp, C), (P, C)
  std::vector<LayerTensors> layers;
  TensorView ln_f_weight, ln_f_bias;
};
/// `buffer` has gains and biases of layernorms, `of_products` all the others.
ModelTensors view_tensors(const ParameterTable& table, const Gpt2Config& config,
                          const TensorView& buffer, const TensorView& of_products);
/// The parameters of a model as its kernels read them.
ModelTensors view_parameters(const Gpt2& model);

/// What one layer computes. N = B x T rows, C channels, F inner channels.
struct LayerActivations {
  TensorView residual;                    // (N, C): the stream that enters the layer
  TensorView ln_1, ln_1_mean, ln_1_rstd;  // (N, C), (N), (N)
  TensorView qkv, attention, lse;         // (B, T, 3C), (B, T, C), (B, H, T)
  TensorView residual_mid;                // (N, C): with the attention added
  TensorView ln_2, ln_2_mean, ln_2_rstd;  // (N, C), (N), (N)
  TensorView pre_activation, hidden;      // (N, F): before and after the GELU
};
struct Activations {
  TensorView tokens, targets, losses;  // (N)
  std::vector<LayerActivations> layers;
  TensorView branch;  // (N, C): what attention or MLP will add to the stream
  TensorView residual_f, ln_f, ln_f_mean, ln_f_rstd;
  // Gradients, in training alone. Each buffer is written again in every layer.
  TensorView dresidual;  // (N, C): of the stream
  TensorView dbranch;    // (N, C): of a branch's output, then of its layernorm; memory of `branch`
  TensorView dattention, dqkv, dhidden;  // (N, C), (N, 3C), (N, F); dqkv and dhidden share memory
};

/// The memory of one forward pass, or of one forward and backward pass: a single allocation, cut up
/// anew when the shape changes, and made larger when it must be. Training keeps of every layer what
/// the backward pass reads and does not compute again; the rest each layer writes over the layer
/// before, as a pass without backward does with everything.
class ActivationArena {
 public:
  /// Activations are of `type`.
  ActivationArena(device::Device& device, const Gpt2Config& config, device::DataType type)
      : device_(device), config_(config), type_(type) {}
  /// Of the passes with training to come. Default: none.
  void set_recomputation(Recomputation level);
  Recomputation recomputation() const { return level_; }
  /// Valid until the next call with another shape.
  const Activations& plan(std::int64_t B, std::int64_t T, bool training);

 private:
  device::Device& device_;
  Gpt2Config config_;
  device::DataType type_;
  device::DeviceBuffer memory_;
  std::int64_t B_ = 0, T_ = 0;
  bool training_ = false;
  Recomputation level_ = Recomputation::kNone;
  Activations activations_;
};

/// The sites of kernels::Dropout: one of the embedding, three of each layer.
kernels::Dropout embedding_dropout(const DropoutPlan& plan);
kernels::Dropout attention_dropout(const DropoutPlan& plan, std::int64_t layer);
kernels::Dropout attention_residual_dropout(const DropoutPlan& plan, std::int64_t layer);
kernels::Dropout mlp_residual_dropout(const DropoutPlan& plan, std::int64_t layer);

/// The stream that enters the first layer, of a.tokens at the positions from `first_position`, (1)
/// i32, on; not given: from 0.
void embed_tokens(kernels::Kernels& kernels, const Gpt2Config& config,
                  const ModelTensors& parameters, const Activations& activations, std::int64_t B,
                  std::int64_t T, const TensorView& first_position, const DropoutPlan& dropout);
/// Runs every layer on the stream that was embedded. At the end the stream is
/// a.layers.back().residual_mid, and a.branch waits to be added to it, which last_layernorm() does.
/// `attend` turns qkv of a layer into attention.
void forward_layers(kernels::Kernels& kernels, const Gpt2Config& config,
                    const ModelTensors& parameters, const Activations& activations, std::int64_t B,
                    std::int64_t T, const DropoutPlan& dropout,
                    const std::function<void(std::int64_t layer)>& attend);
/// What layer `layer` did not keep for the backward pass, from what it kept. Other layers' is lost.
void forward_layer_again(kernels::Kernels& kernels, const Gpt2Config& config,
                         const ModelTensors& parameters, const Activations& activations,
                         std::int64_t B, std::int64_t T, Recomputation level,
                         const DropoutPlan& dropout, std::int64_t layer,
                         const std::function<void(std::int64_t layer)>& attend);
/// a.ln_f of every row, what the head reads.
void last_layernorm(kernels::Kernels& kernels, const Gpt2Config& config,
                    const ModelTensors& parameters, const Activations& activations, std::int64_t B,
                    std::int64_t T, const DropoutPlan& dropout);

/// Throws: UsageError unless every token is below `vocab_size` (and, without `allow_none`, not
/// negative).
void check_tokens(std::span<const std::int32_t> tokens, std::int64_t vocab_size, bool allow_none);

}  // namespace gpt2::model
