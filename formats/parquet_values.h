// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The values inside a Parquet page: definition levels and the encodings of byte arrays. Spec:
// formats/parquet.md.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/parquet_enums.h"

namespace gpt2::formats {

/// Where a page stands, for errors: its bytes may be unpacked ones, which have no place in the
/// file.
struct ParquetPagePlace {
  std::string_view path;
  std::uint64_t offset = 0;  // of the page's header
  /// Throws FormatError.
  [[noreturn]] void refuse(std::string_view field, std::string_view problem) const;
};

/// Numbers of a fixed width as runs of one value and bit-packed groups of eight (RLE of the
/// format): definition levels and places in a dictionary.
class ParquetRuns {
 public:
  /// `bit_width` is 0 to 32. `field` names the numbers in errors.
  ParquetRuns(std::span<const std::uint8_t> bytes, unsigned bit_width, const char* field,
              ParquetPagePlace place)
      : bytes_(bytes), bit_width_(bit_width), field_(field), place_(place) {}

  struct Run {
    std::uint32_t value = 0;
    std::uint64_t count = 0;  // of numbers in a row that are `value`; one or more
  };
  /// The next number and how often it stands here. Throws: FormatError past the end.
  Run next();

 private:
  std::uint64_t read_varint();
  std::span<const std::uint8_t> bytes_;
  unsigned bit_width_;
  const char* field_;
  ParquetPagePlace place_;
  std::size_t position_ = 0;
  std::uint64_t packed_left_ = 0, packed_bit_ = 0;  // of the groups that stand at `position_`
};

/// The byte arrays of a page, one after the other.
class ParquetValues {
 public:
  virtual ~ParquetValues() = default;
  /// Points into the page, its dictionary or this; good until the next call. Throws: FormatError
  /// past the end, for a value that does not lie inside the page, or, with the last of them, for
  /// bytes that are left.
  virtual std::string_view next() = 0;
};

/// Reads `count` values that are not null from `bytes`, which must outlive the result, as must
/// `dictionary` (empty: the chunk has none). Throws: FormatError.
std::unique_ptr<ParquetValues> open_parquet_values(ParquetEncoding encoding, std::uint32_t count,
                                                   std::span<const std::uint8_t> bytes,
                                                   std::span<const std::string_view> dictionary,
                                                   ParquetPagePlace place);

/// The entries of a dictionary page; they point into `bytes`. Throws: FormatError.
std::vector<std::string_view> decode_parquet_dictionary(std::span<const std::uint8_t> bytes,
                                                        std::uint32_t count,
                                                        ParquetPagePlace place);

}  // namespace gpt2::formats
