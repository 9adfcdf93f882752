// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/parquet.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/byte_codec.h"
#include "formats/errors.h"
#include "formats/parquet_codec.h"
#include "formats/parquet_footer.h"
#include "formats/parquet_page_header.h"
#include "formats/parquet_values.h"

namespace gpt2::formats {
namespace {

constexpr std::uint64_t kReadBytes = std::uint64_t{256} << 10;
constexpr std::uint64_t kHeaderBytes = 1024;  // most page headers are shorter
constexpr std::uint64_t kMaxHeaderBytes = std::uint64_t{16} << 20;

/// The bytes of one column chunk, through a window that begins at the first byte not consumed.
class ChunkBytes {
 public:
  explicit ChunkBytes(const InputFile& file) : file_(file) {}

  void open(std::uint64_t offset, std::uint64_t bytes) {
    offset_ = offset;
    left_ = bytes;
    begin_ = end_ = 0;
  }
  /// Where in the file the window begins, and how much of the chunk is left from there on.
  std::uint64_t offset() const { return offset_; }
  std::uint64_t left() const { return left_; }
  /// The window, lengthened to `wanted` bytes if the chunk has them.
  std::span<const std::uint8_t> window(std::uint64_t wanted) {
    const std::uint64_t at_hand = end_ - begin_;
    if (at_hand < std::min(wanted, left_)) {
      const std::uint64_t bytes = std::min(std::max(wanted, kReadBytes), left_);
      if (at_hand > 0) std::memmove(buffer_.data(), buffer_.data() + begin_, at_hand);
      buffer_.reserve(bytes, at_hand);
      file_.read(offset_ + at_hand, {buffer_.data() + at_hand, bytes - at_hand});
      begin_ = 0;
      end_ = bytes;
    }
    return {buffer_.data() + begin_, end_ - begin_};
  }
  void consume(std::uint64_t bytes) {
    begin_ += bytes;
    offset_ += bytes;
    left_ -= bytes;
  }

 private:
  const InputFile& file_;
  std::uint64_t offset_ = 0, left_ = 0;
  ByteBuffer buffer_;
  std::uint64_t begin_ = 0, end_ = 0;
};

}  // namespace

class ParquetTextReader::Column {
 public:
  Column(InputFile file, std::string_view column)
      : file_(std::move(file)),
        path_(file_.path().string()),
        text_(read_parquet_footer(file_, column)),
        bytes_(file_) {}

  bool next(std::string_view& text) {
    for (;;) {
      if (page_rows_ > 0) {
        if (next_of_page(text)) return true;
      } else if (chunk_rows_ > 0) {
        read_page();
      } else if (next_chunk_ < text_.chunks.size()) {
        open_chunk(text_.chunks[next_chunk_++]);
      } else {
        return false;
      }
    }
  }
  std::uint64_t row_count() const { return text_.row_count; }
  std::uint64_t null_count() const { return null_count_; }
  std::uint64_t stored_bytes_read() const {
    const bool at_end = next_chunk_ == text_.chunks.size() && chunk_rows_ == 0;
    return at_end ? file_.bytes() : bytes_.offset();
  }

 private:
  /// The next text of the page; false for nulls, which are passed over.
  bool next_of_page(std::string_view& text) {
    if (run_.count == 0) {
      run_ = levels_ ? levels_->next() : ParquetRuns::Run{.value = 1, .count = page_rows_};
      run_.count = std::min<std::uint64_t>(run_.count, page_rows_);
    }
    const bool is_null = run_.value == 0;
    const std::uint64_t rows = is_null ? run_.count : 1;
    run_.count -= rows;
    page_rows_ -= rows;
    if (is_null) {
      null_count_ += rows;
    } else {
      text = values_->next();
    }
    return !is_null;
  }

  void open_chunk(const ParquetColumnChunk& chunk) {
    bytes_.open(chunk.offset, chunk.bytes);
    codec_ = chunk.codec;
    chunk_rows_ = chunk.row_count;
    dictionary_.clear();
  }

  ParquetPageHeader read_page_header() {
    for (std::uint64_t wanted = kHeaderBytes;; wanted *= 8) {
      const auto window = bytes_.window(wanted);
      if (const auto header =
              decode_parquet_page_header(window, text_.may_be_null, path_, bytes_.offset())) {
        return *header;
      }
      if (window.size() == bytes_.left() || wanted > kMaxHeaderBytes) {
        place().refuse("page header",
                       fmt::format("does not end; {} rows are still missing", chunk_rows_));
      }
    }
  }

  void read_page() {
    const ParquetPagePlace page = place();
    const ParquetPageHeader header = read_page_header();
    bytes_.consume(header.header_bytes);
    if (header.stored_bytes > bytes_.left()) {
      page.refuse("compressed_page_size",
                  fmt::format("is {}, and the column chunk has {} bytes left", header.stored_bytes,
                              bytes_.left()));
    }
    const auto stored = bytes_.window(header.stored_bytes).first(header.stored_bytes);
    if (header.crc && crc32(0, stored.data(), static_cast<uInt>(stored.size())) != *header.crc) {
      page.refuse("crc", "does not match: the page is damaged");
    }
    switch (header.type) {
      case ParquetPageType::kIndex:
        break;
      case ParquetPageType::kDictionary:
        read_dictionary(header, stored, page);
        break;
      case ParquetPageType::kData:
        read_data_page(header, stored, page);
        break;
      case ParquetPageType::kDataV2:
        read_data_page_v2(header, stored, page);
        break;
    }
    bytes_.consume(header.stored_bytes);  // what the page points to stays until the next window
  }

