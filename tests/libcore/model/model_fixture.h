// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Small models for the tests of libcore/model and above.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "libcore/device/device.h"
#include "libcore/kernels/kernels.h"
#include "libcore/model/gpt2.h"
#include "tests/support/backend.h"
#include "tests/support/temporary_folder.h"

namespace gpt2::model::test {

/// Odd on purpose: no size is a multiple of a vector, a tile or 128, and n_inner is not 4 C.
inline Gpt2Config odd_config() {
  return {.vocab_size = 150,
          .context = 40,
          .layers = 2,
          .heads = 3,
          .channels = 21,
          .ffn_channels = 50,
          .end_of_text = 0};
}

/// A model with its device and kernels, initialised with seed 1.
struct SmallModel {
  explicit SmallModel(const Gpt2Config& config, int threads = 1)
      : device(support::open_test_device(threads)),
        kernels(kernels::open_kernels(*device)),
        model(*device, *kernels, config) {
    model.initialise(1);
  }

  /// Weights far from their initial values, so that every path matters: N(0, 0.3), gains around 1.
  void roughen() {
    std::mt19937 random(7);
    std::normal_distribution<float> normal(0, 0.3F);
    for (const auto& parameter : model.table().parameters()) {
      const bool gain = parameter.shape.size() == 1 && parameter.name.ends_with(".weight");
      std::vector<float> values(static_cast<std::size_t>(parameter.element_count));
      for (auto& value : values) value = normal(random) + (gain ? 1.0F : 0.0F);
      model.load_parameter(parameter, values);
    }
  }
  std::vector<float> stored(std::string_view name) const {
    const auto& parameter = model.table().at(name);
    std::vector<float> values(static_cast<std::size_t>(parameter.element_count));
    model.store_parameter(parameter, values);
    return values;
  }
  /// A buffer of the parameters' size, all zero.
  device::DeviceBuffer zeros() const {
    device::DeviceBuffer buffer(*device, model.table().buffer_bytes());
    device->fill_zero(buffer.data(), buffer.bytes());
    return buffer;
  }
  std::vector<float> download(const device::DeviceBuffer& buffer) const {
    std::vector<float> values(buffer.bytes() / sizeof(float));
    device->copy_to_host(values.data(), buffer.data(), buffer.bytes());
    return values;
  }

  std::unique_ptr<device::Device> device;
  std::unique_ptr<kernels::Kernels> kernels;
  Gpt2 model;
};

inline std::vector<std::int32_t> random_tokens(std::int64_t count, std::int64_t vocab_size,
                                               unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<std::int32_t> token(0, static_cast<std::int32_t>(vocab_size - 1));
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(count));
  for (auto& value : tokens) value = token(random);
  return tokens;
}

/// ||a - b|| / ||b|| in double; 0 when both are zero.
inline double relative_distance(std::span<const float> a, std::span<const float> b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    difference += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    size += double{b[i]} * b[i];
  }
  return difference == 0 ? 0 : std::sqrt(difference / size);
}

using support::TemporaryFolder;

}  // namespace gpt2::model::test
