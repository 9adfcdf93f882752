// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The same documents in five kinds of files that other programs wrote, from GPT2_TEST_DATA.
#include <simdjson.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>

#include "formats/digest.h"
#include "libcore/text/document_source.h"
#include "tests/support/data_folder.h"

namespace gpt2::text {
namespace {

using support::data_folder;
using support::DataFolder;
BOOST_TEST_GLOBAL_FIXTURE(DataFolder);

}  // namespace

BOOST_AUTO_TEST_SUITE(containers)

BOOST_AUTO_TEST_CASE(all_give_the_documents_that_went_in) {
  const auto folder = data_folder() / "containers";
  simdjson::dom::parser parser;
  const simdjson::dom::element golden = parser.load((folder / "golden.json").string());
  const std::string_view expected_hash = golden["sha256_texts_nul_joined"];
  const std::uint64_t expected_count = golden["n_docs"];
  for (const auto* name : {"docs.jsonl.gz", "docs.jsonl.zst", "docs.none_plain.parquet",
                           "docs.snappy_dict_v1.parquet", "docs.zstd_rg256_v2.parquet"}) {
    BOOST_TEST_CONTEXT(name) {
      DocumentSource source({.files = {(folder / name).string()}});
      formats::Digest digest;
      for (TextPiece piece; source.next(piece);) {
        digest.update(piece.text).update({"\0", 1});
      }
      BOOST_TEST(source.document_count() == expected_count);
      BOOST_TEST(digest.hex() == expected_hash);
      BOOST_TEST(source.bytes_read() == std::filesystem::file_size(folder / name));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::text
