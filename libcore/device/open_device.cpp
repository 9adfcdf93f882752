// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <fmt/format.h>

#include "formats/errors.h"
#include "libcore/device/device_cpu.h"
#ifdef GPT2_WITH_CUDA
#include "libcore/device/device_cuda.h"
#endif

namespace gpt2::device {
namespace {

std::unique_ptr<Device> open_cuda([[maybe_unused]] int gpu, [[maybe_unused]] int threads) {
#ifdef GPT2_WITH_CUDA
  return std::make_unique<CudaDevice>(gpu, threads);
#else
  throw formats::UnavailableError(
      "device cuda: this build has no GPU kernels (GPT2_WITH_CUDA=OFF); take auto or cpu");
#endif
}

}  // namespace

std::unique_ptr<Device> open_device(std::string_view kind, int threads, int gpu) {
  if (threads < 0) {
    throw formats::UsageError(
        fmt::format("threads: is {}, must be 0 (all allowed CPUs) or more", threads));
  }
  if (threads == 0) threads = allowed_cpu_count();
  if (kind == "cuda") return open_cuda(gpu, threads);
  if (kind == "auto") {
    try {
      return open_cuda(gpu, threads);
    } catch (const formats::UnavailableError&) {
      kind = "cpu";
    }
  }
  if (kind == "cpu") {
    return std::make_unique<CpuDevice>(threads);
  }
  throw formats::UsageError(fmt::format("device: is '{}', must be auto, cpu or cuda", kind));
}

std::vector<std::string> visible_gpus() {
#ifdef GPT2_WITH_CUDA
  return cuda_gpus();
#else
  return {};
#endif
}

}  // namespace gpt2::device
