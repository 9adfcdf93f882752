// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Parquet files for tests, made byte by byte from formats/parquet.md, so that each part can be made
// wrong.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/parquet_enums.h"

namespace gpt2::formats {

/// A value of Thrift's compact protocol: its type and bytes.
struct ThriftValue {
  int type = 0;
  std::string bytes;
};
using ThriftMembers = std::map<int, ThriftValue>;
ThriftValue thrift_bool(bool value);
ThriftValue thrift_i32(std::int64_t value);
ThriftValue thrift_i64(std::int64_t value);
ThriftValue thrift_binary(std::string_view bytes);
ThriftValue thrift_struct(const ThriftMembers& members);
ThriftValue thrift_list(int element_type, const std::vector<ThriftValue>& elements);
inline constexpr int kThriftI32 = 5, kThriftBinary = 8, kThriftStruct = 12;

using Rows = std::vector<std::optional<std::string>>;  // nothing is null

/// Parts of pages, not packed.
std::string parquet_varint(std::uint64_t value);
std::string parquet_plain(const std::vector<std::string>& values);
/// `numbers` as one bit-packed run, or as runs of equal ones.
std::string parquet_packed_run(const std::vector<std::uint32_t>& numbers, unsigned bit_width);
std::string parquet_equal_runs(const std::vector<std::uint32_t>& numbers, unsigned bit_width);
std::string parquet_delta_numbers(const std::vector<std::int32_t>& numbers, unsigned block = 128,
                                  unsigned miniblocks = 4);
std::string parquet_delta_length(const std::vector<std::string>& values);
std::string parquet_delta(const std::vector<std::string>& values);

struct ParquetPage {
  ThriftMembers header;
  std::string stored;
  std::uint64_t row_count = 0;
};

/// How the pages of a column are made.
struct ParquetPages {
  ParquetCodec codec = ParquetCodec::kUncompressed;
  ParquetEncoding encoding = ParquetEncoding::kPlain;
  int version = 1;
  bool may_be_null = false;
  bool with_crc = false;
  bool packed_by_library = false;  // else in blocks that are the same for every version of it
};
/// The dictionary that data_page() with a dictionary's encoding goes by: each text once, in order.
ParquetPage make_dictionary_page(const ParquetPages& how, const Rows& rows);
/// `all_rows` are those that the dictionary was made from.
ParquetPage make_data_page(const ParquetPages& how, const Rows& rows, const Rows& all_rows);
/// One row group: a dictionary page where the encoding needs one, and pages of `page_rows` rows.
std::vector<ParquetPage> make_pages(const ParquetPages& how, const Rows& rows,
                                    std::size_t page_rows = 1000);

/// A file with the column "text". The members replace those that finish() would write, or take them
/// away where their type is 0.
struct ParquetDraft {
  ParquetPages how;
  std::vector<std::vector<ParquetPage>> row_groups;
  std::vector<ThriftValue> elements_before, elements_after;  // of the schema, around "text"
  int column_count = 1;                                      // at the top of the tree
  std::size_t chunks_before = 0;                             // column chunks of elements_before
  ThriftMembers footer, column, row_group, chunk, metadata;

  std::string finish() const;
};
/// The whole of it for rows that all lie in row groups and pages of the sizes.
std::string make_parquet(const ParquetPages& how, const Rows& rows, std::size_t group_rows = 1000,
                         std::size_t page_rows = 1000);

}  // namespace gpt2::formats
