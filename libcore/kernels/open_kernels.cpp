// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/kernels/kernels_cpu.h"
#ifdef GPT2_WITH_CUDA
#include "libcore/kernels/kernels_cuda.h"
#endif

namespace gpt2::kernels {

std::unique_ptr<Kernels> open_kernels(device::Device& device) {
#ifdef GPT2_WITH_CUDA
  if (auto* gpu = dynamic_cast<device::CudaDevice*>(&device); gpu != nullptr) {
    return std::make_unique<CudaKernels>(*gpu);
  }
#endif
  return std::make_unique<CpuKernels>(device);
}

}  // namespace gpt2::kernels
