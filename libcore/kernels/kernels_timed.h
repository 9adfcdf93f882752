// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A twin of Kernels around another one: passes every operation on and notes how long it took.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "libcore/device/device.h"
#include "libcore/kernels/kernels.h"

namespace gpt2::kernels {

/// All calls of one operation together.
struct OperationProfile {
  std::string_view name;  // "matmul_forward", as in Kernels
  std::int64_t calls = 0;
  double seconds = 0;
  Work work;
};
struct KernelProfile {
  std::vector<OperationProfile> operations;  // those that were called, the longest first
  double seconds = 0;  // from the first call's begin to the last one's end, all else included
};

class TimedKernels final : public Kernels {
 public:
  /// Times `kernels`, the twin of `device`; both must outlive it. Stream: every call waits for what
  /// was queued before it, and for its own work.
  TimedKernels(device::Device& device, Kernels& kernels) : device_(device), kernels_(kernels) {}
  KernelProfile profile() const;

  device::DataType compute_type() const override { return kernels_.compute_type(); }
  std::size_t workspace_bytes(const PassShape& shape, bool backward) const override {
    return kernels_.workspace_bytes(shape, backward);
  }

  void embedding_forward(const EmbeddingForward& op) override;
  void embedding_backward(const EmbeddingBackward& op) override;
  void layernorm_forward(const LayerNormForward& op) override;
  void residual_layernorm_forward(const ResidualLayerNormForward& op) override;
  void layernorm_backward(const LayerNormBackward& op) override;
  void dropout_backward(const DropoutBackward& op) override;
  void matmul_forward(const MatmulForward& op) override;
  void matmul_backward_input(const MatmulBackwardInput& op) override;
  void matmul_backward_weight(const MatmulBackwardWeight& op) override;
  void attention_forward(const AttentionForward& op) override;
  void attention_backward(const AttentionBackward& op) override;
  void attention_cached(const AttentionCached& op) override;
  void head_forward(const HeadForward& op) override;
  void classifier_forward(const ClassifierForward& op) override;
  void classifier_forward_backward(const ClassifierForwardBackward& op) override;
  void adamw_update(const AdamWUpdate& op) override;
  void decide_update(const UpdateDecision& op) override;
  void add(TensorView to, TensorView from) override;
  void round_to_bf16(TensorView x) override;
  void convert(TensorView to, TensorView from) override;
  void part_sums(const PartSums& op) override;
  std::string products_by() const override { return kernels_.products_by(); }
  std::string choose_products(const std::function<void()>& run) override {
    return kernels_.choose_products(run);
  }
  bool use_products(std::string_view record) override { return kernels_.use_products(record); }

 private:
  using Clock = std::chrono::steady_clock;
  template <class Run>
  void time(std::string_view name, const Work& work, const Run& run);

  device::Device& device_;
  Kernels& kernels_;
  std::map<std::string_view, OperationProfile> operations_;
  Clock::time_point begin_, end_;
};

}  // namespace gpt2::kernels
