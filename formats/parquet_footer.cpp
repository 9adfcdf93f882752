// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/parquet_footer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "formats/byte_codec.h"
#include "formats/errors.h"
#include "formats/thrift_compact.h"

namespace gpt2::formats {
namespace {

constexpr std::string_view kMagic = "PAR1", kEncryptedMagic = "PARE";
constexpr std::uint64_t kMagicBytes = 4, kTailBytes = 8;  // the tail: footer length and magic
constexpr std::uint64_t kMaxFooterBytes = std::uint64_t{64} << 20;
constexpr std::size_t kMaxSchemaElements = 10'000;
constexpr std::size_t kMaxColumnsNamed = 20;

enum Repetition : std::int32_t { kRequired = 0, kOptional = 1, kRepeated = 2 };

struct SchemaElement {
  std::string name;
  std::optional<std::int32_t> type;  // none: a group
  std::int32_t repetition = kRequired;
  std::uint32_t child_count = 0;
  std::int32_t converted_type = kNoConvertedType;
  std::int16_t logical_type = 0;  // the number of the union's member; 0: none
  static constexpr std::int32_t kNoConvertedType = -1;

  bool is_group() const { return child_count > 0 || !type; }
};

/// Empty for a column of strings.
std::string why_not_read(const SchemaElement& element) {
  constexpr std::array kTextConverted{SchemaElement::kNoConvertedType, 0, 4, 19};  // UTF8 ENUM JSON
  constexpr std::array kTextLogical{0, 1, 4, 12};  // none, STRING, ENUM, JSON
  if (element.is_group()) return "is a group (a list, map or struct)";
  if (element.repetition == kRepeated) return "is a list";
  if (element.repetition != kRequired && element.repetition != kOptional) {
    return fmt::format("has repetition {}, which is not known", element.repetition);
  }
  if (*element.type != kParquetByteArray) {
    return fmt::format("holds {} values, not strings", parquet_type_name(*element.type));
  }
  const bool is_text = std::ranges::count(kTextLogical, element.logical_type) > 0 &&
                       std::ranges::count(kTextConverted, element.converted_type) > 0;
  return is_text ? "" : "holds bytes that are no strings (DECIMAL, BSON or the like)";
}

/// The reader of one footer: knows what to say and where.
class Footer {
 public:
  Footer(const InputFile& file, std::string_view column)
      : path_(file.path().string()), column_(column) {
    const std::uint64_t file_bytes = file.bytes();
    if (file_bytes < kMagicBytes + kTailBytes) {
      refuse(0, "size",
             fmt::format("is {} bytes, a Parquet file has at least {}", file_bytes,
                         kMagicBytes + kTailBytes));
    }
    std::array<std::uint8_t, kMagicBytes> head;
    std::array<std::uint8_t, kTailBytes> tail;
    file.read(0, head);
    file.read(file_bytes - kTailBytes, tail);
    check_magic(0, head.data());
    check_magic(file_bytes - kMagicBytes, tail.data() + 4);
    const std::uint64_t bytes = load_u32(tail.data());
    const std::uint64_t most = std::min(file_bytes - kMagicBytes - kTailBytes, kMaxFooterBytes);
    if (bytes > most) {
      refuse(file_bytes - kTailBytes, "footer length",
             fmt::format("is {}, expected at most {}", bytes, most));
    }
    offset_ = file_bytes - kTailBytes - bytes;
    bytes_.resize(bytes);
    file.read(offset_, bytes_);
  }

  ParquetTextColumn read() const {
    ParquetTextColumn text;
    const std::size_t leaf = read_schema(text);
    // A second time over the footer, since which chunks matter is known now.
    std::uint64_t row_count = 0;
    ThriftCompactReader footer = reader();
    footer.read_struct("footer", {}, [&](std::int16_t id) {
      if (id != 4) return;
      footer.read_list("row_groups", [&] {
        const ParquetColumnChunk chunk = read_row_group(footer, leaf);
        if (chunk.row_count == 0) return;
        text.chunks.push_back(chunk);
        if (__builtin_add_overflow(row_count, chunk.row_count, &row_count)) {
          footer.refuse("num_rows", "the sum of the row groups does not fit 64 bits");
        }
      });
    });
    if (text.row_count != row_count) {
      refuse(offset_, "num_rows",
             fmt::format("is {}, and the row groups hold {}", text.row_count, row_count));
    }
    return text;
  }

