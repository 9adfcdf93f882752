// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/kernels/kernels_timed.h"

#include <algorithm>

namespace gpt2::kernels {

template <class Run>
void TimedKernels::time(std::string_view name, const Work& work, const Run& run) {
  device_.synchronize();
  const auto begin = Clock::now();
  run();
  device_.synchronize();
  end_ = Clock::now();
  if (operations_.empty()) begin_ = begin;
  auto& operation = operations_[name];
  operation.name = name;
  ++operation.calls;
  operation.seconds += std::chrono::duration<double>(end_ - begin).count();
  operation.work.operations += work.operations;
  operation.work.bytes += work.bytes;
}

KernelProfile TimedKernels::profile() const {
  KernelProfile profile;
  for (const auto& [name, operation] : operations_) profile.operations.push_back(operation);
  std::sort(profile.operations.begin(), profile.operations.end(),
            [](const auto& a, const auto& b) { return a.seconds > b.seconds; });
  profile.seconds = std::chrono::duration<double>(end_ - begin_).count();
  return profile;
}

void TimedKernels::embedding_forward(const EmbeddingForward& op) {
  time("embedding_forward", op.work(), [&] { kernels_.embedding_forward(op); });
}
void TimedKernels::embedding_backward(const EmbeddingBackward& op) {
  time("embedding_backward", op.work(), [&] { kernels_.embedding_backward(op); });
}
void TimedKernels::layernorm_forward(const LayerNormForward& op) {
  time("layernorm_forward", op.work(), [&] { kernels_.layernorm_forward(op); });
}
void TimedKernels::residual_layernorm_forward(const ResidualLayerNormForward& op) {
  time("residual_layernorm_forward", op.work(), [&] { kernels_.residual_layernorm_forward(op); });
}
void TimedKernels::layernorm_backward(const LayerNormBackward& op) {
  time("layernorm_backward", op.work(), [&] { kernels_.layernorm_backward(op); });
}
void TimedKernels::dropout_backward(const DropoutBackward& op) {
  time("dropout_backward", op.work(), [&] { kernels_.dropout_backward(op); });
}
void TimedKernels::matmul_forward(const MatmulForward& op) {
  time("matmul_forward", op.work(), [&] { kernels_.matmul_forward(op); });
}
void TimedKernels::matmul_backward_input(const MatmulBackwardInput& op) {
  time("matmul_backward_input", op.work(), [&] { kernels_.matmul_backward_input(op); });
}
void TimedKernels::matmul_backward_weight(const MatmulBackwardWeight& op) {
  time("matmul_backward_weight", op.work(), [&] { kernels_.matmul_backward_weight(op); });
}
void TimedKernels::attention_forward(const AttentionForward& op) {
  time("attention_forward", op.work(), [&] { kernels_.attention_forward(op); });
}
void TimedKernels::attention_backward(const AttentionBackward& op) {
  time("attention_backward", op.work(), [&] { kernels_.attention_backward(op); });
}
void TimedKernels::attention_cached(const AttentionCached& op) {
  time("attention_cached", op.work(), [&] { kernels_.attention_cached(op); });
}
void TimedKernels::head_forward(const HeadForward& op) {
  time("head_forward", op.work(), [&] { kernels_.head_forward(op); });
}
void TimedKernels::classifier_forward(const ClassifierForward& op) {
  time("classifier_forward", op.work(), [&] { kernels_.classifier_forward(op); });
}
void TimedKernels::classifier_forward_backward(const ClassifierForwardBackward& op) {
  time("classifier_forward_backward", op.work(), [&] { kernels_.classifier_forward_backward(op); });
}
void TimedKernels::adamw_update(const AdamWUpdate& op) {
  time("adamw_update", op.work(), [&] { kernels_.adamw_update(op); });
}
void TimedKernels::decide_update(const UpdateDecision& op) {
  time("decide_update", op.work(), [&] { kernels_.decide_update(op); });
}
void TimedKernels::convert(TensorView to, TensorView from) {
  time("convert", work_of_convert(to, from), [&] { kernels_.convert(to, from); });
}
void TimedKernels::round_to_bf16(TensorView x) {
  time("round_to_bf16", work_of_round_to_bf16(x), [&] { kernels_.round_to_bf16(x); });
}
void TimedKernels::add(TensorView to, TensorView from) {
  time("add", work_of_add(to, from), [&] { kernels_.add(to, from); });
}
void TimedKernels::part_sums(const PartSums& op) {
  time("part_sums", op.work(), [&] { kernels_.part_sums(op); });
}

}  // namespace gpt2::kernels
