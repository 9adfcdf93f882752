// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The CPU twin of Kernels: float32, vector loops by Highway, products by oneDNN. Each op's file
// holds its vector loops (once for each instruction set) and its cut into tasks.
#pragma once

#include "libcore/device/device.h"
#include "libcore/kernels/kernels.h"
#include "libcore/kernels/parallel_cpu.h"
#include "libcore/kernels/workspace.h"

namespace gpt2::kernels {

class CpuKernels final : public Kernels {
 public:
  /// `device`, a CPU, must outlive it. Throws: UnavailableError as ThreadTeam.
  explicit CpuKernels(device::Device& device) : team_(device.threads()), workspace_(device) {}

  std::size_t workspace_bytes(const PassShape& shape, bool backward) const override;

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

 private:
  ThreadTeam team_;
  Workspace workspace_;
};

/// Floats that the operations of a pass reserve at the most; each is in its operations' file.
std::int64_t attention_workspace(const PassShape& shape, bool backward, int threads);
std::int64_t classifier_workspace(const PassShape& shape, bool backward, int threads);
std::int64_t layernorm_workspace(const PassShape& shape, bool backward, int threads);
std::int64_t matmul_workspace(const PassShape& shape, bool backward, int threads);

/// The elements of a view of type f32, null when it is empty. Throws: UsageError for another type.
float* floats_of(const TensorView& view);
/// The same for i32 and f64.
std::int32_t* ints_of(const TensorView& view);
double* doubles_of(const TensorView& view);

}  // namespace gpt2::kernels
