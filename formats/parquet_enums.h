// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What the numbers in the metadata of Parquet stand for. Those that are not read are refused by
// their names. Spec: formats/parquet.md.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "formats/thrift_compact.h"

namespace gpt2::formats {

enum class ParquetCodec : std::int32_t {
  kUncompressed = 0,
  kSnappy = 1,
  kGzip = 2,
  kZstd = 6,
  kLz4Raw = 7
};
enum class ParquetEncoding : std::int32_t {
  kPlain = 0,
  kPlainDictionary = 2,
  kRle = 3,
  kDeltaLengthByteArray = 6,
  kDeltaByteArray = 7,
  kRleDictionary = 8
};
enum class ParquetPageType : std::int32_t { kData = 0, kIndex = 1, kDictionary = 2, kDataV2 = 3 };

inline constexpr std::int32_t kParquetByteArray = 6;  // the physical type of strings
/// "INT32", "FLOAT" ...
std::string parquet_type_name(std::int32_t type);

/// Each takes the number that `reader` stands at. Throws: FormatError for one that is not read.
ParquetCodec read_parquet_codec(ThriftCompactReader& reader);
ParquetPageType read_parquet_page_type(ThriftCompactReader& reader);
ParquetEncoding read_parquet_encoding(ThriftCompactReader& reader, const char* field,
                                      std::initializer_list<ParquetEncoding> read);

}  // namespace gpt2::formats
