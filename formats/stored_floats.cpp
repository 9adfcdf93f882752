// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/stored_floats.h"

#include <algorithm>
#include <bit>

#include "formats/byte_codec.h"
#include "formats/half_precision.h"

namespace gpt2::formats {
namespace {

constexpr std::size_t kPieceElements = std::size_t{1} << 16;

float load(FloatType type, const std::uint8_t* bytes) {
  switch (type) {
    case FloatType::kBF16:
      return float_from_bfloat16(load_u16(bytes));
    case FloatType::kF16:
      return float_from_half(load_u16(bytes));
    case FloatType::kF32:
      break;
  }
  return std::bit_cast<float>(load_u32(bytes));
}

void store(FloatType type, float value, std::uint8_t* bytes) {
  switch (type) {
    case FloatType::kBF16:
      return store_u16(bytes, bfloat16_from_float(value));
    case FloatType::kF16:
      return store_u16(bytes, half_from_float(value));
    case FloatType::kF32:
      break;
  }
  store_u32(bytes, std::bit_cast<std::uint32_t>(value));
}

}  // namespace

std::size_t stored_bytes(FloatType type) { return type == FloatType::kF32 ? 4 : 2; }

void decode_floats(FloatType type, std::span<const std::uint8_t> bytes, std::span<float> values) {
  const auto element_bytes = stored_bytes(type);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = load(type, &bytes[i * element_bytes]);
  }
}

void read_floats(const InputFile& file, std::uint64_t offset, FloatType type,
                 std::span<float> values) {
  const auto element_bytes = stored_bytes(type);
  std::vector<std::uint8_t> piece(std::min(values.size(), kPieceElements) * element_bytes);
  while (!values.empty()) {
    const auto count = std::min(values.size(), kPieceElements);
    file.read(offset, {piece.data(), count * element_bytes});
    decode_floats(type, piece, values.first(count));
    values = values.subspan(count);
    offset += count * element_bytes;
  }
}

void encode_floats(FloatType type, std::span<const float> values, const WriteBytes& write) {
  const auto element_bytes = stored_bytes(type);
  std::vector<std::uint8_t> piece(std::min(values.size(), kPieceElements) * element_bytes);
  while (!values.empty()) {
    const auto count = std::min(values.size(), kPieceElements);
    for (std::size_t i = 0; i < count; ++i) {
      store(type, values[i], piece.data() + i * element_bytes);
    }
    write({piece.data(), count * element_bytes});
    values = values.subspan(count);
  }
}

std::vector<float> transposed(std::span<const float> values, std::size_t rows,
                              std::size_t columns) {
  constexpr std::size_t kTile = 32;  // both sides of a tile stay in the nearest cache
  std::vector<float> result(rows * columns);
  for (std::size_t row = 0; row < rows; row += kTile) {
    for (std::size_t column = 0; column < columns; column += kTile) {
      for (std::size_t i = row; i < std::min(rows, row + kTile); ++i) {
        for (std::size_t j = column; j < std::min(columns, column + kTile); ++j) {
          result[j * rows + i] = values[i * columns + j];
        }
      }
    }
  }
  return result;
}

}  // namespace gpt2::formats
