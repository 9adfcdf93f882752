// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <fmt/format.h>

#include "formats/errors.h"
#include "libcore/device/device_cpu.h"

namespace gpt2::device {

std::unique_ptr<Device> open_device(std::string_view kind, int threads) {
  if (threads < 0) {
    throw formats::UsageError(
        fmt::format("threads: is {}, must be 0 (all allowed CPUs) or more", threads));
  }
  if (kind == "auto" || kind == "cpu") {
    return std::make_unique<CpuDevice>(threads == 0 ? allowed_cpu_count() : threads);
  }
  if (kind == "cuda") {
    throw formats::UnavailableError("device cuda: this build has no GPU kernels; take auto or cpu");
  }
  throw formats::UsageError(fmt::format("device: is '{}', must be auto, cpu or cuda", kind));
}

}  // namespace gpt2::device