  void read_dictionary(const ParquetPageHeader& header, std::span<const std::uint8_t> stored,
                       const ParquetPagePlace& page) {
    if (!dictionary_.empty()) page.refuse("type", "a column chunk has two dictionaries");
    if (header.encoding != ParquetEncoding::kPlain &&
        header.encoding != ParquetEncoding::kPlainDictionary) {
      page.refuse("encoding", "of a dictionary is not PLAIN");
    }
    auto bytes = unpacker_.unpack(codec_, stored, header.unpacked_bytes, dictionary_bytes_, page);
    if (bytes.data() == stored.data()) {  // the window will move on
      dictionary_bytes_.reserve(bytes.size());
      std::ranges::copy(bytes, dictionary_bytes_.data());
      bytes = {dictionary_bytes_.data(), bytes.size()};
    }
    dictionary_ = decode_parquet_dictionary(bytes, header.value_count, page);
  }

  void read_data_page(const ParquetPageHeader& header, std::span<const std::uint8_t> stored,
                      const ParquetPagePlace& page) {
    auto bytes = unpacker_.unpack(codec_, stored, header.unpacked_bytes, page_bytes_, page);
    std::span<const std::uint8_t> levels;
    if (text_.may_be_null) {
      const std::uint32_t level_bytes = bytes.size() < 4 ? 0 : load_u32(bytes.data());
      if (bytes.size() < 4 || level_bytes > bytes.size() - 4) {
        page.refuse("definition levels",
                    fmt::format("of {} bytes do not fit a page of {}", level_bytes, bytes.size()));
      }
      levels = bytes.subspan(4, level_bytes);
      bytes = bytes.subspan(4 + level_bytes);
    }
    begin_rows(header, levels, bytes, page);
  }

  void read_data_page_v2(const ParquetPageHeader& header, std::span<const std::uint8_t> stored,
                         const ParquetPagePlace& page) {
    const ParquetCodec codec = header.is_packed ? codec_ : ParquetCodec::kUncompressed;
    const auto values =
        unpacker_.unpack(codec, stored.subspan(header.level_bytes),
                         header.unpacked_bytes - header.level_bytes, page_bytes_, page);
    const std::uint64_t null_count =
        begin_rows(header, stored.first(header.level_bytes), values, page);
    if (null_count != header.null_count) {
      page.refuse("num_nulls",
                  fmt::format("is {}, and {} values are null", header.null_count, null_count));
    }
  }

  /// Makes the rows of a data page those that next() gives. Returns how many are null.
  std::uint64_t begin_rows(const ParquetPageHeader& header, std::span<const std::uint8_t> levels,
                           std::span<const std::uint8_t> values, const ParquetPagePlace& page) {
    if (header.value_count > chunk_rows_) {
      page.refuse("num_values", fmt::format("is {}, and {} rows of the row group are left",
                                            header.value_count, chunk_rows_));
    }
    std::uint64_t null_count = 0;
    levels_.reset();
    if (text_.may_be_null) {
      levels_.emplace(levels, 1, "definition level", page);
      ParquetRuns runs = *levels_;
      for (std::uint64_t left = header.value_count; left > 0;) {
        const ParquetRuns::Run run = runs.next();
        const std::uint64_t rows = std::min(run.count, left);
        if (run.value == 0) null_count += rows;
        left -= rows;
      }
    }
    if (null_count < header.value_count) {
      values_ = open_parquet_values(header.encoding,
                                    static_cast<std::uint32_t>(header.value_count - null_count),
                                    values, dictionary_, page);
    }
    run_ = {};
    page_rows_ = header.value_count;
    chunk_rows_ -= header.value_count;
    return null_count;
  }

  ParquetPagePlace place() const { return {path_, bytes_.offset()}; }

  InputFile file_;
  std::string path_;
  ParquetTextColumn text_;
  ChunkBytes bytes_;
  ParquetUnpacker unpacker_;
  // Of the column chunk.
  std::size_t next_chunk_ = 0;
  ParquetCodec codec_ = ParquetCodec::kUncompressed;
  std::uint64_t chunk_rows_ = 0;  // in pages that are not read yet
  ByteBuffer dictionary_bytes_;
  std::vector<std::string_view> dictionary_;
  // Of the page.
  ByteBuffer page_bytes_;
  std::optional<ParquetRuns> levels_;
  ParquetRuns::Run run_;
  std::unique_ptr<ParquetValues> values_;
  std::uint64_t page_rows_ = 0;  // that were not given yet
  std::uint64_t null_count_ = 0;
};

ParquetTextReader::ParquetTextReader(InputFile file, std::string_view column)
    : column_(std::make_unique<Column>(std::move(file), column)) {}
ParquetTextReader::~ParquetTextReader() = default;

bool ParquetTextReader::next(std::string_view& text) { return column_->next(text); }
std::uint64_t ParquetTextReader::row_count() const { return column_->row_count(); }
std::uint64_t ParquetTextReader::null_count() const { return column_->null_count(); }
std::uint64_t ParquetTextReader::stored_bytes_read() const { return column_->stored_bytes_read(); }

}  // namespace gpt2::formats
