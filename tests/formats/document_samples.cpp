// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tests/formats/document_samples.h"

#include <fmt/format.h>

#include "tests/formats/packing.h"
#include "tests/formats/parquet_maker.h"

namespace gpt2::formats {
namespace {

using enum ParquetCodec;
using enum ParquetEncoding;
using Samples = std::map<std::string, std::string>;

/// Refused files with one page of the rows "one" and "two!", in which something is wrong.
class RefusedPages {
 public:
  RefusedPages(Samples& samples, ParquetPages how) : samples_(samples), how_(how) {}

  void add(const char* name, const std::vector<ParquetPage>& pages) const {
    const ParquetDraft draft{.how = how_, .row_groups = {pages}};
    samples_[fmt::format("refused/{}.parquet", name)] = draft.finish();
  }
  ParquetPage page() const { return make_data_page(how_, rows_, rows_); }
  ParquetPage dictionary() const { return make_dictionary_page(how_, rows_); }
  /// The page with a member of its header replaced.
  void header(const char* name, int member, const ThriftValue& value) const {
    auto changed = page();
    changed.header[member] = value;
    add(name, {changed});
  }
  /// The page with other bytes, behind the dictionary where there is one.
  void bytes(const char* name, const std::string& bytes) const {
    auto changed = page();
    changed.stored = bytes;
    changed.header[2] = changed.header[3] = thrift_i32(static_cast<std::int64_t>(bytes.size()));
    std::vector<ParquetPage> pages;
    if (how_.encoding == kRleDictionary) pages.push_back(dictionary());
    pages.push_back(changed);
    add(name, pages);
  }

