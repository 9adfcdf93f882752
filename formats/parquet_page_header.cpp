// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/parquet_page_header.h"

#include <fmt/format.h>

#include "formats/thrift_compact.h"

namespace gpt2::formats {
namespace {

/// Reads one header; whichever member describes the page is read, and must be its type's.
class PageHeader {
 public:
  PageHeader(ThriftCompactReader reader, bool has_levels)
      : reader_(std::move(reader)), has_levels_(has_levels) {}

  ParquetPageHeader read() {
    reader_.read_struct("page header", {1, 2, 3}, [&](std::int16_t id) {
      switch (id) {
        case 1:
          header_.type = read_parquet_page_type(reader_);
          break;
        case 2:
          header_.unpacked_bytes = reader_.read_count_32("uncompressed_page_size");
          break;
        case 3:
          header_.stored_bytes = reader_.read_count_32("compressed_page_size");
          break;
        case 4:
          header_.crc = static_cast<std::uint32_t>(reader_.read_i32("crc"));
          break;
        case 5:
          read_data_page();
          break;
        case 7:
          read_dictionary_page();
          break;
        case 8:
          read_data_page_v2();
          break;
        default:
          break;
      }
    });
    header_.header_bytes = static_cast<std::uint32_t>(reader_.position());
    check();
    return header_;
  }

 private:
  void read_data_page() {
    reader_.read_struct("data_page_header", {1, 2, 3, 4}, [&](std::int16_t id) {
      if (id == 1) read_value_count();
      if (id == 2) read_encoding();
      if (id == 3 && has_levels_) {
        read_parquet_encoding(reader_, "definition_level_encoding", {ParquetEncoding::kRle});
      }
    });
    described_ = ParquetPageType::kData;
  }
  void read_dictionary_page() {
    reader_.read_struct("dictionary_page_header", {1, 2}, [&](std::int16_t id) {
      if (id == 1) read_value_count();
      if (id == 2) read_encoding();
    });
    described_ = ParquetPageType::kDictionary;
  }
  void read_data_page_v2() {
    reader_.read_struct("data_page_header_v2", {1, 2, 3, 4, 5, 6}, [&](std::int16_t id) {
      if (id == 1) read_value_count();
      if (id == 2) header_.null_count = reader_.read_count_32("num_nulls");
      if (id == 4) read_encoding();
      if (id == 5) header_.level_bytes = reader_.read_count_32("definition_levels_byte_length");
      if (id == 6 && reader_.read_count_32("repetition_levels_byte_length") > 0) {
        reader_.refuse("repetition_levels_byte_length", "is not 0 in a column that is no list");
      }
      if (id == 7) header_.is_packed = reader_.read_bool("is_compressed");
    });
    described_ = ParquetPageType::kDataV2;
  }
  void read_value_count() { header_.value_count = reader_.read_count_32("num_values"); }
  void read_encoding() {
    using enum ParquetEncoding;
    header_.encoding = read_parquet_encoding(
        reader_, "encoding",
        {kPlain, kPlainDictionary, kRleDictionary, kDeltaLengthByteArray, kDeltaByteArray});
  }

  void check() const {
    if (header_.type != ParquetPageType::kIndex && header_.type != described_) {
      reader_.refuse("page header", "describes another type of page than it says");
    }
    if (header_.unpacked_bytes > kParquetMaxPageBytes) {
      reader_.refuse(
          "uncompressed_page_size",
          fmt::format("is {}, at most {} are read", header_.unpacked_bytes, kParquetMaxPageBytes));
    }
    if (header_.level_bytes > header_.stored_bytes ||
        header_.level_bytes > header_.unpacked_bytes) {
      reader_.refuse("definition_levels_byte_length",
                     fmt::format("is {} in a page of {} bytes, {} unpacked", header_.level_bytes,
                                 header_.stored_bytes, header_.unpacked_bytes));
    }
  }

  ThriftCompactReader reader_;
  bool has_levels_;
  ParquetPageHeader header_;
  std::optional<ParquetPageType> described_;  // by the last member that was there
};

}  // namespace

std::optional<ParquetPageHeader> decode_parquet_page_header(std::span<const std::uint8_t> bytes,
                                                            bool has_levels, std::string_view path,
                                                            std::uint64_t offset) {
  try {
    return PageHeader({bytes, path, offset}, has_levels).read();
  } catch (const ThriftEndError&) {
    return {};
  }
}

}  // namespace gpt2::formats
