// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// One column of strings out of a Parquet file. Spec: formats/parquet.md; change both together.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "formats/input_file.h"

namespace gpt2::formats {

/// Reads the texts of one column, row group by row group and page by page: memory holds one page,
/// packed and unpacked, and one dictionary; no other column is read.
class ParquetTextReader {
 public:
  /// Reads the footer. Throws: FormatError if the file is no Parquet file, is damaged, or the
  /// column is not there or of a kind that is not read; IoError.
  ParquetTextReader(InputFile file, std::string_view column);
  ~ParquetTextReader();

  /// Gives the next text that is not null, good until the next call; false after the last row.
  /// Throws: FormatError for a damaged page or one in an encoding that is not read; IoError.
  bool next(std::string_view& text);

  std::uint64_t row_count() const;
  /// Nulls passed over so far.
  std::uint64_t null_count() const;
  /// How far into the file reading has come, for progress.
  std::uint64_t stored_bytes_read() const;

 private:
  class Column;
  std::unique_ptr<Column> column_;
};

}  // namespace gpt2::formats
