// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The kinds of files that documents come in: packed ones and Parquet.
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "formats/errors.h"
#include "libcore/text/document_source.h"
#include "tests/formats/packing.h"
#include "tests/formats/parquet_maker.h"
#include "tests/support/temporary_folder.h"

namespace gpt2::text {
namespace {

using formats::pack_gzip;
using formats::pack_zstd;
using Texts = std::vector<std::string>;

struct Folder {
  support::TemporaryFolder files;

  static Texts read(DocumentInput input) {
    DocumentSource source(std::move(input));
    Texts documents;
    for (TextPiece piece; source.next(piece);) {
      if (piece.begins_document) documents.emplace_back();
      documents.back() += piece.text;
    }
    BOOST_TEST(source.bytes_read() == source.total_bytes());
    return documents;
  }
  Texts read(const std::string& name, std::string_view bytes, DocumentInput input = {}) const {
    input.files = {files.write(name, bytes)};
    return read(std::move(input));
  }
};

const std::string kJsonl = "{\"text\":\"one\"}\n{\"text\":\"two\"}\n";
const Texts kTexts = {"one", "two"};
const formats::Rows kRows = {"one", std::nullopt, "two"};
const formats::ParquetPages kNullable{.may_be_null = true};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(document_files, Folder)

BOOST_AUTO_TEST_CASE(names_say_what_is_inside_of_what_is_packed) {
  BOOST_TEST((read("a.jsonl.gz", pack_gzip(kJsonl)) == kTexts));
  BOOST_TEST((read("a.jsonl.zst", pack_zstd(kJsonl)) == kTexts));
  BOOST_TEST((read("a.jsonl", pack_zstd(kJsonl)) == kTexts));
  BOOST_TEST((read("a.txt.gz", pack_gzip(kJsonl)) == Texts{kJsonl}));
  BOOST_TEST((read("a.zst", pack_zstd(kJsonl)) == Texts{kJsonl}));
  BOOST_TEST((read("a.zst", pack_zstd(kJsonl), {.format = "jsonl"}) == kTexts));
}

BOOST_AUTO_TEST_CASE(packed_text_of_any_length_is_whole) {
  std::string text;
  for (int i = 0; text.size() < 5'000'000; ++i) text += std::to_string(i) + " ";
  BOOST_TEST((read("a.txt.gz", pack_gzip(text)) == Texts{text}));
  BOOST_TEST((read("a.txt.zst", pack_zstd(text, false)) == Texts{text}));
}

BOOST_AUTO_TEST_CASE(parquet_gives_a_document_a_row) {
  const auto bytes = formats::make_parquet(kNullable, kRows, 2, 1);
  BOOST_TEST((read("a.parquet", bytes) == kTexts));
  BOOST_TEST((read("b", bytes, {.format = "parquet"}) == kTexts));
  BOOST_CHECK_THROW(read("c.parquet", bytes, {.text_field = "body"}), formats::FormatError);
  BOOST_CHECK_THROW(read("d.parquet.gz", pack_gzip(bytes)), formats::FormatError);
}

BOOST_AUTO_TEST_CASE(nulls_of_all_kinds_are_counted_together) {
  DocumentSource source({.files = {files.write("a.jsonl.gz", pack_gzip("{\"text\":null}\n")),
                                   files.write("b.parquet", make_parquet(kNullable, kRows))}});
  Texts texts;
  for (TextPiece piece; source.next(piece);) texts.push_back(piece.text);
  BOOST_TEST((texts == kTexts));
  BOOST_TEST(source.null_text_count() == 2U);
  BOOST_TEST(source.document_count() == 2U);
}

BOOST_AUTO_TEST_CASE(kinds_mix_in_the_order_given) {
  BOOST_TEST((read({.files = {files.write("a.txt.gz", pack_gzip("zero")),
                              files.write("b.parquet", make_parquet(kNullable, kRows)),
                              files.write("c.jsonl.zst", pack_zstd("{\"text\":\"three\"}"))}}) ==
              Texts{"zero", "one", "two", "three"}));
}

BOOST_AUTO_TEST_CASE(damaged_files_are_refused_by_name_and_byte) {
  const auto packed = pack_gzip(kJsonl);
  const auto path = files.write("a.jsonl.gz", packed.substr(0, packed.size() - 1));
  BOOST_CHECK_EXCEPTION(read({.files = {path}}), formats::FormatError, [&](const auto& error) {
    return std::string_view(error.what())
        .starts_with(path + ": byte " + std::to_string(packed.size() - 1) + ", gzip member: ");
  });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::text
