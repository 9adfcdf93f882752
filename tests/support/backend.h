// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The fixture of tests that run on every twin: a device with its kernels, and tensors going up and
// down.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "libcore/device/device.h"
#include "libcore/kernels/kernels.h"

namespace gpt2::support {

using device::TensorView;

/// The twin of the test program: GPT2_TEST_DEVICE, else cpu.
std::string test_device();

/// The twin. One that this machine does not have ends the program with 77, which CTest shows as
/// skipped, or with 1 where GPT2_TEST_NEEDS_GPU is set. `threads` 0: as many as the device takes by
/// default.
std::unique_ptr<device::Device> open_test_device(int threads);

/// What the twin computes with: GPT2_TEST_PRECISION, else fp32.
std::string test_precision();
/// The nearest number that the twin keeps in memory.
float rounded(float value);
/// What two roundings to such a number, or to one that products take, may change, as a share of it;
/// 0 for fp32, where tests say what many of them may.
double rounding_of_twin();

/// `count` numbers, uniform in [-1, 1), the same for the same seed on every machine: rounded(), and
/// such that products take them as they are.
std::vector<float> random_floats(std::int64_t count, std::uint32_t seed);
/// `count` integers, uniform in [0, bound).
std::vector<std::int32_t> random_ints(std::int64_t count, std::int32_t bound, std::uint32_t seed);

/// One device with its kernels. Tensors live until the fixture ends.
class Backend {
 public:
  /// `threads` 0: as many as the device takes by default.
  explicit Backend(int threads = 0);

  device::Device& device() { return *device_; }
  kernels::Kernels& kernels() { return *kernels_; }

  /// A tensor of `shape` (default: one axis) that holds `values`, of the type the twin computes in.
  TensorView upload(const std::vector<float>& values,
                    std::initializer_list<std::int64_t> shape = {});
  /// The same of floats, whatever it computes in.
  TensorView upload_floats(const std::vector<float>& values,
                           std::initializer_list<std::int64_t> shape = {});
  TensorView upload_doubles(const std::vector<double>& values);
  TensorView upload_ints(const std::vector<std::int32_t>& values,
                         std::initializer_list<std::int64_t> shape = {});
  /// A tensor of NaNs: an element that an operation leaves unwritten shows.
  TensorView poisoned(std::initializer_list<std::int64_t> shape);
  TensorView poisoned_floats(std::initializer_list<std::int64_t> shape);
  std::vector<float> download(const TensorView& tensor);
  std::vector<double> download_doubles(const TensorView& tensor);
  /// Anything of plain bytes, to the device's memory and back.
  template <class Value>
  Value* upload_value(const Value& value) {
    auto& buffer = buffers_.emplace_back(*device_, sizeof value);
    device_->copy_to_device(buffer.data(), &value, sizeof value);
    return static_cast<Value*>(buffer.data());
  }
  template <class Value>
  Value download_value(const Value* value) {
    Value copy;
    device_->copy_to_host(&copy, value, sizeof copy);
    return copy;
  }

 private:
  TensorView allocate(device::DataType type, std::int64_t count,
                      std::initializer_list<std::int64_t> shape);

  std::unique_ptr<device::Device> device_;
  std::unique_ptr<kernels::Kernels> kernels_;
  std::list<device::DeviceBuffer> buffers_;
};

}  // namespace gpt2::support