 private:
  Samples& samples_;
  ParquetPages how_;
  Rows rows_ = {"one", "two!"};
};

void add_refused_footers(Samples& samples) {
  const ParquetDraft good{.row_groups = {make_pages({}, {"one", "two!"})}};
  const auto refuse = [&](const char* name, const std::string& bytes) {
    samples[fmt::format("refused/{}.parquet", name)] = bytes;
  };
  const auto change = [&](const char* name, ThriftMembers ParquetDraft::*members, int member,
                          const ThriftValue& value) {
    auto draft = good;
    (draft.*members)[member] = value;
    refuse(name, draft.finish());
  };
  const auto bytes = good.finish();
  const std::size_t end = bytes.size();
  refuse("magic__of_another_file", "GGUF" + bytes.substr(4));
  refuse("magic__cut", bytes.substr(0, end - 1));
  refuse("magic__encrypted", bytes.substr(0, end - 4) + "PARE");
  refuse("size__of_11_bytes", "PAR1" + std::string(3, '\0') + "PAR1");
  refuse("footer_length__beyond_the_file", bytes.substr(0, end - 5) + "\x01PAR1");
  refuse("metadata__cut", bytes.substr(0, 4) + std::string("\x15\x02\x19\x02\0\0\0PAR1", 11));

  const ThriftValue missing{}, text = thrift_binary("text");
  using D = ParquetDraft;
  change("footer__without_num_rows", &D::footer, 3, missing);
  change("num_rows__not_the_sum", &D::footer, 3, thrift_i64(3));
  change("num_rows__negative", &D::footer, 3, thrift_i64(-1));
  change("num_rows__an_i32", &D::footer, 3, thrift_i32(2));
  change("schema__has_no_column_text", &D::column, 4, thrift_binary("txt"));
  change("schema__of_an_INT32_column", &D::column, 1, thrift_i32(1));
  change("schema__of_a_group", &D::column, 1, missing);
  change("schema__of_a_list", &D::column, 3, thrift_i32(2));
  change("schema__repetition_3", &D::column, 3, thrift_i32(3));
  change("schema__of_a_DECIMAL", &D::column, 6, thrift_i32(5));
  change("schema__fewer_elements", &D::column, 5, thrift_i32(1));
  change("schema__element_without_name", &D::column, 4, missing);
  change("columns__none", &D::row_group, 1, thrift_list(kThriftStruct, {}));
  change("num_values__not_those_of_the_row_group", &D::row_group, 3, thrift_i64(3));
  change("row_group__without_size", &D::row_group, 2, missing);
  change("file_path__set", &D::chunk, 1, thrift_binary("other.parquet"));
  change("meta_data__missing", &D::chunk, 3, missing);
  change("crypto_metadata__set", &D::chunk, 8, thrift_struct({}));
  change("type__of_a_chunk_INT32", &D::metadata, 1, thrift_i32(1));
  change("path_in_schema__of_another_column", &D::metadata, 3,
         thrift_list(kThriftBinary, {thrift_binary("id")}));
  change("path_in_schema__of_two_parts", &D::metadata, 3,
         thrift_list(kThriftBinary, {text, thrift_binary("text")}));
  change("codec__LZO", &D::metadata, 4, thrift_i32(3));
  change("codec__BROTLI", &D::metadata, 4, thrift_i32(4));
  change("codec__LZ4", &D::metadata, 4, thrift_i32(5));
  change("codec__number_8", &D::metadata, 4, thrift_i32(8));
  change("total_compressed_size__negative", &D::metadata, 7, thrift_i64(-1));
  change("data_page_offset__in_the_magic", &D::metadata, 9, thrift_i64(3));
  change("data_page_offset__in_the_footer", &D::metadata, 9, thrift_i64(1 << 20));

  auto draft = good;
  draft.elements_after = {thrift_struct({{1, thrift_i32(1)}, {4, thrift_binary("id")}})};
  refuse("schema__more_elements", draft.finish());
  draft.elements_after = {thrift_struct({{1, thrift_i32(6)}, {4, text}})};
  draft.column_count = 2;
  refuse("schema__the_column_twice", draft.finish());

  ThriftValue deep = thrift_struct({});
  for (int i = 0; i < 64; ++i) deep = thrift_struct({{1, deep}});
  change("metadata__nests_65_deep", &D::footer, 9, deep);
  change("metadata__a_map", &D::footer, 9, {11, "\1"});
  change("metadata__of_type_15", &D::footer, 9, {15, "\1"});
  change("metadata__number_of_70_bits", &D::footer, 9, {6, std::string(10, '\xFF')});
}

void add_refused_pages(Samples& samples) {
  const RefusedPages plain(samples, {.with_crc = true});
  plain.header("page_header__without_sizes", 2, {0, ""});
  plain.header("page_header__of_another_type", 1, thrift_i32(2));
  plain.header("type__of_a_page_4", 1, thrift_i32(4));
  plain.header("uncompressed_page_size__above_1_GiB", 2, thrift_i32((1 << 30) + 1));
  plain.header("compressed_page_size__beyond_the_chunk", 3, thrift_i32(16));
  plain.header("crc__wrong", 4, thrift_i32(0));
  const auto data_header = [](int count, int encoding, int levels) {
    return thrift_struct({{1, thrift_i32(count)},
                          {2, thrift_i32(encoding)},
                          {3, thrift_i32(levels)},
                          {4, thrift_i32(3)}});
  };
  plain.header("data_page_header__without_levels", 5,
               thrift_struct({{1, thrift_i32(2)}, {2, thrift_i32(0)}}));
  plain.header("encoding__BYTE_STREAM_SPLIT", 5, data_header(2, 9, 3));
  plain.header("encoding__RLE", 5, data_header(2, 3, 3));
  plain.header("num_values__more_than_the_chunk", 5, data_header(3, 0, 3));
  auto first_row = make_data_page({}, {"one"}, {});
  first_row.row_count = 2;  // of the chunk
  plain.add("page_header__rows_missing", {first_row});

  const RefusedPages unchecked(samples, {});
  unchecked.bytes("value__length_cut", std::string("\3\0\0", 3));
  unchecked.bytes("value__longer_than_the_page", std::string("\xFF\xFF\xFF\xFF", 4));
  unchecked.bytes("value__bytes_follow", parquet_plain({"one", "two!", "three"}));

  for (const auto& [codec, name] : {std::pair{kSnappy, "page__SNAPPY_damaged"},
                                    {kGzip, "page__GZIP_damaged"},
                                    {kZstd, "page__ZSTD_damaged"},
                                    {kLz4Raw, "page__LZ4_RAW_damaged"}}) {
    const RefusedPages packed(samples, {.codec = codec});
    auto page = packed.page();
    page.stored.pop_back();
    page.header[3] = thrift_i32(static_cast<std::int64_t>(page.stored.size()));
    packed.add(name, {page});
  }

  const RefusedPages nullable(samples, {.may_be_null = true});
  nullable.header("definition_level_encoding__BIT_PACKED", 5, data_header(2, 0, 4));
  nullable.bytes("definition_levels__beyond_the_page", std::string("\3\0\0\0\4\1", 6));
  const auto levels = [](const std::string& runs) {
    return std::string{static_cast<char>(runs.size()), 0, 0, 0} + runs +
           parquet_plain({"one", "two!"});
  };
  nullable.bytes("definition_level__too_few", levels(std::string("\2\1", 2)));
  nullable.bytes("definition_level__an_empty_run", levels(std::string("\0\1\4\1", 4)));
  nullable.bytes("definition_level__2", levels(std::string("\4\2", 2)));
  nullable.bytes("definition_level__a_run_cut", levels(std::string("\4", 1)));

  const RefusedPages second(samples, {.version = 2, .may_be_null = true});
  const auto second_header = [](int nulls, int level_bytes, int repetition_bytes) {
    return thrift_struct({{1, thrift_i32(2)},
                          {2, thrift_i32(nulls)},
                          {3, thrift_i32(2)},
                          {4, thrift_i32(0)},
                          {5, thrift_i32(level_bytes)},
                          {6, thrift_i32(repetition_bytes)},
                          {7, thrift_bool(false)}});
  };
  second.header("num_nulls__1_of_0", 8, second_header(1, 2, 0));
  second.header("definition_levels_byte_length__beyond_the_page", 8, second_header(0, 100, 0));
  second.header("repetition_levels_byte_length__2", 8, second_header(0, 2, 2));

  const RefusedPages indexed(samples, {.encoding = kRleDictionary});
  indexed.bytes("dictionary_index__beyond_the_dictionary", std::string("\2\4\2", 3));
  indexed.bytes("dictionary_index__bit_width_33", std::string("\x21\4\0\0\0\0\0", 7));
  indexed.bytes("dictionary_index__no_bit_width", "");
  indexed.add("dictionary_index__without_dictionary", {indexed.page()});
  indexed.add("type__two_dictionaries",
              {indexed.dictionary(), indexed.dictionary(), indexed.page()});
  auto dictionary = indexed.dictionary();
  dictionary.header[7] = thrift_struct({{1, thrift_i32(2)}, {2, thrift_i32(7)}});
  indexed.add("encoding__of_a_dictionary_DELTA", {dictionary, indexed.page()});
  dictionary.header[7] = thrift_struct({{1, thrift_i32(1 << 30)}, {2, thrift_i32(0)}});
  indexed.add("num_values__of_a_dictionary_beyond_the_page", {dictionary, indexed.page()});

  const RefusedPages lengths(samples, {.encoding = kDeltaLengthByteArray});
  lengths.bytes("length__blocks_of_100",
                parquet_varint(100) + parquet_varint(4) + std::string("\2\6\0", 3));
  lengths.bytes("length__no_miniblocks", parquet_varint(128) + std::string("\0\2\6\0", 4));
  lengths.bytes("length__one_too_few", parquet_delta_length({"one"}));
  lengths.bytes("length__negative", parquet_delta_numbers({3, -1}) + "one");
  lengths.bytes("length__beyond_the_page", parquet_delta_numbers({3, 4}) + "onetwo");
  lengths.bytes("length__bytes_follow", parquet_delta_length({"one", "two!"}) + "?");
  lengths.bytes("length__a_block_cut", parquet_delta_numbers({3, 4}).substr(0, 7));
  lengths.bytes("length__bit_width_33",
                parquet_varint(128) + std::string("\4\2\6\2\x21\0\0\0", 8) + std::string(200, 'x'));

  const RefusedPages shared(samples, {.encoding = kDeltaByteArray});
  shared.bytes("prefix_length__beyond_the_value_before",
               parquet_delta_numbers({0, 4}) + parquet_delta_length({"one", "!"}));
}

}  // namespace

void add_packed_samples(Samples& samples) {
  const std::string member = stored_gzip("two members\n"), frame = stored_zstd("two frames\n");
  samples["accepted/two_members.gz"] = stored_gzip("one of ") + member;
  samples["accepted/two_frames_and_one_to_skip.zst"] =
      stored_zstd("one of ") + skippable_zstd("note") + frame;

  const auto wrong_at = [](std::string bytes, std::size_t place) {
    bytes[place] ^= 1;
    return bytes;
  };
  samples["refused/gzip_member__cut.gz"] = member.substr(0, member.size() - 1);
  samples["refused/gzip_member__checksum_wrong.gz"] = wrong_at(member, member.size() - 8);
  samples["refused/gzip_member__length_wrong.gz"] = wrong_at(member, member.size() - 4);
  samples["refused/gzip_member__other_bytes_follow.gz"] = member + '\0';
  samples["refused/packing__a_name_without_gzip.gz"] = "plain text\n";
  samples["refused/packing__bzip2.gz"] = "BZh9\x31\x41\x59\x26\x53\x59";
  samples["refused/zstd_frame__cut.zst"] = frame.substr(0, frame.size() - 1);
  auto reserved = frame;
  reserved[6] |= 6;
  samples["refused/zstd_frame__block_of_a_reserved_kind.zst"] = reserved;
  samples["refused/zstd_frame__window_of_256_MiB.zst"] = stored_zstd("text\n", 28);
  samples["refused/zstd_frame__other_bytes_follow.zst"] = frame + "more";
  samples["refused/packing__a_name_without_zstd.zst"] = "";
}

void add_parquet_samples(Samples& samples) {
  samples["accepted/two_texts.parquet"] = make_parquet({}, {"one", "two!"});
  const Rows rows = {"one", std::nullopt, "two", "one", std::nullopt, "twofold", ""};
  const auto accept = [&](const char* name, const ParquetPages& how) {
    samples[fmt::format("accepted/{}.parquet", name)] = make_parquet(how, rows, 4, 3);
  };
  accept("snappy_dictionary_nulls",
         {.codec = kSnappy, .encoding = kRleDictionary, .may_be_null = true});
  accept("zstd_delta_nulls_version_2", {.codec = kZstd,
                                        .encoding = kDeltaByteArray,
                                        .version = 2,
                                        .may_be_null = true,
                                        .with_crc = true});
  accept(
      "gzip_delta_length_nulls",
      {.codec = kGzip, .encoding = kDeltaLengthByteArray, .may_be_null = true, .with_crc = true});
  add_refused_footers(samples);
  add_refused_pages(samples);
}

}  // namespace gpt2::formats
