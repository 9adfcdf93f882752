// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/thrift_compact.h"

#include <fmt/format.h>

#include <array>
#include <limits>
#include <utility>

namespace gpt2::formats {
namespace {

constexpr unsigned kMaxDepth = 64;

}  // namespace

ThriftCompactReader::Nesting::Nesting(ThriftCompactReader& reader) : reader_(reader) {
  if (reader_.depth_ == kMaxDepth) {
    reader_.refuse("metadata", fmt::format("nests more than {} deep", kMaxDepth));
  }
  ++reader_.depth_;
}

const char* ThriftCompactReader::name(Type type) {
  constexpr std::array<const char*, 14> kNames{"nothing", "a bool", "a bool",   "a byte", "an i16",
                                               "an i32",  "an i64", "a double", "bytes",  "a list",
                                               "a set",   "a map",  "a struct", "a uuid"};
  return kNames.at(static_cast<std::size_t>(type));
}

void ThriftCompactReader::refuse(std::string_view field, std::string_view problem) const {
  throw FormatError(path_, offset_ + position_, field, problem);
}

void ThriftCompactReader::refuse_missing(const char* field, int id) const {
  refuse(field, fmt::format("its member number {} is missing", id));
}

void ThriftCompactReader::take(Type expected, const char* field) {
  const Type found = std::exchange(next_, Type::kNone);
  if (found != expected) {
    refuse(field, fmt::format("is {}, expected {}", name(found), name(expected)));
  }
}

std::uint8_t ThriftCompactReader::read_byte() {
  if (position_ == bytes_.size()) {
    throw ThriftEndError(path_, offset_ + position_, "metadata", "ends inside a value");
  }
  return bytes_[position_++];
}

void ThriftCompactReader::skip_bytes(std::uint64_t count) {
  if (count > bytes_.size() - position_) {
    throw ThriftEndError(
        path_, offset_ + position_, "metadata",
        fmt::format("a value of {} bytes has {} left", count, bytes_.size() - position_));
  }
  position_ += count;
}

std::uint64_t ThriftCompactReader::read_varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const std::uint8_t byte = read_byte();
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  refuse("metadata", "a number has more than 64 bits");
}

std::int64_t ThriftCompactReader::read_zigzag() {
  const std::uint64_t value = read_varint();
  return static_cast<std::int64_t>(value >> 1 ^ (~(value & 1) + 1));
}

bool ThriftCompactReader::read_field_header(std::int16_t& id) {
  const std::uint8_t byte = read_byte();
  const auto type = static_cast<Type>(byte & 0x0F);
  if (type > Type::kUuid) refuse("metadata", fmt::format("type {} is not known", byte & 0x0F));
  if (type == Type::kNone) return false;
  // The upper half is how far the number is beyond the last field's; 0: it follows.
  const std::int64_t number = byte >> 4 != 0 ? id + (byte >> 4) : read_zigzag();
  if (number < std::numeric_limits<std::int16_t>::min() ||
      number > std::numeric_limits<std::int16_t>::max()) {
    refuse("metadata", fmt::format("field number {} does not fit", number));
  }
  id = static_cast<std::int16_t>(number);
  next_ = type;
  return true;
}

ThriftCompactReader::List ThriftCompactReader::begin_list(const char* field) {
  if (next_ == Type::kSet) next_ = Type::kList;
  take(Type::kList, field);
  const std::uint8_t byte = read_byte();
  List list{static_cast<Type>(byte & 0x0F), static_cast<std::uint64_t>(byte >> 4)};
  if (list.count == 15) list.count = read_varint();
  if (list.element == Type::kNone || list.element > Type::kUuid) {
    refuse(field, fmt::format("elements of type {} are not known", byte & 0x0F));
  }
  if (list.element == Type::kTrue || list.element == Type::kFalse) list.element = Type::kByte;
  if (list.count > bytes_.size() - position_) {  // an element takes at least one byte
    throw ThriftEndError(path_, offset_ + position_, field,
                         fmt::format("has {} elements and {} bytes are left", list.count,
                                     bytes_.size() - position_));
  }
  return list;
}

void ThriftCompactReader::skip_if_left() {
  if (next_ != Type::kNone) skip(std::exchange(next_, Type::kNone));
}

void ThriftCompactReader::skip(Type type) {
  switch (type) {
    case Type::kNone:
    case Type::kTrue:
    case Type::kFalse:
      break;  // of a field: the type is the value
    case Type::kByte:
      skip_bytes(1);
      break;
    case Type::kI16:
    case Type::kI32:
    case Type::kI64:
      read_varint();
      break;
    case Type::kDouble:
      skip_bytes(8);
      break;
    case Type::kBinary:
      skip_bytes(read_varint());
      break;
    case Type::kUuid:
      skip_bytes(16);
      break;
    case Type::kStruct:
      next_ = type;
      read_struct("metadata", {}, [](std::int16_t) {});
      break;
    case Type::kList:
    case Type::kSet:
      next_ = type;
      read_list("metadata", [] {});
      break;
    case Type::kMap:
      refuse("metadata", "holds a map, which Parquet does not have");
  }
}

bool ThriftCompactReader::read_bool(const char* field) {
  const bool value = next_ == Type::kTrue;
  if (next_ == Type::kFalse) next_ = Type::kTrue;
  take(Type::kTrue, field);
  return value;
}

std::int32_t ThriftCompactReader::read_i32(const char* field) {
  take(Type::kI32, field);
  const std::int64_t value = read_zigzag();
  if (value < std::numeric_limits<std::int32_t>::min() ||
      value > std::numeric_limits<std::int32_t>::max()) {
    refuse(field, fmt::format("is {}, which does not fit 32 bits", value));
  }
  return static_cast<std::int32_t>(value);
}

std::int64_t ThriftCompactReader::read_i64(const char* field) {
  take(Type::kI64, field);
  return read_zigzag();
}

std::uint32_t ThriftCompactReader::read_count_32(const char* field) {
  const std::int32_t value = read_i32(field);
  if (value < 0) refuse(field, fmt::format("is {}, expected 0 or more", value));
  return static_cast<std::uint32_t>(value);
}

std::uint64_t ThriftCompactReader::read_count_64(const char* field) {
  const std::int64_t value = read_i64(field);
  if (value < 0) refuse(field, fmt::format("is {}, expected 0 or more", value));
  return static_cast<std::uint64_t>(value);
}

std::string_view ThriftCompactReader::read_binary(const char* field) {
  take(Type::kBinary, field);
  const std::uint64_t count = read_varint();
  const std::size_t begin = position_;
  skip_bytes(count);
  return {reinterpret_cast<const char*>(bytes_.data()) + begin, count};
}

}  // namespace gpt2::formats
