// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// GPT-2: parameters, forward and backward of micro-batches. Written once for every device.
// Source: Radford et al. 2019, Language Models are Unsupervised Multitask Learners, section 2.3.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/device/device.h"
#include "libcore/kernels/kernels.h"
#include "libcore/model/gpt2_config.h"
#include "libcore/model/parameters.h"

namespace gpt2::model {

using device::TensorView;

/// What a training forward needs to know about dropout; probability 0 turns it off.
struct DropoutPlan {
  float probability = 0;
  std::uint32_t seed = 0;
  std::uint64_t first_sequence = 0;  // global number of the micro-batch's first sequence
};

/// What the backward pass computes again in the place of what the forward pass would have kept: by
/// the same operations on the same numbers, so that no level changes a bit.
enum class Recomputation : std::uint8_t {
  kNone,
  kMlp,   // layernorms and the inside of the MLP: of a layer's 16 C numbers a token 6 C are kept
  kBlock  // whole layers: C are kept, the stream that enters
};
/// Of "none", "mlp" or "block". Throws: UsageError for another name.
Recomputation recomputation_named(std::string_view name);

/// Bytes of the activations of forward_backward(), or of losses() without `training`.
std::size_t activation_bytes(const Gpt2Config& config, device::DataType type, std::int64_t B,
                             std::int64_t T, bool training, Recomputation level = {});

/// Told during a backward pass that it adds no more to gradients from this element of their buffer
/// on; after each layer, the last one first.
using FinishedFrom = std::function<void(std::int64_t first_element)>;

struct Activations;

class Gpt2 {
 public:
  /// Allocates parameters (contents undefined until initialise() or load_parameter()). Activations
  /// are allocated at the first use of a shape and kept for the largest. `device` and `kernels`
  /// must outlive it. Throws: UsageError (Gpt2Config::check), UnavailableError (memory).
  Gpt2(device::Device& device, kernels::Kernels& kernels, const Gpt2Config& config);
  Gpt2(Gpt2&&) noexcept;
  ~Gpt2();

  const Gpt2Config& config() const { return config_; }
  const ParameterTable& table() const { return table_; }
  device::Device& device() const { return device_; }
  kernels::Kernels& kernels() const { return kernels_; }
  /// In float: what the optimizer updates and checkpoints hold.
  const device::DeviceBuffer& parameters() const { return parameters_; }
  /// The same rounded to kernels().compute_type(), laid out alike, which products and embeddings
  /// read; empty where that is float. Whoever changes parameters() changes it too.
  TensorView compute_copy() const;
  /// Rounds all parameters() to it. Stream: queued.
  void renew_compute_copy();
  /// Units: bytes of the parameters that a pass reads.
  std::size_t compute_bytes() const;

  /// N(0, 0.02) for matrices and embeddings, c_proj scaled by 1 / sqrt(2 L), biases 0, gains 1.
  /// Elements 2i and 2i + 1 of parameter number p of the table, counted unpadded, come from the
  /// Philox words a and b of elements 2i and 2i + 1 of sequence p at site 0 (purpose
  /// kInitialisation) by Box and Muller in double: r = std x sqrt(-2 ln((a + 1/2) / 2^32)), angle =
  /// 2 pi b / 2^32; r cos(angle), r sin(angle), then float.
  void initialise(std::uint32_t seed);
  /// Copies one tensor, unpadded [in, out], to or from the host. Sizes must be equal (else
  /// UsageError).
  void load_parameter(const Parameter& parameter, std::span<const float> values);
  void store_parameter(const Parameter& parameter, std::span<float> values) const;

  /// Allocates what forward_backward() of such micro-batches needs, and sets what it computes
  /// again. Throws: UsageError (T > context), UnavailableError (memory).
  void prepare_training(std::int64_t B, std::int64_t T, Recomputation level);

  /// Losses (minus log probabilities) of every position, no gradients, no dropout. tokens, targets
  /// (B, T), targets < 0 give 0; losses (B, T). Throws: UsageError when T > context.
  void losses(std::span<const std::int32_t> tokens, std::span<const std::int32_t> targets,
              std::int64_t B, std::int64_t T, std::span<float> losses);
  /// Logits of every position (B, T, V), for tests and small uses.
  void logits(std::span<const std::int32_t> tokens, std::int64_t B, std::int64_t T,
              std::span<float> logits);
  /// Forward and backward of one micro-batch: adds d(scale x sum of losses)/dp to `gradients` (laid
  /// out as parameters()) and fills losses (B, T), in the device's memory. Stream: queued.
  void forward_backward(std::span<const std::int32_t> tokens, std::span<const std::int32_t> targets,
                        std::int64_t B, std::int64_t T, float scale, const DropoutPlan& dropout,
                        const device::DeviceBuffer& gradients, const device::TensorView& losses,
                        const FinishedFrom& finished_from = {});

 private:
  struct State;  // views of the parameters, and the activations
  void check_shape(std::size_t token_count, std::int64_t B, std::int64_t T) const;
  /// Copies the tokens to the device, where the activations of a pass have them.
  const Activations& upload(std::span<const std::int32_t> tokens, std::int64_t B, std::int64_t T,
                            bool training);
  /// Runs all layers and the last layernorm.
  void forward(const Activations& activations, std::int64_t B, std::int64_t T,
               const DropoutPlan& dropout);
  void backward(const Activations& activations, std::int64_t B, std::int64_t T, float scale,
                const DropoutPlan& dropout, const device::DeviceBuffer& gradients,
                const FinishedFrom& finished_from);
  void attend(const Activations& activations, std::int64_t B, std::int64_t T,
              const DropoutPlan& dropout, std::int64_t layer);
  device::Device& device_;
  kernels::Kernels& kernels_;
  Gpt2Config config_;
  ParameterTable table_;
  device::DeviceBuffer parameters_, compute_copy_;
  std::unique_ptr<State> state_;
};

}  // namespace gpt2::model
