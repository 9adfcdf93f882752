// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tests/support/backend.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "formats/errors.h"
#include "formats/half_precision.h"
#include "libcore/kernels/philox.h"
#include "tests/support/tf32.h"

namespace gpt2::support {

std::string test_device() {
  const char* name = std::getenv("GPT2_TEST_DEVICE");
  return name == nullptr ? "cpu" : name;
}

std::string test_precision() {
  const char* name = std::getenv("GPT2_TEST_PRECISION");
  return name == nullptr ? "fp32" : name;
}

namespace {

// The 16 bits of a number of `type`, and back.
std::uint16_t encoded(device::DataType type, float value) {
  return type == device::DataType::kF16 ? formats::half_from_float(value)
                                        : formats::bfloat16_from_float(value);
}
float decoded(device::DataType type, std::uint16_t bits) {
  return type == device::DataType::kF16 ? formats::float_from_half(bits)
                                        : formats::float_from_bfloat16(bits);
}

}  // namespace

float rounded(float value) {
  const auto precision = test_precision();
  const auto through = [&](device::DataType type) { return decoded(type, encoded(type, value)); };
  if (precision == "bf16") return through(device::DataType::kBF16);
  return precision == "fp16" ? through(device::DataType::kF16) : value;
}

double rounding_of_twin() {
  const auto precision = test_precision();
  if (precision == "bf16") return 0x1p-7;
  return precision == "fp16" || precision == "tf32" ? 0x1p-10 : 0;
}

std::vector<float> random_floats(std::int64_t count, std::uint32_t seed) {
  const bool is_tf32 = test_precision() == "tf32";
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto word = kernels::philox4x32({static_cast<std::uint32_t>(i)}, {seed})[0];
    const float value = static_cast<float>(word >> 8) * 0x1p-23F - 1;
    values[i] = is_tf32 ? rounded_to_tf32(value) : rounded(value);
  }
  return values;
}

std::vector<std::int32_t> random_ints(std::int64_t count, std::int32_t bound, std::uint32_t seed) {
  std::vector<std::int32_t> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint64_t word = kernels::philox4x32({static_cast<std::uint32_t>(i)}, {seed})[0];
    values[i] = static_cast<std::int32_t>(word * static_cast<std::uint64_t>(bound) >> 32);
  }
  return values;
}

std::unique_ptr<device::Device> open_test_device(int threads) {
  try {
    return device::open_device(test_device(), threads);
  } catch (const formats::UnavailableError& error) {
    const bool is_needed = std::getenv("GPT2_TEST_NEEDS_GPU") != nullptr;
    std::fprintf(stderr, "%s: %s\n", is_needed ? "GPT2_TEST_NEEDS_GPU is set" : "skipped",
                 error.what());
    std::_Exit(is_needed ? 1 : 77);
  }
}

namespace {

std::vector<float> nans(std::initializer_list<std::int64_t> shape) {
  std::int64_t count = 1;
  for (const auto size : shape) count *= size;
  return std::vector<float>(static_cast<std::size_t>(count),
                            std::numeric_limits<float>::quiet_NaN());
}

}  // namespace

Backend::Backend(int threads)
    : device_(open_test_device(threads)),
      kernels_(kernels::open_kernels(*device_, test_precision())) {}

TensorView Backend::allocate(device::DataType type, std::int64_t count,
                             std::initializer_list<std::int64_t> shape) {
  auto& buffer =
      buffers_.emplace_back(*device_, static_cast<std::size_t>(count) * device::bytes_of(type));
  if (shape.size() == 0) return {buffer.data(), type, {count}};
  return {buffer.data(), type, shape};
}

TensorView Backend::upload(const std::vector<float>& values,
                           std::initializer_list<std::int64_t> shape) {
  const auto type = kernels_->compute_type();
  if (type == device::DataType::kF32) return upload_floats(values, shape);
  const auto tensor = allocate(type, static_cast<std::int64_t>(values.size()), shape);
  std::vector<std::uint16_t> halves(values.size());
  std::ranges::transform(values, halves.begin(),
                         [type](float value) { return encoded(type, value); });
  device_->copy_to_device(tensor.data, halves.data(), tensor.bytes());
  return tensor;
}

TensorView Backend::upload_floats(const std::vector<float>& values,
                                  std::initializer_list<std::int64_t> shape) {
  const auto tensor =
      allocate(device::DataType::kF32, static_cast<std::int64_t>(values.size()), shape);
  device_->copy_to_device(tensor.data, values.data(), values.size() * sizeof(float));
  return tensor;
}

TensorView Backend::upload_doubles(const std::vector<double>& values) {
  const auto tensor =
      allocate(device::DataType::kF64, static_cast<std::int64_t>(values.size()), {});
  device_->copy_to_device(tensor.data, values.data(), tensor.bytes());
  return tensor;
}

TensorView Backend::upload_ints(const std::vector<std::int32_t>& values,
                                std::initializer_list<std::int64_t> shape) {
  const auto tensor =
      allocate(device::DataType::kI32, static_cast<std::int64_t>(values.size()), shape);
  device_->copy_to_device(tensor.data, values.data(), values.size() * sizeof(std::int32_t));
  return tensor;
}

TensorView Backend::poisoned(std::initializer_list<std::int64_t> shape) {
  return upload(nans(shape), shape);
}
TensorView Backend::poisoned_floats(std::initializer_list<std::int64_t> shape) {
  return upload_floats(nans(shape), shape);
}

std::vector<float> Backend::download(const TensorView& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.element_count()));
  if (tensor.type == device::DataType::kF32) {
    device_->copy_to_host(values.data(), tensor.data, tensor.bytes());
  } else {
    std::vector<std::uint16_t> halves(values.size());
    device_->copy_to_host(halves.data(), tensor.data, tensor.bytes());
    std::ranges::transform(halves, values.begin(),
                           [&tensor](std::uint16_t bits) { return decoded(tensor.type, bits); });
  }
  return values;
}

std::vector<double> Backend::download_doubles(const TensorView& tensor) {
  std::vector<double> values(static_cast<std::size_t>(tensor.element_count()));
  device_->copy_to_host(values.data(), tensor.data, tensor.bytes());
  return values;
}

}  // namespace gpt2::support
