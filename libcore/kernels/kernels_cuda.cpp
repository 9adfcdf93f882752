// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/kernels/kernels_cuda.h"

#include <algorithm>

#include "formats/errors.h"

namespace gpt2::kernels {
namespace {

constexpr const char* kOneType = "kernels on a GPU take one type of activations at a time";

template <class Element>
Element* elements_of(const TensorView& view, device::DataType type, const char* refusal) {
  if (view && view.type != type) throw formats::UsageError(refusal);
  return static_cast<Element*>(view.data);
}

}  // namespace

std::size_t CudaKernels::workspace_bytes(const PassShape& shape, bool backward) const {
  // Partial sums of squares, and the table of AdamW's pieces, which is kept.
  constexpr std::int64_t kParametersOfByte = 128;
  constexpr std::int64_t kSmallest = 16 * 1024;
  const std::int64_t tables = kSmallest + shape.parameter_count / kParametersOfByte;
  // Logits are of the type of the computation where a gradient follows.
  auto bytes =
      std::max(classifier_workspace(shape, backward ? compute_type_ : device::DataType::kF32),
               attention_workspace(shape, backward));
  if (backward) {
    bytes = std::max(
        {bytes, embedding_workspace(shape), layernorm_workspace(shape), matmul_workspace(shape)});
  }
  return static_cast<std::size_t>(std::max(bytes, tables) + tables);
}

template <>
float* cuda_elements(const TensorView& view) {
  return elements_of<float>(view, device::DataType::kF32,
                            "kernels on a GPU take fp32 here, not another type of number");
}
template <>
__nv_bfloat16* cuda_elements(const TensorView& view) {
  return elements_of<__nv_bfloat16>(view, device::DataType::kBF16, kOneType);
}
template <>
__half* cuda_elements(const TensorView& view) {
  return elements_of<__half>(view, device::DataType::kF16, kOneType);
}
template <>
std::int32_t* cuda_elements(const TensorView& view) {
  return elements_of<std::int32_t>(view, device::DataType::kI32,
                                   "kernels take tokens and targets as 32-bit integers only");
}
template <>
double* cuda_elements(const TensorView& view) {
  return elements_of<double>(view, device::DataType::kF64, "kernels take sums as double only");
}

}  // namespace gpt2::kernels
