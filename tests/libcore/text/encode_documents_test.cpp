// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/text/encode_documents.h"

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <streambuf>
#include <string>
#include <utility>
#include <vector>

#include "formats/errors.h"
#include "formats/token_shard.h"
#include "libcore/text/bpe_trainer.h"
#include "tests/libcore/text/small_vocabulary.h"
#include "tests/support/peak_memory.h"
#include "tests/support/temporary_folder.h"

namespace gpt2::text {
namespace {

using Ids = std::vector<std::uint16_t>;
using test::make_vocabulary;

struct Pipe {
  support::TemporaryFolder folder;

  std::string encode(const Tokenizer& tokenizer, DocumentInput input,
                     EncodeSummary* summary = nullptr, unsigned threads = 2) const {
    DocumentSource source(std::move(input));
    std::ostringstream out;
    const auto made = encode_documents(source, tokenizer, {.threads = threads}, out);
    if (summary != nullptr) *summary = made;
    return out.str();
  }
  static Ids read_ids(const std::string& stream) {
    std::istringstream in(stream);
    formats::TokenStreamReader reader(in, "stream");
    Ids all;
    for (Ids block; reader.next(block);) all.insert(all.end(), block.begin(), block.end());
    return all;
  }
  static std::string decode(const Tokenizer& tokenizer, const std::string& stream,
                            std::string_view separator) {
    std::istringstream in(stream);
    formats::TokenStreamReader reader(in, "stream");
    std::ostringstream out;
    decode_documents(reader, tokenizer, separator, out);
    return out.str();
  }
};

/// Counts what is written and keeps nothing.
class CountingBuffer : public std::streambuf {
 public:
  std::size_t bytes() const { return bytes_; }

