// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Which of its ways a GPU's library takes for each product, and the record of it that a run keeps.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "libcore/kernels/matrix_product_cuda.h"

namespace gpt2::kernels {

/// The largest power of two, up to 16 bytes, that rows of a matrix begin at multiples of.
std::int64_t alignment_of(const GpuMatrix& matrix);

/// What decides how a product is done: sizes, types, strides, alignment. Not the data.
using ProductKey = std::array<std::int64_t, 14>;
ProductKey key_of(const MatrixProduct& product, bool tf32);

/// One way to do a product, in words that the library alone understands.
using ProductChoice = std::array<std::uint64_t, 8>;
/// Not with the epilogue at once.
inline constexpr ProductChoice kInParts{};

/// Whether the epilogue's other matrices and vectors lie as cuBLASLt wants them, and it is as exact
/// as the product: nothing is said of GELU's tanh there, and that of short tensor-core factors
/// hides behind their rounding. Source: cublasLt.h, EPILOGUE_AUX_LD, BIAS_POINTER.
bool fits_epilogue(const MatrixProduct& product, bool tf32);

struct ProductChoices {
  std::string made_by;  // GPU and library: another one does not understand the choices
  std::map<ProductKey, ProductChoice> of_products;

  bool operator==(const ProductChoices&) const = default;
  /// Lines of text: made_by, then each product's key in decimal and choice in hexadecimal numbers.
  std::string encode() const;
  /// Takes the choices of such a text; false, and nothing changes, if it is none or another GPU or
  /// library made them.
  bool take_up(std::string_view record);
  /// None: not such a text.
  static std::optional<ProductChoices> decode(std::string_view text);
};

}  // namespace gpt2::kernels
