// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/kernels/kernels_cuda.h"

#include "formats/errors.h"

namespace gpt2::kernels {
namespace {

template <class Element>
Element* elements_of(const TensorView& view, device::DataType type, const char* refusal) {
  if (view && view.type != type) throw formats::UsageError(refusal);
  return static_cast<Element*>(view.data);
}

}  // namespace

template <>
float* cuda_elements(const TensorView& view) {
  return elements_of<float>(view, device::DataType::kF32,
                            "kernels on a GPU take fp32 here, not another type of number");
}
template <>
__nv_bfloat16* cuda_elements(const TensorView& view) {
  return elements_of<__nv_bfloat16>(view, device::DataType::kBF16,
                                    "kernels on a GPU take one type of activations at a time");
}
template <>
std::int32_t* cuda_elements(const TensorView& view) {
  return elements_of<std::int32_t>(view, device::DataType::kI32,
                                   "kernels take tokens and targets as 32-bit integers only");
}

}  // namespace gpt2::kernels
