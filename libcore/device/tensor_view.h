// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A view of memory with a type and sizes: what every kernel takes.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace gpt2::device {

enum class DataType : std::uint8_t { kF32, kBF16, kF16, kI32, kF64 };

constexpr std::size_t bytes_of(DataType type) {
  if (type == DataType::kF64) return 8;
  return type == DataType::kF32 || type == DataType::kI32 ? 4 : 2;
}

/// Memory of one device, not owned; row-major and contiguous. An empty view (no data) means "not
/// given".
struct TensorView {
  void* data = nullptr;
  DataType type = DataType::kF32;
  std::array<std::int64_t, 4> sizes{1, 1, 1, 1};
  int rank = 0;

  TensorView() = default;
  TensorView(void* memory, DataType data_type, std::initializer_list<std::int64_t> shape)
      : data(memory), type(data_type), rank(static_cast<int>(shape.size())) {
    assert(shape.size() <= sizes.size());
    int axis = 0;
    for (const auto size : shape) sizes[axis++] = size;
  }
  explicit operator bool() const { return data != nullptr; }
  std::int64_t element_count() const { return sizes[0] * sizes[1] * sizes[2] * sizes[3]; }
  /// The elements from `first` on as a tensor of their own.
  TensorView part(std::int64_t first, std::initializer_list<std::int64_t> shape) const {
    const auto offset = static_cast<std::size_t>(first) * bytes_of(type);
    return {static_cast<std::byte*>(data) + offset, type, shape};
  }
  std::size_t bytes() const { return static_cast<std::size_t>(element_count()) * bytes_of(type); }
  float* f32() const {
    assert(type == DataType::kF32);
    return static_cast<float*>(data);
  }
  std::int32_t* i32() const {
    assert(type == DataType::kI32);
    return static_cast<std::int32_t*>(data);
  }
};

}  // namespace gpt2::device
