// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tests/formats/parquet_maker.h"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <stdexcept>

#include "tests/formats/little_endian.h"
#include "tests/formats/packing.h"

namespace gpt2::formats {
namespace {

constexpr int kThriftTrue = 1, kThriftFalse = 2, kThriftI64 = 6, kThriftList = 9;

std::uint64_t zigzag(std::int64_t value) {
  return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}

std::string pack_bits(const std::vector<std::uint32_t>& numbers, unsigned bit_width) {
  std::string bytes((numbers.size() * bit_width + 7) / 8, '\0');
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    for (unsigned bit = 0; bit < bit_width; ++bit) {
      const std::size_t place = i * bit_width + bit;
      if ((numbers[i] >> bit & 1) != 0) {
        bytes[place / 8] = static_cast<char>(bytes[place / 8] | 1 << place % 8);
      }
    }
  }
  return bytes;
}

unsigned bits_of(std::uint32_t value) { return static_cast<unsigned>(std::bit_width(value)); }

std::string pack(const ParquetPages& how, const std::string& bytes) {
  switch (how.codec) {
    case ParquetCodec::kUncompressed:
      return bytes;
    case ParquetCodec::kSnappy:
      return how.packed_by_library ? pack_snappy(bytes) : stored_snappy(bytes);
    case ParquetCodec::kGzip:
      return how.packed_by_library ? pack_gzip(bytes) : stored_gzip(bytes);
    case ParquetCodec::kZstd:
      return how.packed_by_library ? pack_zstd(bytes) : stored_zstd(bytes);
    case ParquetCodec::kLz4Raw:
      return how.packed_by_library ? pack_lz4(bytes) : stored_lz4(bytes);
  }
  throw std::logic_error("codec");
}

bool uses_dictionary(ParquetEncoding encoding) {
  return encoding == ParquetEncoding::kPlainDictionary ||
         encoding == ParquetEncoding::kRleDictionary;
}

std::vector<std::string> texts_of(const Rows& rows) {
  std::vector<std::string> texts;
  for (const auto& row : rows) {
    if (row) texts.push_back(*row);
  }
  return texts;
}

std::vector<std::string> dictionary_of(const Rows& rows) {
  std::vector<std::string> entries;
  for (const auto& text : texts_of(rows)) {
    if (std::ranges::find(entries, text) == entries.end()) entries.push_back(text);
  }
  return entries;
}

std::string encode_indices(const std::vector<std::string>& texts,
                           const std::vector<std::string>& dictionary) {
  std::vector<std::uint32_t> indices;
  for (const auto& text : texts) {
    indices.push_back(
        static_cast<std::uint32_t>(std::ranges::find(dictionary, text) - dictionary.begin()));
  }
  const unsigned width =
      dictionary.empty() ? 0 : bits_of(static_cast<std::uint32_t>(dictionary.size() - 1));
  return static_cast<char>(width) + parquet_packed_run(indices, width);
}

std::string encode_values(const ParquetPages& how, const Rows& rows, const Rows& all_rows) {
  const auto texts = texts_of(rows);
  switch (how.encoding) {
    case ParquetEncoding::kPlain:
      return parquet_plain(texts);
    case ParquetEncoding::kPlainDictionary:
    case ParquetEncoding::kRleDictionary:
      return encode_indices(texts, dictionary_of(all_rows));
    case ParquetEncoding::kDeltaLengthByteArray:
      return parquet_delta_length(texts);
    case ParquetEncoding::kDeltaByteArray:
      return parquet_delta(texts);
    case ParquetEncoding::kRle:
      break;
  }
  throw std::logic_error("encoding");
}

ParquetPage finish_page(const ParquetPages& how, ParquetPageType type, std::size_t unpacked_bytes,
                        std::string stored) {
  ParquetPage page{.stored = std::move(stored)};
  page.header = {{1, thrift_i32(static_cast<int>(type))},
                 {2, thrift_i32(static_cast<std::int64_t>(unpacked_bytes))},
                 {3, thrift_i32(static_cast<std::int64_t>(page.stored.size()))}};
  if (how.with_crc) {
    const auto crc = crc32(0, reinterpret_cast<const Bytef*>(page.stored.data()),
                           static_cast<uInt>(page.stored.size()));
    page.header[4] = thrift_i32(static_cast<std::int32_t>(crc));
  }
  return page;
}

ThriftMembers replaced(ThriftMembers members, const ThriftMembers& by) {
  for (const auto& [id, value] : by) {
    if (value.type == 0) {
      members.erase(id);
    } else {
      members[id] = value;
    }
  }
  return members;
}

}  // namespace

