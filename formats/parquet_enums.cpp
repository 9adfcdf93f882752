// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/parquet_enums.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <span>
#include <vector>

namespace gpt2::formats {
namespace {

constexpr std::array<const char*, 8> kTypes{
    "BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"};
constexpr std::array<const char*, 8> kCodecs{"UNCOMPRESSED", "SNAPPY", "GZIP", "LZO",
                                             "BROTLI",       "LZ4",    "ZSTD", "LZ4_RAW"};
constexpr std::array<const char*, 4> kPageTypes{"DATA_PAGE", "INDEX_PAGE", "DICTIONARY_PAGE",
                                                "DATA_PAGE_V2"};
constexpr std::array<const char*, 11> kEncodings{"PLAIN",
                                                 "GROUP_VAR_INT",
                                                 "PLAIN_DICTIONARY",
                                                 "RLE",
                                                 "BIT_PACKED",
                                                 "DELTA_BINARY_PACKED",
                                                 "DELTA_LENGTH_BYTE_ARRAY",
                                                 "DELTA_BYTE_ARRAY",
                                                 "RLE_DICTIONARY",
                                                 "BYTE_STREAM_SPLIT",
                                                 "ALP"};

std::string name_of(std::span<const char* const> names, std::int32_t number) {
  const bool known = number >= 0 && static_cast<std::size_t>(number) < names.size();
  return known ? names[static_cast<std::size_t>(number)] : fmt::format("number {}", number);
}

template <typename Enum>
Enum read_enum(ThriftCompactReader& reader, const char* field, std::initializer_list<Enum> read,
               std::span<const char* const> names) {
  const std::int32_t number = reader.read_i32(field);
  if (std::ranges::count(read, static_cast<Enum>(number)) > 0) return static_cast<Enum>(number);
  std::vector<std::string> read_names;
  for (const Enum value : read) read_names.push_back(name_of(names, static_cast<int>(value)));
  reader.refuse(field, fmt::format("is {}, which is not read; expected one of {}",
                                   name_of(names, number), fmt::join(read_names, ", ")));
}

}  // namespace

std::string parquet_type_name(std::int32_t type) { return name_of(kTypes, type); }

ParquetCodec read_parquet_codec(ThriftCompactReader& reader) {
  using enum ParquetCodec;
  return read_enum(reader, "codec", {kUncompressed, kSnappy, kGzip, kZstd, kLz4Raw}, kCodecs);
}

ParquetPageType read_parquet_page_type(ThriftCompactReader& reader) {
  using enum ParquetPageType;
  return read_enum(reader, "type", {kData, kIndex, kDictionary, kDataV2}, kPageTypes);
}

ParquetEncoding read_parquet_encoding(ThriftCompactReader& reader, const char* field,
                                      std::initializer_list<ParquetEncoding> read) {
  return read_enum(reader, field, read, kEncodings);
}

}  // namespace gpt2::formats
