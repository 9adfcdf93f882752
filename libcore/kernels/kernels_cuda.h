// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The CUDA twin of Kernels: one file for each kind of op, the kernels private to it; products by
// MatrixProducts. Every sum has an order that the shapes alone decide, so equal calls give equal
// bits.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "libcore/device/device_cuda.h"
#include "libcore/kernels/kernels.h"
#include "libcore/kernels/matrix_product_cuda.h"
#include "libcore/kernels/workspace.h"

namespace gpt2::kernels {

/// Parts of the parameters in pieces for blocks, on the device; made anew when the parts change.
class AdamWTable {
 public:
  void fill(device::Device& device, std::span<const AdamWPart> parts);
  const AdamWPart* pieces() const { return static_cast<const AdamWPart*>(memory_.data()); }
  std::size_t piece_count() const { return piece_count_; }

 private:
  std::vector<AdamWPart> parts_;
  device::DeviceBuffer memory_;
  std::size_t piece_count_ = 0;
};

class CudaKernels final : public Kernels {
 public:
  /// Computes in `type`, f32, bf16 or f16; `tf32`: the factors of products in f32 are rounded to
  /// tf32 first. `device` must outlive it.
  CudaKernels(device::CudaDevice& device, device::DataType type, bool tf32)
      : device_(device), compute_type_(type), products_(device, tf32), workspace_(device) {}

  device::DataType compute_type() const override { return compute_type_; }
  std::size_t workspace_bytes(const PassShape& shape, bool backward) const override;

  void embedding_forward(const EmbeddingForward& op) override;
  /// Rows are sorted by their token first, so that each row of the table has one owner.
  void embedding_backward(const EmbeddingBackward& op) override;
  void layernorm_forward(const LayerNormForward& op) override;
  void residual_layernorm_forward(const ResidualLayerNormForward& op) override;
  /// At most 5120 channels, and 4096 of rows that do not begin at multiples of 16 bytes.
  void layernorm_backward(const LayerNormBackward& op) override;
  void dropout_backward(const DropoutBackward& op) override;
  void matmul_forward(const MatmulForward& op) override;
  void matmul_backward_input(const MatmulBackwardInput& op) override;
  void matmul_backward_weight(const MatmulBackwardWeight& op) override;
  void attention_forward(const AttentionForward& op) override;
  /// Keys and queries have a kernel each, which computes the scores anew: no sum is shared.
  void attention_backward(const AttentionBackward& op) override;
  void attention_cached(const AttentionCached& op) override;
  void head_forward(const HeadForward& op) override;
  /// A token or target outside of the vocabulary gives NaN: the model checks them on the host.
  void classifier_forward(const ClassifierForward& op) override;
  void classifier_forward_backward(const ClassifierForwardBackward& op) override;
  void adamw_update(const AdamWUpdate& op) override;
  void decide_update(const UpdateDecision& op) override;
  void add(TensorView to, TensorView from) override;
  void round_to_bf16(TensorView x) override;
  void convert(TensorView to, TensorView from) override;
  void part_sums(const PartSums& op) override;
  std::unique_ptr<device::RecordedWork> record() override {
    return std::make_unique<device::CudaRecording>(device_);
  }
  std::string products_by() const override { return products_.made_by(); }
  std::string choose_products(const std::function<void()>& run) override {
    device_.forget_recordings();
    products_.begin_choosing();
    run();
    return products_.end_choosing();
  }
  bool use_products(std::string_view record) override {
    device_.forget_recordings();
    return products_.use_choices(record);
  }

 private:
  cudaStream_t stream() const { return device_.stream(); }
  /// first_sum (columns) += the rows of `rows` (row_count, columns). With a second sum rows are
  /// (row_count, 2, columns): the first of each pair are added to the first, the others to it.
  void add_rows(const float* rows, std::int64_t row_count, std::int64_t columns, float* first_sum,
                float* second_sum = nullptr);
  template <class Op>
  void classify(const Op& op, float scale, const TensorView& dx, const TensorView& dwte);

  device::CudaDevice& device_;
  device::DataType compute_type_;
  MatrixProducts products_;
  Workspace workspace_;
  AdamWTable adamw_table_;
};

/// Bytes that the operations of a pass reserve at the most; each is in its operations' file.
std::int64_t attention_workspace(const PassShape& shape, bool backward);
std::int64_t classifier_workspace(const PassShape& shape, device::DataType type);  // of logits
std::int64_t embedding_workspace(const PassShape& shape);
std::int64_t layernorm_workspace(const PassShape& shape);
std::int64_t matmul_workspace(const PassShape& shape);

/// The elements of a view, null when it is empty. Throws: UsageError unless they are of this type:
/// float, __nv_bfloat16, __half, std::int32_t, double.
template <class Element>
Element* cuda_elements(const TensorView& view);
template <>
float* cuda_elements(const TensorView& view);
template <>
__nv_bfloat16* cuda_elements(const TensorView& view);
template <>
__half* cuda_elements(const TensorView& view);
template <>
std::int32_t* cuda_elements(const TensorView& view);
template <>
double* cuda_elements(const TensorView& view);
inline float* cuda_floats(const TensorView& view) { return cuda_elements<float>(view); }
inline std::int32_t* cuda_ints(const TensorView& view) { return cuda_elements<std::int32_t>(view); }

}  // namespace gpt2::kernels
