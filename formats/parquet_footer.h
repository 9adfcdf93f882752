// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The footer of a Parquet file: where the values of one column of strings lie. Spec:
// formats/parquet.md.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "formats/input_file.h"
#include "formats/parquet_enums.h"

namespace gpt2::formats {

/// The pages of a column in one row group.
struct ParquetColumnChunk {
  std::uint64_t offset = 0, bytes = 0;  // in the file; checked to lie before the footer
  std::uint64_t row_count = 0;
  ParquetCodec codec = ParquetCodec::kUncompressed;
};

struct ParquetTextColumn {
  bool may_be_null = false;
  std::uint64_t row_count = 0;             // of all chunks
  std::vector<ParquetColumnChunk> chunks;  // in the order of the rows; none without rows
};

/// Reads the footer. `column` is a column of strings that is no part of a group.
/// Throws: FormatError if the file is no Parquet file, is damaged or encrypted, has no such column,
/// or the column is of another type or packed by a codec that is not read; IoError.
ParquetTextColumn read_parquet_footer(const InputFile& file, std::string_view column);

}  // namespace gpt2::formats