 private:
  [[noreturn]] void refuse(std::uint64_t offset, std::string_view field,
                           std::string_view problem) const {
    throw FormatError(path_, offset, field, problem);
  }
  ThriftCompactReader reader() const { return {bytes_, path_, offset_}; }

  void check_magic(std::uint64_t offset, const std::uint8_t* bytes) const {
    const std::string_view found(reinterpret_cast<const char*>(bytes), kMagicBytes);
    if (found == kEncryptedMagic) refuse(offset, "magic", "is PARE: an encrypted file is not read");
    if (found != kMagic) refuse(offset, "magic", "is not PAR1: not a Parquet file, or cut");
  }

  /// Gives the place of the column among those that hold values, which groups do not.
  std::size_t read_schema(ParquetTextColumn& text) const {
    std::vector<SchemaElement> elements;  // each group before what it holds
    ThriftCompactReader footer = reader();
    footer.read_struct("footer", {1, 2, 3, 4}, [&](std::int16_t id) {
      if (id == 2) {
        footer.read_list("schema", [&] {
          if (elements.size() == kMaxSchemaElements) {
            footer.refuse("schema", fmt::format("has more than {} elements", kMaxSchemaElements));
          }
          elements.push_back(read_schema_element(footer));
        });
      } else if (id == 3) {
        text.row_count = footer.read_count_64("num_rows");
      }
    });
    return find_column(elements, text.may_be_null);
  }

  static SchemaElement read_schema_element(ThriftCompactReader& footer) {
    SchemaElement element;
    footer.read_struct("schema", {4}, [&](std::int16_t id) {
      switch (id) {
        case 1:
          element.type = footer.read_i32("type");
          break;
        case 3:
          element.repetition = footer.read_i32("repetition_type");
          break;
        case 4:
          element.name = footer.read_binary("name");
          break;
        case 5:
          element.child_count = footer.read_count_32("num_children");
          break;
        case 6:
          element.converted_type = footer.read_i32("converted_type");
          break;
        case 10:
          footer.read_struct("logicalType", {},
                             [&](std::int16_t member) { element.logical_type = member; });
          break;
        default:
          break;
      }
    });
    return element;
  }

  std::size_t find_column(const std::vector<SchemaElement>& elements, bool& may_be_null) const {
    std::vector<std::string_view> readable;
    const SchemaElement* found = nullptr;
    std::size_t found_leaf = 0, leaf = 0, place = 1;
    const std::uint32_t column_count = elements.empty() ? 0 : elements[0].child_count;
    for (std::uint32_t i = 0; i < column_count; ++i) {
      const std::size_t first_place = place, first_leaf = leaf;
      for (std::uint64_t open = 1; open > 0; --open, ++place) {
        if (place == elements.size()) refuse(offset_, "schema", "has fewer elements than it says");
        open += elements[place].child_count;
        if (!elements[place].is_group()) ++leaf;
      }
      const SchemaElement& column = elements[first_place];
      if (why_not_read(column).empty()) readable.push_back(column.name);
      if (column.name != column_) continue;
      if (found != nullptr) refuse(offset_, "schema", fmt::format("has two columns {}", column_));
      found = &column;
      found_leaf = first_leaf;
    }
    if (place < elements.size()) refuse(offset_, "schema", "has more elements than it says");
    const std::string problem = found == nullptr ? "is not there" : why_not_read(*found);
    if (!problem.empty()) {
      refuse(offset_, "schema",
             fmt::format("column {} {}; {}", column_, problem, advise(readable)));
    }
    may_be_null = found->repetition == kOptional;
    return found_leaf;
  }

  static std::string advise(std::vector<std::string_view> readable) {
    if (readable.empty()) return "no column holds strings";
    const bool more = readable.size() > kMaxColumnsNamed;
    if (more) readable.resize(kMaxColumnsNamed);
    return fmt::format("columns of strings: {}{}; name the right one by --text-field",
                       fmt::join(readable, ", "), more ? " ..." : "");
  }

