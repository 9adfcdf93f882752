// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Thrift's compact protocol, in which Parquet writes its metadata. Only reading.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "formats/errors.h"

namespace gpt2::formats {

/// The bytes end inside a value; more of them may help.
class ThriftEndError : public FormatError {
 public:
  using FormatError::FormatError;
};

/// Reads values from bytes at hand, which may be hostile: every length is checked against the bytes
/// left, and structures nest at most 64 deep. `field` names a value in errors.
/// Throws: ThriftEndError where the bytes end; FormatError for a value of another type or that does
/// not fit.
class ThriftCompactReader {
 public:
  /// `offset` is where `bytes` begin in the file called `path`, for errors.
  ThriftCompactReader(std::span<const std::uint8_t> bytes, std::string_view path,
                      std::uint64_t offset)
      : bytes_(bytes), path_(path), offset_(offset) {}

  /// Reads a struct: `visit(id)` runs for each field and takes its value by one of the calls here;
  /// a value that it does not take is passed over. The fields `required` must be there.
  template <typename Visit>
  void read_struct(const char* field, std::initializer_list<int> required, Visit visit) {
    take(Type::kStruct, field);
    const Nesting nesting(*this);
    std::uint64_t seen = 0;  // a bit for each number below 64
    for (std::int16_t id = 0; read_field_header(id);) {
      if (id >= 0 && id < 64) seen |= std::uint64_t{1} << id;
      visit(id);
      skip_if_left();
    }
    for (const int id : required) {
      if ((seen >> id & 1) == 0) refuse_missing(field, id);
    }
  }
  /// Reads a list or set: `visit()` runs for each element.
  template <typename Visit>
  void read_list(const char* field, Visit visit) {
    const List list = begin_list(field);
    const Nesting nesting(*this);
    for (std::uint64_t i = 0; i < list.count; ++i) {
      next_ = list.element;
      visit();
      skip_if_left();
    }
  }
  bool read_bool(const char* field);
  std::int32_t read_i32(const char* field);
  std::int64_t read_i64(const char* field);
  /// A number that must not be negative.
  std::uint32_t read_count_32(const char* field);
  std::uint64_t read_count_64(const char* field);
  /// Points into the bytes given to the constructor.
  std::string_view read_binary(const char* field);

  /// Bytes read so far.
  std::size_t position() const { return position_; }
  [[noreturn]] void refuse(std::string_view field, std::string_view problem) const;

 private:
  enum class Type : std::uint8_t {
    kNone = 0,  // also the end of a struct
    kTrue = 1,
    kFalse = 2,
    kByte = 3,
    kI16 = 4,
    kI32 = 5,
    kI64 = 6,
    kDouble = 7,
    kBinary = 8,
    kList = 9,
    kSet = 10,
    kMap = 11,
    kStruct = 12,
    kUuid = 13
  };
  struct List {
    Type element = Type::kNone;
    std::uint64_t count = 0;
  };
  class Nesting {
   public:
    explicit Nesting(ThriftCompactReader& reader);
    ~Nesting() { --reader_.depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    ThriftCompactReader& reader_;
  };

  [[noreturn]] void refuse_missing(const char* field, int id) const;
  static const char* name(Type type);
  void take(Type expected, const char* field);
  bool read_field_header(std::int16_t& id);
  List begin_list(const char* field);
  void skip_if_left();
  void skip(Type type);
  void skip_bytes(std::uint64_t count);
  std::uint8_t read_byte();
  std::uint64_t read_varint();
  std::int64_t read_zigzag();

  std::span<const std::uint8_t> bytes_;
  std::string path_;
  std::uint64_t offset_;
  std::size_t position_ = 0;
  Type next_ = Type::kStruct;  // of the value that stands at `position_`; kNone once it was taken
  unsigned depth_ = 0;
};

}  // namespace gpt2::formats
