// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/kernels/kernels_cpu.h"

namespace gpt2::kernels {

std::unique_ptr<Kernels> open_kernels(device::Device& device) {
  return std::make_unique<CpuKernels>(device);
}

}  // namespace gpt2::kernels