  ParquetColumnChunk read_row_group(ThriftCompactReader& footer, std::size_t leaf) const {
    std::optional<ParquetColumnChunk> chunk;
    std::uint64_t row_count = 0;
    footer.read_struct("row group", {1, 2, 3}, [&](std::int16_t id) {
      if (id == 1) {
        std::size_t place = 0;
        footer.read_list("columns", [&] {
          if (place++ == leaf) {
            chunk = read_column_chunk(footer);
          } else {
            check_other_chunk(footer);
          }
        });
      } else if (id == 3) {
        row_count = footer.read_count_64("num_rows");
      }
    });
    if (!chunk) {
      footer.refuse("columns", fmt::format("a row group has no values of column {}", column_));
    }
    if (chunk->row_count != row_count) {
      footer.refuse("num_values",
                    fmt::format("is {} in a row group of {} rows", chunk->row_count, row_count));
    }
    const bool lies_inside = chunk->offset >= kMagicBytes && chunk->offset <= offset_ &&
                             chunk->bytes <= offset_ - chunk->offset;
    if (row_count > 0 && !lies_inside) {
      footer.refuse("data_page_offset",
                    fmt::format("{} bytes from byte {} on do not lie between the magic and the "
                                "footer, which begins at byte {}",
                                chunk->bytes, chunk->offset, offset_));
    }
    return *chunk;
  }

  ParquetColumnChunk read_column_chunk(ThriftCompactReader& footer) const {
    std::optional<ParquetColumnChunk> chunk;
    footer.read_struct("column chunk", {2}, [&](std::int16_t id) {
      switch (id) {
        case 1:
          if (!footer.read_binary("file_path").empty()) {
            footer.refuse("file_path", "the values lie in another file, which is not read");
          }
          break;
        case 3:
          chunk = read_chunk_metadata(footer);
          break;
        case 8:  // crypto_metadata
        case 9:  // encrypted_column_metadata
          footer.refuse("crypto_metadata", fmt::format("column {} is encrypted", column_));
        default:
          break;
      }
    });
    if (!chunk) footer.refuse("meta_data", "is missing in a column chunk");
    return *chunk;
  }

  ParquetColumnChunk read_chunk_metadata(ThriftCompactReader& footer) const {
    ParquetColumnChunk chunk;
    std::uint64_t dictionary_offset = 0;
    std::size_t path_parts = 0;
    bool is_column = false;
    footer.read_struct("meta_data", kChunkMetadata, [&](std::int16_t id) {
      switch (id) {
        case 1:
          if (const auto type = footer.read_i32("type"); type != kParquetByteArray) {
            footer.refuse("type",
                          fmt::format("is {}, expected BYTE_ARRAY", parquet_type_name(type)));
          }
          break;
        case 3:
          footer.read_list("path_in_schema", [&] {
            is_column = footer.read_binary("path_in_schema") == column_ && path_parts++ == 0;
          });
          break;
        case 4:
          chunk.codec = read_parquet_codec(footer);
          break;
        case 5:
          chunk.row_count = footer.read_count_64("num_values");
          break;
        case 7:
          chunk.bytes = footer.read_count_64("total_compressed_size");
          break;
        case 9:
          chunk.offset = footer.read_count_64("data_page_offset");
          break;
        case 11:
          dictionary_offset = footer.read_count_64("dictionary_page_offset");
          break;
        default:
          break;
      }
    });
    if (!is_column) {
      footer.refuse("path_in_schema", fmt::format("is not that of column {}", column_));
    }
    // The dictionary comes first, where there is one; 0 is how some writers say that there is none.
    if (dictionary_offset > 0) chunk.offset = std::min(chunk.offset, dictionary_offset);
    return chunk;
  }

  /// A column that is not read must be described in full all the same, or the footer is damaged.
  static void check_other_chunk(ThriftCompactReader& footer) {
    footer.read_struct("column chunk", {2}, [&](std::int16_t id) {
      if (id == 3) footer.read_struct("meta_data", kChunkMetadata, [](std::int16_t) {});
    });
  }
  static constexpr std::initializer_list<int> kChunkMetadata = {1, 2, 3, 4, 5, 6, 7, 9};

  std::string path_, column_;
  std::uint64_t offset_ = 0;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace

ParquetTextColumn read_parquet_footer(const InputFile& file, std::string_view column) {
  return Footer(file, column).read();
}

}  // namespace gpt2::formats
