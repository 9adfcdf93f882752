// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <fmt/format.h>

#include "formats/errors.h"
#include "libcore/kernels/kernels_cpu.h"
#ifdef GPT2_WITH_CUDA
#include "libcore/kernels/kernels_cuda.h"
#endif

namespace gpt2::kernels {

void check_precision(std::string_view device_kind, std::string_view precision) {
  if (precision == "auto" || precision == "fp32") return;
  if (precision != "tf32" && precision != "bf16" && precision != "fp16") {
    throw formats::UsageError(fmt::format(
        "--precision {}: this version has none; take auto, fp32, tf32, bf16 or fp16", precision));
  }
  if (device_kind != "cuda") {
    throw formats::UsageError(fmt::format(
        "--precision {}: a CPU computes in fp32 only; give --device cuda with it, or take auto",
        precision));
  }
}

std::unique_ptr<Kernels> open_kernels(device::Device& device, std::string_view precision) {
#ifdef GPT2_WITH_CUDA
  if (auto* gpu = dynamic_cast<device::CudaDevice*>(&device); gpu != nullptr) {
    check_precision("cuda", precision);
    const auto type = precision == "bf16" || precision == "auto" ? device::DataType::kBF16
                      : precision == "fp16"                      ? device::DataType::kF16
                                                                 : device::DataType::kF32;
    return std::make_unique<CudaKernels>(*gpu, type, precision == "tf32");
  }
#endif
  check_precision("cpu", precision);
  return std::make_unique<CpuKernels>(device);
}

}  // namespace gpt2::kernels
