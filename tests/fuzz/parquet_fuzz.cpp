// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A file that is accepted has as many texts and nulls as rows. The input is a file; and it is a
// page, which reaches the values that a file's own metadata seldom lets pass.
#include "formats/errors.h"
#include "formats/parquet.h"
#include "tests/formats/parquet_maker.h"
#include "tests/fuzz/fuzz_target.h"

namespace gpt2::fuzz {
namespace {

using namespace formats;

constexpr std::uint64_t kMostRows = 1'000'000;  // a few bytes may stand for billions

void check_file(std::string_view bytes) {
  try {
    ParquetTextReader reader(InputFile(write_scratch_file("rows", bytes)), "text");
    std::uint64_t text_count = 0;
    for (std::string_view text; reader.next(text); ++text_count) {
      if (text_count == kMostRows) return;
    }
    require(text_count + reader.null_count() == reader.row_count(), "every row is a text or null");
  } catch (const FormatError&) {
  }
}

/// A page of `row_count` rows that holds `bytes`.
ParquetPage page_of(const ParquetPages& how, std::uint8_t row_count, std::string_view bytes) {
  const Rows rows(row_count, "a");
  ParquetPage page = make_data_page(how, rows, rows);
  page.stored = bytes;
  page.header[2] = page.header[3] = thrift_i32(static_cast<std::int64_t>(bytes.size()));
  return page;
}

}  // namespace

void check(std::string_view input) {
  check_file(input);
  if (input.empty()) return;
  const auto row_count = static_cast<std::uint8_t>(input[0]);
  using enum ParquetEncoding;
  for (const auto encoding : {kPlain, kRleDictionary, kDeltaLengthByteArray, kDeltaByteArray}) {
    for (const bool may_be_null : {false, true}) {
      const ParquetPages how{.encoding = encoding, .may_be_null = may_be_null};
      const std::vector<ParquetPage> pages = {make_dictionary_page(how, {"a", "b", "cc"}),
                                              page_of(how, row_count, input.substr(1))};
      check_file(ParquetDraft{.how = how, .row_groups = {pages}}.finish());
    }
  }
}

}  // namespace gpt2::fuzz
