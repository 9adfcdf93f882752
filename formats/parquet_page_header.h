// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What stands before each page of a Parquet file. Spec: formats/parquet.md.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "formats/parquet_enums.h"

namespace gpt2::formats {

struct ParquetPageHeader {
  ParquetPageType type = ParquetPageType::kData;
  std::uint32_t header_bytes = 0;                      // that the header itself takes
  std::uint32_t stored_bytes = 0, unpacked_bytes = 0;  // of what follows it
  std::optional<std::uint32_t> crc;                    // CRC-32 of the stored bytes
  std::uint32_t value_count = 0;                       // nulls included
  ParquetEncoding encoding = ParquetEncoding::kPlain;
  // Of kDataV2 alone: the levels lie before the values and are never packed.
  std::uint32_t null_count = 0, level_bytes = 0;
  bool is_packed = true;
};

/// A page that unpacks to more is refused: it would have to be in memory at once.
inline constexpr std::uint32_t kParquetMaxPageBytes = std::uint32_t{1} << 30;

/// Reads the header that begins `bytes`; nothing if they end before it does. `offset` is its place
/// in the file called `path`. `has_levels`: the column may be null. Throws: FormatError.
std::optional<ParquetPageHeader> decode_parquet_page_header(std::span<const std::uint8_t> bytes,
                                                            bool has_levels, std::string_view path,
                                                            std::uint64_t offset);

}  // namespace gpt2::formats
