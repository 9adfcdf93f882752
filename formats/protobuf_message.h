// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Writing Protocol Buffers messages by hand: the few field types that event files and W&B runs
// need.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "formats/byte_codec.h"

namespace gpt2::formats {

/// One message; fields stand in the order in which they are added.
/// Source: https://protobuf.dev/programming-guides/encoding
class ProtobufMessage {
 public:
  ProtobufMessage& whole(std::uint32_t field, std::uint64_t value) {  // int32, int64, bool, enum
    put_varint(field << 3U);
    put_varint(value);
    return *this;
  }
  ProtobufMessage& real(std::uint32_t field, double value) {
    put_varint(field << 3U | 1U);
    put_fixed<8>(std::bit_cast<std::uint64_t>(value));
    return *this;
  }
  ProtobufMessage& real(std::uint32_t field, float value) {
    put_varint(field << 3U | 5U);
    put_fixed<4>(std::bit_cast<std::uint32_t>(value));
    return *this;
  }
  ProtobufMessage& text(std::uint32_t field, std::string_view value) {  // bytes, too
    put_varint(field << 3U | 2U);
    put_varint(value.size());
    bytes_ += value;
    return *this;
  }
  ProtobufMessage& message(std::uint32_t field, const ProtobufMessage& value) {
    return text(field, value.bytes_);
  }
  ProtobufMessage& reals(std::uint32_t field, std::span<const double> values) {  // packed
    put_varint(field << 3U | 2U);
    put_varint(8 * values.size());
    for (const double value : values) put_fixed<8>(std::bit_cast<std::uint64_t>(value));
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void put_varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) bytes_ += static_cast<char>(value | 0x80U);
    bytes_ += static_cast<char>(value);
  }
  template <int size>
  void put_fixed(std::uint64_t value) {
    for (int i = 0; i < size; ++i) bytes_ += static_cast<char>(value >> (8U * i));
  }
  std::string bytes_;
};

}  // namespace gpt2::formats