ThriftValue thrift_bool(bool value) { return {value ? kThriftTrue : kThriftFalse, ""}; }
ThriftValue thrift_i32(std::int64_t value) { return {kThriftI32, parquet_varint(zigzag(value))}; }
ThriftValue thrift_i64(std::int64_t value) { return {kThriftI64, parquet_varint(zigzag(value))}; }
ThriftValue thrift_binary(std::string_view bytes) {
  return {kThriftBinary, parquet_varint(bytes.size()) + std::string(bytes)};
}
ThriftValue thrift_struct(const ThriftMembers& members) {
  std::string bytes;
  int last = 0;
  for (const auto& [id, value] : members) {
    if (id - last >= 1 && id - last <= 15) {
      bytes += static_cast<char>((id - last) << 4 | value.type);
    } else {
      bytes += static_cast<char>(value.type) + parquet_varint(zigzag(id));
    }
    bytes += value.bytes;
    last = id;
  }
  return {kThriftStruct, bytes + '\0'};
}
ThriftValue thrift_list(int element_type, const std::vector<ThriftValue>& elements) {
  std::string bytes;
  if (elements.size() < 15) {
    bytes += static_cast<char>(elements.size() << 4 | static_cast<unsigned>(element_type));
  } else {
    bytes += static_cast<char>(0xF0 | element_type) + parquet_varint(elements.size());
  }
  for (const auto& element : elements) bytes += element.bytes;
  return {kThriftList, bytes};
}

std::string parquet_varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

std::string parquet_plain(const std::vector<std::string>& values) {
  std::string bytes;
  for (const auto& value : values) bytes += u32(value.size()) + value;
  return bytes;
}

std::string parquet_packed_run(const std::vector<std::uint32_t>& numbers, unsigned bit_width) {
  auto groups = numbers;
  groups.resize((numbers.size() + 7) / 8 * 8);
  return parquet_varint(groups.size() / 8 << 1 | 1) + pack_bits(groups, bit_width);
}

std::string parquet_equal_runs(const std::vector<std::uint32_t>& numbers, unsigned bit_width) {
  std::string bytes;
  for (std::size_t begin = 0, end = 0; begin < numbers.size(); begin = end) {
    while (end < numbers.size() && numbers[end] == numbers[begin]) ++end;
    bytes +=
        parquet_varint((end - begin) << 1) + u32(numbers[begin]).substr(0, (bit_width + 7) / 8);
  }
  return bytes;
}

std::string parquet_delta_numbers(const std::vector<std::int32_t>& numbers, unsigned block,
                                  unsigned miniblocks) {
  const auto first = numbers.empty() ? 0 : numbers.front();
  std::string bytes = parquet_varint(block) + parquet_varint(miniblocks) +
                      parquet_varint(numbers.size()) + parquet_varint(zigzag(first));
  const std::size_t miniblock = block / miniblocks;
  for (std::size_t begin = 1; begin < numbers.size(); begin += block) {
    const std::size_t end = std::min<std::size_t>(begin + block, numbers.size());
    std::vector<std::int32_t> deltas;
    for (std::size_t i = begin; i < end; ++i) {  // differences wrap at 32 bits
      deltas.push_back(static_cast<std::int32_t>(static_cast<std::uint32_t>(numbers[i]) -
                                                 static_cast<std::uint32_t>(numbers[i - 1])));
    }
    const std::int32_t least = *std::ranges::min_element(deltas);
    std::string widths, packed;
    for (std::size_t from = 0; from < block; from += miniblock) {
      std::vector<std::uint32_t> parts;
      for (std::size_t i = from; i < std::min(from + miniblock, deltas.size()); ++i) {
        parts.push_back(static_cast<std::uint32_t>(deltas[i]) - static_cast<std::uint32_t>(least));
      }
      // The width of a miniblock without values is anything, and it has no bytes.
      const unsigned width = parts.empty() ? 77 : bits_of(*std::ranges::max_element(parts));
      widths += static_cast<char>(width);
      if (parts.empty()) continue;
      parts.resize(miniblock);
      packed += pack_bits(parts, width);
    }
    bytes += parquet_varint(zigzag(least)) + widths + packed;
  }
  return bytes;
}

