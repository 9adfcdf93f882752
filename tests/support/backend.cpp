// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tests/support/backend.h"

#include <cstdio>
#include <cstdlib>
#include <limits>

#include "formats/errors.h"
#include "libcore/kernels/philox.h"

namespace gpt2::support {

std::string test_device() {
  const char* name = std::getenv("GPT2_TEST_DEVICE");
  return name == nullptr ? "cpu" : name;
}

std::vector<float> random_floats(std::int64_t count, std::uint32_t seed) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto word = kernels::philox4x32({static_cast<std::uint32_t>(i)}, {seed})[0];
    values[i] = static_cast<float>(word >> 8) * 0x1p-23F - 1;
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

namespace {

// A twin that this machine does not have ends the program with 77, which CTest shows as skipped.
std::unique_ptr<device::Device> open_or_skip(int threads) {
  try {
    return device::open_device(test_device(), threads);
  } catch (const formats::UnavailableError& error) {
    std::fprintf(stderr, "skipped: %s\n", error.what());
    std::_Exit(77);
  }
}

}  // namespace

Backend::Backend(int threads)
    : device_(open_or_skip(threads)), kernels_(kernels::open_kernels(*device_)) {}

TensorView Backend::allocate(device::DataType type, std::int64_t count,
                             std::initializer_list<std::int64_t> shape) {
  auto& buffer =
      buffers_.emplace_back(*device_, static_cast<std::size_t>(count) * device::bytes_of(type));
  if (shape.size() == 0) return {buffer.data(), type, {count}};
  return {buffer.data(), type, shape};
}

TensorView Backend::upload(const std::vector<float>& values,
                           std::initializer_list<std::int64_t> shape) {
  const auto tensor =
      allocate(device::DataType::kF32, static_cast<std::int64_t>(values.size()), shape);
  device_->copy_to_device(tensor.data, values.data(), values.size() * sizeof(float));
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
  std::int64_t count = 1;
  for (const auto size : shape) count *= size;
  return upload(
      std::vector<float>(static_cast<std::size_t>(count), std::numeric_limits<float>::quiet_NaN()),
      shape);
}

std::vector<float> Backend::download(const TensorView& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.element_count()));
  device_->copy_to_host(values.data(), tensor.data, values.size() * sizeof(float));
  return values;
}

}  // namespace gpt2::support
