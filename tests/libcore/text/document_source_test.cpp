// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/text/document_source.h"

#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "formats/errors.h"
#include "libcore/text/pretokenizer.h"
#include "tests/libcore/text/small_vocabulary.h"
#include "tests/support/temporary_folder.h"

namespace gpt2::text {
namespace {

using Texts = std::vector<std::string>;

struct Folder {
  support::TemporaryFolder files;
  /// The documents of a file of that name and content, their pieces joined.
  Texts read(const std::string& name, std::string_view bytes, DocumentInput input = {}) const {
    input.files = {files.write(name, bytes)};
    DocumentSource source(input);
    Texts documents;
    for (TextPiece piece; source.next(piece);) {
      if (piece.begins_document) documents.emplace_back();
      documents.back() += piece.text;
    }
    BOOST_TEST(source.document_count() == documents.size());
    BOOST_TEST(source.bytes_read() == bytes.size());
    BOOST_TEST(source.total_bytes() == bytes.size());
    return documents;
  }
  /// The message with which a JSONL file of that content is refused.
  std::string refusal(std::string_view bytes, DocumentInput input = {}) const {
    try {
      read("bad.jsonl", bytes, std::move(input));
    } catch (const formats::InputError& error) {
      return error.what();
    }
    return "accepted";
  }
};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

BOOST_FIXTURE_TEST_SUITE(document_source, Folder)

BOOST_AUTO_TEST_CASE(a_text_is_one_document_with_every_byte_kept) {
  const std::string bytes(
      "\xEF\xBB\xBF"
      "a\r\n\0\xFF\n\n",
      10);
  BOOST_TEST(read("a.txt", bytes) == (Texts{bytes}), boost::test_tools::per_element());
  BOOST_TEST(read("README", bytes) == (Texts{bytes}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_empty_text_is_one_empty_document) {
  BOOST_TEST(read("a.txt", "") == (Texts{""}), boost::test_tools::per_element());
  BOOST_TEST(read("a.jsonl", "").empty());
}

BOOST_AUTO_TEST_CASE(a_separator_divides_text_and_joins_back_to_it) {
  BOOST_TEST(read("a.txt", "one==two====three==", {.separator = "=="}) ==
                 (Texts{"one", "two", "", "three", ""}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_separator_is_found_wherever_reads_end) {
  // Documents of many sizes around the size of a read, so that the separator is cut at each of its
  // bytes somewhere.
  const std::string separator = "<|endoftext|>";
  std::mt19937 random(6);
  for (int round = 0; round < 8; ++round) {
    Texts expected;
    std::string bytes;
    for (std::size_t offset = 0; offset < 16; ++offset) {
      expected.push_back(test::random_text(random, {"word ", "<|", "<|endof", "|>"}, 200) +
                         std::string((1 << 17) - 700 + random() % 40, 'x'));
      bytes += (offset > 0 ? separator : "") + expected.back();
    }
    BOOST_REQUIRE((read("a.txt", bytes, {.separator = separator}) == expected));
  }
}

BOOST_AUTO_TEST_CASE(long_text_comes_in_pieces_that_end_where_pretokens_end) {
  std::mt19937 random(7);
  const std::string bytes = test::random_text(
      random, {"word", " ", "  ", "\n", "1984", "...", "'ll", "\u4E2D\u6587", "\xFF"}, 2'000'000);
  DocumentSource source({.files = {files.write("long.txt", bytes)}});
  std::string joined;
  std::size_t piece_count = 0, boundary = 0;
  for (TextPiece piece; source.next(piece); ++piece_count) {
    BOOST_TEST(piece.begins_document == (piece_count == 0));
    joined += piece.text;
    while (boundary < joined.size()) boundary = find_pretoken_end(bytes, boundary);
    BOOST_REQUIRE(boundary == joined.size());
  }
  BOOST_TEST((joined == bytes));
  BOOST_TEST(piece_count > 4U);
}

BOOST_AUTO_TEST_CASE(one_word_of_megabytes_stays_whole) {
  const std::string word(5'000'000, 'x');
  DocumentSource source({.files = {files.write("word.txt", word)}});
  TextPiece piece;
  BOOST_REQUIRE(source.next(piece));
  BOOST_TEST((piece.text == word));
  BOOST_TEST(!source.next(piece));
}

BOOST_AUTO_TEST_CASE(each_line_of_jsonl_is_a_document) {
  BOOST_TEST(read("a.jsonl",
                  "{\"text\":\"one\"}\n{\"id\":[1,{}],\"text\":\"tw\\u00f6 \\ud83d\\ude00\\n\"}\r\n"
                  "\n  \n{\"text\":\"\"}") == (Texts{"one", "tw\u00F6 \U0001F600\n", ""}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(jsonl_takes_the_named_field) {
  BOOST_TEST(read("a.jsonl", "{\"text\":1,\"body\":\"b\"}", {.text_field = "body"}) == (Texts{"b"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(of_equal_keys_the_last_counts) {
  BOOST_TEST(read("a.jsonl", "{\"text\":\"x\",\"text\":\"y\"}") == (Texts{"y"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(format_overrides_the_name) {
  BOOST_TEST(read("a.txt", "{\"text\":\"x\"}", {.format = "jsonl"}) == (Texts{"x"}),
             boost::test_tools::per_element());
  BOOST_TEST(read("a.jsonl", "{}", {.format = "text"}) == (Texts{"{}"}),
             boost::test_tools::per_element());
  BOOST_CHECK_THROW(DocumentSource({.format = "csv"}), formats::UsageError);
}

BOOST_AUTO_TEST_CASE(a_byte_order_mark_is_skipped_at_the_start_of_jsonl_only) {
  BOOST_TEST(read("a.jsonl", "\xEF\xBB\xBF{\"text\":\"x\"}\n") == (Texts{"x"}),
             boost::test_tools::per_element());
  BOOST_TEST(contains(refusal("{\"text\":\"x\"}\n\xEF\xBB\xBF{\"text\":\"x\"}"), "bad.jsonl:2:"));
}

BOOST_AUTO_TEST_CASE(a_lone_surrogate_escape_becomes_the_replacement_character) {
  const std::string replaced = "\uFFFD", pair = "\U0001F600";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\\ud83d", replaced},
      {"\\uDE00", replaced},
      {"\\ud83d\\ude00", pair},
      {"\\ude00\\ud83d", replaced + replaced},
      {"\\ud83d\\ud83d\\ude00", replaced + pair},
      {"\\ud83dx\\ude00", replaced + "x" + replaced},
      {"\\ud83d\\n", replaced + "\n"},
      {"\\\\ud83d", "\\ud83d"},
      {"\\\\\\ud83d", "\\" + replaced},
      {"\\uD7FF\\uE000", "\uD7FF\uE000"},
  };
  for (const auto& [escaped, expected] : cases) {
    BOOST_TEST(read("a.jsonl", "{\"text\":\"" + escaped + "\"}") == (Texts{expected}),
               boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(null_texts_are_passed_over_and_counted) {
  DocumentSource source(
      {.files = {files.write("a.jsonl", "{\"text\":null}\n{\"text\":\"x\"}\n{\"text\":null}")}});
  TextPiece piece;
  BOOST_REQUIRE(source.next(piece));
  BOOST_TEST(piece.text == "x");
  BOOST_TEST(!source.next(piece));
  BOOST_TEST(source.null_text_count() == 2U);
  BOOST_TEST(source.document_count() == 1U);
}

BOOST_AUTO_TEST_CASE(bad_lines_are_refused_with_file_and_line) {
  const std::string good = "{\"text\":\"x\"}\n";
  for (const std::string bad :
       {"{\"text\":\"x\"", "{\"text\":\"\xFF\"}", "{\"text\":\"\\x\"}", "{\"text\":\"\\ud83\"}",
        "x", "{\"text\":\"a\"} {\"text\":\"b\"}", "{\"text\":\"\t\"}"}) {
    BOOST_TEST(contains(refusal(good + "\n" + bad), "bad.jsonl:3: is not valid JSON"), bad);
  }
  BOOST_TEST(contains(refusal(good + "[1]"), "bad.jsonl:2: is not a JSON object"));
  BOOST_TEST(contains(refusal(good + "{}"), "bad.jsonl:2: has no field \"text\""));
  BOOST_TEST(
      contains(refusal(good + "{\"text\":1}"), "bad.jsonl:2: field \"text\" is not a string"));
  BOOST_TEST(contains(refusal(good, {.text_field = "body"}), "bad.jsonl:1: has no field \"body\""));
}

BOOST_AUTO_TEST_CASE(lines_longer_than_a_read_are_whole) {
  const std::string text(3'000'001, 'x');
  BOOST_TEST(
      (read("a.jsonl", "{\"text\":\"" + text + "\"}\n{\"text\":\"y\"}\n") == Texts{text, "y"}));
}

BOOST_AUTO_TEST_CASE(files_are_read_in_the_order_given) {
  DocumentSource source(
      {.files = {files.write("b.txt", "b"), files.write("a.jsonl", "{\"text\":\"a\"}"),
                 files.write("c.txt", "c")}});
  std::string joined;
  for (TextPiece piece; source.next(piece);) joined += piece.text;
  BOOST_TEST(joined == "bac");
  BOOST_TEST(source.document_count() == 3U);
}

BOOST_AUTO_TEST_CASE(files_that_cannot_be_read_are_refused_before_any_is_read) {
  const std::string good = files.write("a.txt", "a");
  BOOST_CHECK_THROW(DocumentSource({.files = {good, "missing.txt"}}), formats::InputError);
  BOOST_CHECK_THROW(DocumentSource({.files = {good, files.path().string()}}), formats::InputError);
  const std::string secret = files.write("secret.txt", "s");
  std::filesystem::permissions(secret, std::filesystem::perms::none);
  if (::access(secret.c_str(), R_OK) != 0) {  // root may read it
    BOOST_CHECK_THROW(DocumentSource({.files = {good, secret}}), formats::InputError);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::text
