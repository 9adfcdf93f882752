// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Tensors of floats as files hold them: 32 bits, bfloat16 or IEEE half, little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "formats/input_file.h"

namespace gpt2::formats {

enum class FloatType { kF32, kBF16, kF16 };
/// Bytes of one value.
std::size_t stored_bytes(FloatType type);

/// Fills `values` with what `bytes`, as many as it needs, hold; exact.
void decode_floats(FloatType type, std::span<const std::uint8_t> bytes, std::span<float> values);
/// Fills `values` with what is stored from byte `offset` on; exact. Throws: as InputFile::read.
void read_floats(const InputFile& file, std::uint64_t offset, FloatType type,
                 std::span<float> values);

using WriteBytes = std::function<void(std::span<const std::uint8_t>)>;
/// Gives `write` the stored bytes of `values` in pieces; rounded to nearest, ties to even.
void encode_floats(FloatType type, std::span<const float> values, const WriteBytes& write);

/// A matrix (rows, columns) as (columns, rows).
std::vector<float> transposed(std::span<const float> values, std::size_t rows, std::size_t columns);

}  // namespace gpt2::formats