 private:
  int_type overflow(int_type byte) override {
    ++bytes_;
    return traits_type::not_eof(byte);
  }
  std::streamsize xsputn(const char*, std::streamsize count) override {
    bytes_ += static_cast<std::size_t>(count);
    return count;
  }
  std::size_t bytes_ = 0;
};

BOOST_FIXTURE_TEST_SUITE(encode_documents_to_a_stream, Pipe)

BOOST_AUTO_TEST_CASE(end_of_text_comes_before_every_document) {
  const Tokenizer tokenizer(make_vocabulary({{"a", "b"}}));
  const std::string file = folder.write("a.txt", "ab||c|ab|");
  EncodeSummary summary;
  const auto stream = encode(tokenizer, {.files = {file}, .separator = "|"}, &summary);
  BOOST_TEST(read_ids(stream) == (Ids{257, 256, 257, 257, 'c', 257, 256, 257}),
             boost::test_tools::per_element());
  BOOST_TEST(summary.document_count == 5U);
  BOOST_TEST(summary.token_count == 8U);
  BOOST_TEST(summary.text_bytes == 5U);
}

BOOST_AUTO_TEST_CASE(the_stream_names_its_vocabulary_and_counts_documents) {
  const Tokenizer tokenizer(make_vocabulary({}));
  const auto stream =
      encode(tokenizer, {.files = {folder.write("a.txt", "x"), folder.write("b.txt", "")}});
  std::istringstream in(stream);
  formats::TokenStreamReader reader(in, "stream");
  BOOST_TEST(reader.header().vocab_size == 257U);
  BOOST_TEST(reader.header().end_of_text == 256U);
  BOOST_TEST((reader.header().tokenizer == tokenizer.fingerprint()));
  for (Ids block; reader.next(block);) continue;
  BOOST_TEST(reader.document_count() == 2U);
}

BOOST_AUTO_TEST_CASE(without_end_of_text_documents_are_not_separated) {
  const Tokenizer tokenizer(make_vocabulary({}, {}, false));
  const auto stream =
      encode(tokenizer, {.files = {folder.write("a.txt", "x|y")}, .separator = "|"});
  BOOST_TEST(read_ids(stream) == (Ids{'x', 'y'}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(any_number_of_threads_gives_the_same_stream) {
  std::mt19937 random(8);
  const std::string text =
      test::random_text(random, {"the ", "cat", " sat", "\n", "|", "  ", "42", "!"}, 2'000'000);
  PretokenCounts counts;
  counts.add(std::string_view(text).substr(0, 100'000));
  const Tokenizer tokenizer(train_bpe(counts, {.vocab_size = 400}));
  const DocumentInput input{.files = {folder.write("a.txt", text)}, .separator = "|"};
  EncodeSummary one, five;
  const auto stream = encode(tokenizer, input, &one, 1);
  BOOST_TEST((encode(tokenizer, input, &five, 5) == stream));
  BOOST_TEST(one.document_count == five.document_count);
  BOOST_TEST((decode(tokenizer, stream, "|") == text));
}

BOOST_AUTO_TEST_CASE(a_document_in_pieces_has_the_ids_of_the_whole) {
  std::mt19937 random(9);
  const std::string text = test::random_text(
      random, {"a", "b", " ", "  ", "\n", "7", "'s", "\u4E2D", "\xE4"}, 3'000'000);
  const Tokenizer tokenizer(make_vocabulary({{"a", "b"}, {" ", "ab"}, {" ", " "}}));
  Ids expected{259};
  tokenizer.encode(text, expected);
  BOOST_TEST((read_ids(encode(tokenizer, {.files = {folder.write("a.txt", text)}})) == expected));
}

BOOST_AUTO_TEST_CASE(a_bad_line_ends_the_stream_without_an_end_frame) {
  const Tokenizer tokenizer(make_vocabulary({}));
  DocumentSource source({.files = {folder.write("a.jsonl", "{\"text\":\"x\"}\n{")}});
  std::ostringstream out;
  BOOST_CHECK_THROW(encode_documents(source, tokenizer, {}, out), formats::InputError);
  BOOST_CHECK_THROW(read_ids(out.str()), formats::InputError);
}

BOOST_AUTO_TEST_CASE(decode_refuses_a_stream_of_another_vocabulary) {
  const Tokenizer one(make_vocabulary({{"a", "b"}})), other(make_vocabulary({{"b", "a"}}));
  const auto stream = encode(one, {.files = {folder.write("a.txt", "ab")}});
  BOOST_CHECK_THROW(decode(other, stream, ""), formats::InputError);
}

BOOST_AUTO_TEST_CASE(decode_takes_a_stream_that_names_no_vocabulary) {
  const Tokenizer tokenizer(make_vocabulary({}));
  std::ostringstream out;
  formats::TokenStreamWriter writer(out, {257, 256, {}});
  writer.append(Ids{'a', 256, 'b'});
  writer.finish(1);
  BOOST_TEST(decode(tokenizer, out.str(), "|") == "a|b");
}

BOOST_AUTO_TEST_CASE(decode_writes_no_separator_at_the_start_of_the_stream) {
  const Tokenizer tokenizer(make_vocabulary({}));
  const auto stream =
      encode(tokenizer, {.files = {folder.write("a.txt", "||x")}, .separator = "|"});
  BOOST_TEST(decode(tokenizer, stream, "|") == "||x");
  BOOST_TEST(decode(tokenizer, stream, "") == "x");
}

#ifndef __SANITIZE_ADDRESS__  // which keeps freed memory
BOOST_AUTO_TEST_CASE(memory_does_not_grow_with_the_input) {
  const Tokenizer tokenizer(make_vocabulary({{"t", "h"}, {"th", "e"}, {" ", "the"}}));
  std::string line;
  while (line.size() < 3000) line += "the cat sat on the mat and 42 others; ";
  constexpr std::size_t kInputBytes = 120'000'000, kMostBytes = 90'000'000;
  for (const auto& [name, record] : {std::pair{"long.txt", line + "\n"},
                                     std::pair{"long.jsonl", "{\"text\":\"" + line + "\"}\n"}}) {
    std::string part;
    while (part.size() < 1'000'000) part += record;
    const std::string path = folder.write(name, "");
    std::ofstream file(path, std::ios::binary);
    for (std::size_t bytes = 0; bytes < kInputBytes; bytes += part.size()) file << part;
    file.close();
    DocumentSource source({.files = {path}});
    CountingBuffer counted;
    std::ostream out(&counted);
    support::reset_peak_memory();
    const std::size_t before = support::peak_memory_bytes();
    encode_documents(source, tokenizer, {.threads = 2}, out);
    BOOST_TEST(counted.bytes() > kInputBytes / 2);
    BOOST_TEST(support::peak_memory_bytes() < before + kMostBytes);
    std::filesystem::remove(path);
  }
}
#endif

BOOST_AUTO_TEST_CASE(progress_reports_every_batch) {
  const Tokenizer tokenizer(make_vocabulary({}));
  std::string text;
  while (text.size() < 3'000'000) text += "word ";
  DocumentSource source({.files = {folder.write("a.txt", text)}});
  std::ostringstream out;
  int calls = 0;
  encode_documents(source, tokenizer, {.threads = 1, .progress = [&] { ++calls; }}, out);
  BOOST_TEST(calls >= 2);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::text
