// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Memory for intermediate results of one op at a time.
#pragma once

#include <cstdint>

#include "libcore/device/device.h"

namespace gpt2::kernels {

/// Grows to the largest use and is kept.
class Workspace {
 public:
  explicit Workspace(device::Device& device) : device_(device) {}
  /// 64-byte aligned, contents undefined; good until the next reserve().
  float* reserve(std::int64_t float_count) {
    const auto bytes = static_cast<std::size_t>(float_count) * sizeof(float);
    if (bytes > buffer_.bytes()) {
      buffer_ = device::DeviceBuffer();  // freed first: the two need not live at once
      buffer_ = device::DeviceBuffer(device_, bytes);
    }
    return buffer_.f32();
  }

 private:
  device::Device& device_;
  device::DeviceBuffer buffer_;
};

}  // namespace gpt2::kernels