std::string parquet_delta_length(const std::vector<std::string>& values) {
  std::vector<std::int32_t> lengths;
  std::string bytes;
  for (const auto& value : values) {
    lengths.push_back(static_cast<std::int32_t>(value.size()));
    bytes += value;
  }
  return parquet_delta_numbers(lengths) + bytes;
}

std::string parquet_delta(const std::vector<std::string>& values) {
  std::vector<std::int32_t> shared;
  std::vector<std::string> rests;
  std::string before;
  for (const auto& value : values) {
    const auto differ = std::ranges::mismatch(value, before).in1 - value.begin();
    shared.push_back(static_cast<std::int32_t>(differ));
    rests.push_back(value.substr(static_cast<std::size_t>(differ)));
    before = value;
  }
  return parquet_delta_numbers(shared) + parquet_delta_length(rests);
}

ParquetPage make_dictionary_page(const ParquetPages& how, const Rows& rows) {
  const auto entries = dictionary_of(rows);
  const auto bytes = parquet_plain(entries);
  ParquetPage page = finish_page(how, ParquetPageType::kDictionary, bytes.size(), pack(how, bytes));
  page.header[7] = thrift_struct(
      {{1, thrift_i32(static_cast<std::int64_t>(entries.size()))}, {2, thrift_i32(0)}});
  return page;
}

ParquetPage make_data_page(const ParquetPages& how, const Rows& rows, const Rows& all_rows) {
  const auto row_count = static_cast<std::int64_t>(rows.size());
  const auto values = encode_values(how, rows, all_rows);
  std::vector<std::uint32_t> present;
  for (const auto& row : rows) present.push_back(row ? 1 : 0);
  std::string levels;
  if (how.may_be_null) levels = parquet_equal_runs(present, 1);
  const ThriftValue encoding = thrift_i32(static_cast<int>(how.encoding));
  const ThriftValue rle = thrift_i32(static_cast<int>(ParquetEncoding::kRle));
  ParquetPage page;
  if (how.version == 1) {
    const auto bytes = (how.may_be_null ? u32(levels.size()) + levels : "") + values;
    page = finish_page(how, ParquetPageType::kData, bytes.size(), pack(how, bytes));
    page.header[5] = thrift_struct({{1, thrift_i32(row_count)}, {2, encoding}, {3, rle}, {4, rle}});
  } else {
    page = finish_page(how, ParquetPageType::kDataV2, levels.size() + values.size(),
                       levels + pack(how, values));
    page.header[8] = thrift_struct({{1, thrift_i32(row_count)},
                                    {2, thrift_i32(std::ranges::count(present, 0U))},
                                    {3, thrift_i32(row_count)},
                                    {4, encoding},
                                    {5, thrift_i32(static_cast<std::int64_t>(levels.size()))},
                                    {6, thrift_i32(0)},
                                    {7, thrift_bool(how.codec != ParquetCodec::kUncompressed)}});
  }
  page.row_count = rows.size();
  return page;
}

