// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/kernels/kernels_cpu.h"

#include <algorithm>

#include "formats/errors.h"

namespace gpt2::kernels {

std::size_t CpuKernels::workspace_bytes(const PassShape& shape, bool backward) const {
  std::int64_t floats = 0;
  for (const auto& of_operations :
       {attention_workspace, classifier_workspace, layernorm_workspace, matmul_workspace}) {
    floats = std::max(floats, of_operations(shape, backward, team_.threads()));
  }
  return static_cast<std::size_t>(floats) * sizeof(float);
}

float* floats_of(const TensorView& view) {
  if (view && view.type != device::DataType::kF32) {
    throw formats::UsageError("kernels on a CPU compute in fp32 only; take precision fp32 or auto");
  }
  return static_cast<float*>(view.data);
}

std::int32_t* ints_of(const TensorView& view) {
  if (view && view.type != device::DataType::kI32) {
    throw formats::UsageError("kernels take tokens and targets as 32-bit integers only");
  }
  return static_cast<std::int32_t*>(view.data);
}

double* doubles_of(const TensorView& view) {
  if (view && view.type != device::DataType::kF64) {
    throw formats::UsageError("kernels take sums as double only");
  }
  return static_cast<double*>(view.data);
}

}  // namespace gpt2::kernels
