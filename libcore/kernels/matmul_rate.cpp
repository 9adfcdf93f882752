// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/kernels/matmul_rate.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace gpt2::kernels {
namespace {

using Clock = std::chrono::steady_clock;

/// Values like those of weights: products of zeros alone may run faster than any others.
device::DeviceBuffer random_matrix(device::Device& device, const device::TensorView& shape) {
  std::vector<std::uint16_t> halves(shape.bytes() / sizeof(std::uint16_t));
  std::minstd_rand random;
  // A sign, an exponent that no type takes for infinity, and bits: a small number in each of them.
  for (auto& half : halves) half = static_cast<std::uint16_t>(0x3C00U | (random() & 0x81FFU));
  device::DeviceBuffer buffer(device, shape.bytes());
  device.copy_to_device(buffer.data(), halves.data(), shape.bytes());
  return buffer;
}

/// Seconds that the fastest of three products of `size` x `size` matrices takes.
double seconds_of_product(device::Device& device, Kernels& kernels, std::int64_t size) {
  device::TensorView shape(nullptr, kernels.compute_type(), {size, size});
  const auto x = random_matrix(device, shape), weight = random_matrix(device, shape);
  const device::DeviceBuffer y(device, shape.bytes());
  const auto view = [&](const device::DeviceBuffer& buffer) {
    return device::TensorView(buffer.data(), shape.type, {size, size});
  };
  MatmulForward product{};
  product.x = view(x);
  product.weight = view(weight);
  product.y = view(y);
  product.N = product.K = product.M = size;
  double best = std::numeric_limits<double>::infinity();
  for (int repeat = 0; repeat < 3; ++repeat) {
    device.synchronize();
    const auto begin = Clock::now();
    kernels.matmul_forward(product);
    device.synchronize();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return best;
}

}  // namespace

double measure_matmul_rate(device::Device& device, Kernels& kernels) {
  constexpr double kLongEnough = 5e-3;  // seconds; a start takes microseconds
  constexpr std::int64_t kLargest = 8192;
  for (std::int64_t size = 512;; size *= 2) {
    const double seconds = seconds_of_product(device, kernels, size);
    const auto side = static_cast<double>(size);
    if (seconds >= kLongEnough || size >= kLargest) return 2 * side * side * side / seconds;
  }
}

}  // namespace gpt2::kernels