std::vector<ParquetPage> make_pages(const ParquetPages& how, const Rows& rows,
                                    std::size_t page_rows) {
  std::vector<ParquetPage> pages;
  if (uses_dictionary(how.encoding)) pages.push_back(make_dictionary_page(how, rows));
  for (std::size_t begin = 0; begin < rows.size(); begin += page_rows) {
    const auto end = std::min(begin + page_rows, rows.size());
    pages.push_back(make_data_page(how,
                                   Rows(rows.begin() + static_cast<std::ptrdiff_t>(begin),
                                        rows.begin() + static_cast<std::ptrdiff_t>(end)),
                                   rows));
  }
  return pages;
}

std::string ParquetDraft::finish() const {
  const auto as_i64 = [](std::size_t value) {
    return thrift_i64(static_cast<std::int64_t>(value));
  };
  std::string bytes = "PAR1";
  std::uint64_t all_rows = 0;
  std::vector<ThriftValue> groups;
  for (const auto& pages : row_groups) {
    const std::size_t begin = bytes.size();
    std::uint64_t rows = 0;
    for (const auto& page : pages) {
      bytes += thrift_struct(page.header).bytes + page.stored;
      rows += page.row_count;
    }
    all_rows += rows;
    const ThriftMembers chunk_metadata = {
        {1, thrift_i32(kParquetByteArray)},
        {2, thrift_list(kThriftI32, {thrift_i32(static_cast<int>(how.encoding))})},
        {3, thrift_list(kThriftBinary, {thrift_binary("text")})},
        {4, thrift_i32(static_cast<int>(how.codec))},
        {5, as_i64(rows)},
        {6, as_i64(bytes.size() - begin)},
        {7, as_i64(bytes.size() - begin)},
        {9, as_i64(begin)}};
    const ThriftMembers column_chunk = {{2, thrift_i64(0)},
                                        {3, thrift_struct(replaced(chunk_metadata, metadata))}};
    auto others = chunk_metadata;
    others[3] = thrift_list(kThriftBinary, {thrift_binary("other")});
    std::vector<ThriftValue> chunks(
        chunks_before, thrift_struct({{2, thrift_i64(0)}, {3, thrift_struct(others)}}));
    chunks.push_back(thrift_struct(replaced(column_chunk, chunk)));
    groups.push_back(thrift_struct(replaced({{1, thrift_list(kThriftStruct, chunks)},
                                             {2, as_i64(bytes.size() - begin)},
                                             {3, as_i64(rows)}},
                                            row_group)));
  }
  const ThriftMembers text_column = {{1, thrift_i32(kParquetByteArray)},
                                     {3, thrift_i32(how.may_be_null ? 1 : 0)},
                                     {4, thrift_binary("text")},
                                     {6, thrift_i32(0)}};
  std::vector<ThriftValue> schema = {
      thrift_struct({{4, thrift_binary("schema")}, {5, thrift_i32(column_count)}})};
  schema.insert(schema.end(), elements_before.begin(), elements_before.end());
  schema.push_back(thrift_struct(replaced(text_column, column)));
  schema.insert(schema.end(), elements_after.begin(), elements_after.end());
  const std::string end = thrift_struct(replaced({{1, thrift_i32(1)},
                                                  {2, thrift_list(kThriftStruct, schema)},
                                                  {3, as_i64(all_rows)},
                                                  {4, thrift_list(kThriftStruct, groups)}},
                                                 footer))
                              .bytes;
  return bytes + end + u32(end.size()) + "PAR1";
}

std::string make_parquet(const ParquetPages& how, const Rows& rows, std::size_t group_rows,
                         std::size_t page_rows) {
  ParquetDraft draft{.how = how};
  for (std::size_t begin = 0; begin < rows.size(); begin += group_rows) {
    const auto end = std::min(begin + group_rows, rows.size());
    draft.row_groups.push_back(make_pages(how,
                                          Rows(rows.begin() + static_cast<std::ptrdiff_t>(begin),
                                               rows.begin() + static_cast<std::ptrdiff_t>(end)),
                                          page_rows));
  }
  return draft.finish();
}

}  // namespace gpt2::formats
