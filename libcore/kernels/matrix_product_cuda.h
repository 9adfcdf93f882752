// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Matrix products on a GPU, by cuBLASLt. tests/emulator has another definition of the same class.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "libcore/device/device_cuda.h"

namespace gpt2::kernels {

/// A matrix in rows, `stride` elements apart.
struct GpuMatrix {
  void* data = nullptr;
  device::DataType type = device::DataType::kF32;
  std::int64_t stride = 0;
  bool transposed = false;  // of a factor: the product reads it as its transpose
};

/// What is done to the product before it is written.
enum class Epilogue {
  kNone,
  kBias,       // + bias
  kBiasGelu,   // + bias, kept in pre_activation; then gelu
  kGeluSlope,  // x gelu'(pre_activation)
  kColumnSums  // of b, into column_sums
};

/// c (rows, columns) = a (rows, inner) b (inner, columns); with add: c +=.
struct MatrixProduct {
  std::int64_t rows, columns, inner;
  GpuMatrix a, b, c;
  bool add = false;
  Epilogue epilogue = Epilogue::kNone;
  const void* bias = nullptr;    // (columns), of c's type
  float* column_sums = nullptr;  // (columns): sums over b's rows; c is float then
  GpuMatrix pre_activation;      // (rows, columns)
};

class MatrixProducts {
 public:
  /// `tf32`: float factors are rounded to tf32. `device` must outlive it. Throws: UnavailableError.
  MatrixProducts(device::CudaDevice& device, bool tf32);
  MatrixProducts(const MatrixProducts&) = delete;
  MatrixProducts& operator=(const MatrixProducts&) = delete;
  ~MatrixProducts();

  /// A product without epilogue. Stream: queued. Throws: UnavailableError with the shape.
  void multiply(const MatrixProduct& product);
  /// A product with its epilogue at once, or `in_parts`, which does the same by a product without
  /// one and by kernels: where there is no other way, or where timing has found it faster. Whether
  /// it was done at once.
  bool multiply(const MatrixProduct& product, const std::function<void()>& in_parts);

  /// The GPU's kind and the library with its version.
  const std::string& made_by() const;
  /// Until end_choosing(), the first multiply() of each kind of product times several ways and
  /// takes the fastest; what a product or its parts are added to is worth nothing after that.
  /// Choices before are forgotten.
  void begin_choosing();
  /// The record of what was chosen.
  std::string end_choosing();
  /// Does products as in the record, and others in the way that the library thinks best. False if
  /// the record is of another GPU or version of the library, or none at all: nothing is taken then.
  bool use_choices(std::string_view record);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gpt2::kernels
