// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/tokenizer_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <set>

#include "formats/errors.h"
#include "tests/formats/format_fixture.h"

namespace gpt2::formats {
namespace {

namespace fs = std::filesystem;

// "a", "b", " ", "ab", " ab", one special token.
TokenizerFiles small_files() {
  return {.token_bytes = {"a", "b", " ", "ab", " ab", "<|endoftext|>"},
          .merges = {{0, 1}, {2, 3}},
          .special_tokens = {{"<|endoftext|>", 5}}};
}

bool equal(const TokenizerFiles& a, const TokenizerFiles& b) {
  return a.token_bytes == b.token_bytes && a.merges == b.merges &&
         std::ranges::equal(a.special_tokens, b.special_tokens, [](const auto& x, const auto& y) {
           return x.text == y.text && x.id == y.id;
         });
}

const std::string kVocabulary =
    R"({"a": 0, "b": 1, "\u0120": 2, "ab": 3, "\u0120ab": 4, "<|endoftext|>": 5})";
const std::string kMerges = "#version: 0.2\na b\n\u0120 ab\n";

std::string tokenizer_json() {
  return R"({"added_tokens": [{"id": 5, "content": "<|endoftext|>", "special": true}],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "dropout": null, "continuing_subword_prefix": "",
      "end_of_word_suffix": "", "byte_fallback": false, "ignore_merges": false,
      "vocab": {"a": 0, "b": 1, "\u0120": 2, "ab": 3, "\u0120ab": 4, "<|endoftext|>": 5},
      "merges": ["a b", "\u0120 ab"]}})";
}

std::string replaced(std::string text, std::string_view part, std::string_view by) {
  const auto place = text.find(part);
  BOOST_REQUIRE_MESSAGE(place != std::string::npos, "nothing to replace: " << part);
  return text.replace(place, part.size(), by);
}

std::string error_in_tokenizer_json(const std::string& text) {
  const TemporaryFolder folder;
  write_file(folder / "tokenizer.json", text);
  return error_of<InputError>([&] { load_tokenizer_files(folder.path()); });
}
std::string error_after(std::string_view part, std::string_view by) {
  return error_in_tokenizer_json(replaced(tokenizer_json(), part, by));
}

std::string error_in_pair(const std::string& vocabulary, const std::string& merges) {
  const TemporaryFolder folder;
  write_file(folder / "vocab.json", vocabulary);
  write_file(folder / "merges.txt", merges);
  return error_of<InputError>([&] { load_tokenizer_files(folder.path()); });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tokenizer_files)

BOOST_AUTO_TEST_CASE(each_byte_has_its_own_printable_character) {
  std::set<std::string> characters;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string bytes(1, static_cast<char>(byte));
    const auto printable = to_printable(bytes);
    BOOST_TEST(characters.insert(printable).second);
    BOOST_TEST(from_printable(printable, "x") == bytes);
  }
  BOOST_TEST(to_printable(" \n!~\xAD\xFF") == "\u0120\u010A!~\u0143\u00FF");
}

BOOST_AUTO_TEST_CASE(characters_outside_the_map_are_refused) {
  for (const std::string text : {" ", "a\n", "\u0144", "\u4E2D", "\U0001F600", "\xFF", "\xC4"}) {
    BOOST_TEST(contains(error_of<InputError>([&] { from_printable(text, "vocab.json"); }),
                        "vocab.json: "));
  }
}

BOOST_AUTO_TEST_CASE(all_forms_give_the_same_tokenizer) {
  const TemporaryFolder folder;
  write_file(folder / "old/encoder.json", kVocabulary);
  write_file(folder / "old/vocab.bpe", kMerges);
  write_file(folder / "pair/vocab.json", kVocabulary);
  write_file(folder / "pair/merges.txt", kMerges);
  write_file(folder / "json/tokenizer.json", tokenizer_json());
  write_file(folder / "pairs/tokenizer.json", replaced(tokenizer_json(), R"(["a b", "\u0120 ab"])",
                                                       R"([["a", "b"], ["\u0120", "ab"]])"));
  for (const auto* name : {"old", "pair", "json", "pairs", "json/tokenizer.json"}) {
    BOOST_TEST(equal(load_tokenizer_files(folder / name), small_files()));
  }
  for (const auto* name : {"old", "pair", "json"}) {
    BOOST_TEST(has_tokenizer_files(folder / name));
    fs::copy(folder / name, folder / "all");
  }
  BOOST_TEST(!has_tokenizer_files(folder.path()));
  BOOST_TEST(equal(load_tokenizer_files(folder / "all"), small_files()));
}

BOOST_AUTO_TEST_CASE(the_first_line_and_the_last_newline_of_merges_may_be_missing) {
  BOOST_TEST(error_in_pair(kVocabulary, "a b\n\u0120 ab") == "no error");
}

BOOST_AUTO_TEST_CASE(what_is_written_reads_back_in_both_forms) {
  TokenizerFiles files = small_files();
  files.token_bytes.push_back("<|im start \u4E2D\U0001F600\"|>");
  files.special_tokens.push_back({files.token_bytes.back(), 6});
  const TemporaryFolder folder;
  save_tokenizer_files(folder.path(), files, 1024);
  BOOST_TEST(equal(load_tokenizer_files(folder.path()), files));
  BOOST_TEST(equal(load_tokenizer_files(folder / "tokenizer.json"), files));
  fs::remove(folder / "tokenizer.json");
  BOOST_TEST(equal(load_tokenizer_files(folder.path()), files));
  BOOST_TEST(contains(read_file(folder / "tokenizer_config.json"), "\"model_max_length\": 1024"));
}

BOOST_AUTO_TEST_CASE(every_byte_may_be_part_of_a_token) {
  TokenizerFiles files;
  for (int byte = 0; byte < 256; ++byte) files.token_bytes.emplace_back(1, static_cast<char>(byte));
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    files.merges.emplace_back(byte, 255 - byte);
    files.token_bytes.push_back(files.token_bytes[byte] + files.token_bytes[255 - byte]);
  }
  const TemporaryFolder folder;
  save_tokenizer_files(folder.path(), files, 64);
  BOOST_TEST(equal(load_tokenizer_files(folder.path()), files));
  BOOST_TEST(!files.end_of_text().has_value());
}

BOOST_AUTO_TEST_CASE(a_special_token_that_is_no_text_cannot_be_written) {
  const TemporaryFolder folder;
  auto files = small_files();
  files.special_tokens[0].text = "\xFF";
  BOOST_CHECK_THROW(save_tokenizer_files(folder.path(), files, 64), UsageError);
  files.special_tokens[0] = {"x", 6};
  BOOST_CHECK_THROW(save_tokenizer_files(folder.path(), files, 64), UsageError);
}

BOOST_AUTO_TEST_CASE(an_empty_vocabulary_with_added_tokens_is_read_to_its_end) {
  const TemporaryFolder folder;
  write_file(folder / "vocab.json", "{}");
  write_file(folder / "merges.txt", "#version: 0.2\n");
  write_file(folder / "added_tokens.json", R"({"<|pad|>": 0, "<|endoftext|>": 1})");
  const auto files = load_tokenizer_files(folder.path());
  BOOST_TEST(files.token_bytes == (std::vector<std::string>{"<|pad|>", "<|endoftext|>"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(special_tokens_may_lie_outside_the_vocabulary_of_the_model) {
  const TemporaryFolder folder;
  write_file(folder / "tokenizer.json",
             replaced(tokenizer_json(), R"("special": true})",
                      R"("special": true}, {"id": 6, "content": "<|pad|>", "special": true})"));
  auto expected = small_files();
  expected.token_bytes.emplace_back("<|pad|>");
  expected.special_tokens.push_back({"<|pad|>", 6});
  BOOST_TEST(equal(load_tokenizer_files(folder.path()), expected));
  write_file(folder / "vocab.json", kVocabulary);
  write_file(folder / "merges.txt", kMerges);
  BOOST_TEST(contains(error_of<InputError>([&] { load_tokenizer_files(folder.path()); }),
                      "different tokenizers (6 and 7 tokens"));
  write_file(folder / "added_tokens.json", R"({"<|pad|>": 6})");
  BOOST_TEST(equal(load_tokenizer_files(folder.path()), expected));
}

BOOST_AUTO_TEST_CASE(forms_that_disagree_are_refused) {
  for (const auto& [part, by] : {std::pair{R"("a": 0, "b": 1)", R"("a": 1, "b": 0)"},
                                 std::pair{R"("a b", "\u0120 ab")", R"("\u0120 ab", "a b")"}}) {
    const TemporaryFolder folder;
    write_file(folder / "vocab.json", kVocabulary);
    write_file(folder / "merges.txt", kMerges);
    write_file(folder / "tokenizer.json", replaced(tokenizer_json(), part, by));
    BOOST_TEST(contains(error_of<InputError>([&] { load_tokenizer_files(folder.path()); }),
                        "vocab.json and tokenizer.json are of different tokenizers"));
  }
}

BOOST_AUTO_TEST_CASE(half_a_form_is_refused) {
  const TemporaryFolder folder;
  BOOST_TEST(contains(error_of<InputError>([&] { load_tokenizer_files(folder.path()); }),
                      "holds no tokenizer"));
  BOOST_TEST(contains(error_of<InputError>([&] { load_tokenizer_files(folder / "none"); }),
                      "holds no tokenizer"));
  write_file(folder / "vocab.json", kVocabulary);
  BOOST_TEST(contains(error_of<InputError>([&] { load_tokenizer_files(folder.path()); }),
                      "merges.txt: no such file"));
}

BOOST_AUTO_TEST_CASE(pipes_devices_and_endless_files_are_refused_at_once) {
  const TemporaryFolder folder;
  const auto error = [&] {
    return error_of<InputError>([&] { load_tokenizer_files(folder.path()); });
  };
  const auto path = folder / "tokenizer.json";
  BOOST_TEST_REQUIRE(::mkfifo(path.c_str(), 0666) == 0);
  BOOST_TEST(contains(error(), "is not a regular file"));
  std::filesystem::remove(path);
  std::filesystem::create_symlink("/dev/zero", path);
  BOOST_TEST(contains(error(), "is not a regular file"));
  std::filesystem::remove(path);
  write_file(path, "");
  std::filesystem::resize_file(path, std::uint64_t{1} << 40);  // sparse
  BOOST_TEST(contains(error(), "size: is 1099511627776 bytes"));
}

// One case for each row of the table of tokenizer.json in formats/tokenizer_files.md.
BOOST_AUTO_TEST_CASE(a_tokenizer_of_another_kind_is_refused_by_name) {
  BOOST_TEST(error_in_tokenizer_json(tokenizer_json()) == "no error");
  BOOST_TEST(contains(error_after(R"("type": "BPE")", R"("type": "Unigram")"),
                      "model: is \"Unigram\", GPT-2's tokenizer has BPE"));
  BOOST_TEST(contains(error_after(R"("pre_tokenizer": {"type": "ByteLevel")",
                                  R"("pre_tokenizer": {"type": "Metaspace")"),
                      "pre_tokenizer: is \"Metaspace\""));
  BOOST_TEST(contains(error_after(R"("add_prefix_space": false)", R"("add_prefix_space": true)"),
                      "pre_tokenizer.add_prefix_space: is true"));
  BOOST_TEST(contains(error_after(R"("add_prefix_space": false,)", ""),
                      "pre_tokenizer.add_prefix_space: is missing"));
  BOOST_TEST(contains(error_after(R"("use_regex": true)", R"("use_regex": false)"),
                      "pre_tokenizer.use_regex: is false"));
  BOOST_TEST(error_after(R"(, "use_regex": true)", "") == "no error");
  BOOST_TEST(contains(error_after(R"("normalizer": null)", R"("normalizer": {"type": "NFC"})"),
                      "normalizer: is \"NFC\""));
  BOOST_TEST(contains(
      error_after(R"("decoder": {"type": "ByteLevel"})", R"("decoder": {"type": "WordPiece"})"),
      "decoder: is \"WordPiece\""));
  BOOST_TEST(contains(error_after(R"("dropout": null)", R"("dropout": 0.1)"), "model.dropout"));
  BOOST_TEST(error_after(R"("dropout": null)", R"("dropout": 0)") == "no error");
  BOOST_TEST(contains(
      error_after(R"("continuing_subword_prefix": "")", R"("continuing_subword_prefix": "##")"),
      "model.continuing_subword_prefix: is \"##\""));
  BOOST_TEST(contains(error_after(R"("end_of_word_suffix": "")", R"("end_of_word_suffix": "</w>")"),
                      "model.end_of_word_suffix: is \"</w>\""));
  BOOST_TEST(contains(error_after(R"("byte_fallback": false)", R"("byte_fallback": true)"),
                      "model.byte_fallback: is true"));
  BOOST_TEST(contains(error_after(R"("ignore_merges": false)", R"("ignore_merges": true)"),
                      "model.ignore_merges: is true"));
  BOOST_TEST(contains(error_after(R"("special": true)", R"("special": false)"),
                      "added_tokens[0].special: is false"));
  BOOST_TEST(contains(error_after(R"("content": "<|endoftext|>")", R"("content": "ab")"),
                      "added token \"ab\" has id 5, in the vocabulary it has 3"));
  BOOST_TEST(
      contains(error_after(R"("id": 5, "content": "<|endoftext|>")", R"("id": 3, "content": "ab")"),
               "added token \"ab\" is an ordinary token"));
  BOOST_TEST(contains(error_after(R"("model": {)", R"("m": {)"), "model: is missing"));
  BOOST_TEST(
      contains(error_after(R"("pre_tokenizer": {)", R"("p": {)"), "pre_tokenizer: is missing"));
  BOOST_TEST(contains(error_after(R"(["a b", "\u0120 ab"])", R"(["a b", 7])"), "model.merges[1]"));
  BOOST_TEST(
      contains(error_after(R"(["a b", "\u0120 ab"])", R"(["a b", ["a"]])"), "model.merges[1]"));
  BOOST_TEST(contains(error_after(R"(["a b", "\u0120 ab"])", R"(["ab"])"), "model.merges[0]"));
}

BOOST_AUTO_TEST_CASE(tokenizer_config_cannot_switch_a_prefix_space_on) {
  const TemporaryFolder folder;
  write_file(folder / "vocab.json", kVocabulary);
  write_file(folder / "merges.txt", kMerges);
  write_file(folder / "tokenizer_config.json", R"({"add_prefix_space": true})");
  BOOST_TEST(contains(error_of<InputError>([&] { load_tokenizer_files(folder.path()); }),
                      "tokenizer_config.json: add_prefix_space: is true"));
}

BOOST_AUTO_TEST_CASE(damaged_vocabularies_are_refused_with_the_reason) {
  const auto vocabulary = [](std::string_view part, std::string_view by) {
    return error_in_pair(replaced(kVocabulary, part, by), kMerges);
  };
  BOOST_TEST(contains(vocabulary("\"b\": 1", "\"b\": 0"), "id 0 belongs to two tokens"));
  BOOST_TEST(contains(vocabulary("\"b\": 1", "\"b\": 6"), "token \"b\" has id 6"));
  BOOST_TEST(contains(vocabulary("\"b\": 1", "\"b\": 18446744073709551615"), "token \"b\" has id"));
  BOOST_TEST(contains(vocabulary("\"b\": 1", "\"b\": -1"), "\"b\": is not a whole number"));
  BOOST_TEST(contains(vocabulary("\"b\": 1", "\"b\": 1.0"), "\"b\": is not a whole number"));
  BOOST_TEST(contains(vocabulary("\"b\": 1", "\"a\": 1"), "token \"a\" is there twice"));
  BOOST_TEST(contains(vocabulary("\"<|endoftext|>\"", "\"\""), "token 5 is empty"));
  BOOST_TEST(contains(error_in_pair("{}", ""), "the vocabulary is empty"));
  BOOST_TEST(contains(error_in_pair("[1]", ""), "is not an object"));
  BOOST_TEST(contains(error_in_pair("{", ""), "is no valid JSON"));
  BOOST_TEST(contains(error_in_pair(kVocabulary + "x", ""), "is no valid JSON"));
  BOOST_TEST(contains(error_in_pair("{\"\xFF\": 0}", ""), "is no valid JSON"));
  BOOST_TEST(contains(error_in_pair(std::string(100'000, '['), ""), "is no valid JSON"));
}

BOOST_AUTO_TEST_CASE(damaged_merges_are_refused_with_the_line_or_rank) {
  const auto merges = [](const std::string& text) { return error_in_pair(kVocabulary, text); };
  BOOST_TEST(contains(merges("#version: 0.2\na b\n\nx"), "merges.txt: line 3"));
  BOOST_TEST(contains(merges("a  b\n"), "merges.txt: line 1"));
  BOOST_TEST(contains(merges("a b c\n"), "merges.txt: line 1"));
  BOOST_TEST(contains(merges(" b\n"), "merges.txt: line 1"));
  BOOST_TEST(contains(merges("a \n"), "merges.txt: line 1"));
  BOOST_TEST(contains(merges("ab\n"), "merges.txt: line 1"));
  BOOST_TEST(contains(merges("a b\r\n"), "merge 0 needs \"b\\r\""));
  BOOST_TEST(contains(merges("a b\na x\n"), "merge 1 needs \"x\""));
  BOOST_TEST(contains(merges("b a\n"), "merge 0 needs \"ba\""));
  BOOST_TEST(contains(merges("a b\na b\n"), "merge 1, \"a\" and \"b\", is there twice"));
  BOOST_TEST(contains(merges("\u0120 ab\n"), "merge 0 joins \"ab\", which is no byte"));
}

BOOST_AUTO_TEST_CASE(the_fingerprint_tells_tokenizers_apart) {
  const auto base = tokenizer_fingerprint(small_files());
  BOOST_TEST(!is_unknown(base));
  std::set<Fingerprint> all{base};
  auto changed = small_files();
  changed.token_bytes[0] = "c";
  all.insert(tokenizer_fingerprint(changed));
  changed = small_files();
  std::swap(changed.token_bytes[0], changed.token_bytes[1]);
  all.insert(tokenizer_fingerprint(changed));
  changed = small_files();
  std::swap(changed.merges[0], changed.merges[1]);
  all.insert(tokenizer_fingerprint(changed));
  changed = small_files();
  changed.merges.pop_back();
  all.insert(tokenizer_fingerprint(changed));
  changed = small_files();
  changed.special_tokens.clear();
  all.insert(tokenizer_fingerprint(changed));
  BOOST_TEST(all.size() == 6U);
  BOOST_TEST(to_hex(base) == "20f839277fa2e82a8ffc68a1389f5ed1");
}

BOOST_AUTO_TEST_CASE(gpt2s_own_files_read_and_come_out_byte_for_byte) {
  const char* data = std::getenv("GPT2_TEST_DATA");
  if (data == nullptr) {
    BOOST_TEST_MESSAGE("skipped: GPT2_TEST_DATA is not set");
    return;
  }
  const auto source = fs::path(data) / "gpt2";
  const auto files = load_tokenizer_files(source);
  BOOST_TEST(files.vocab_size() == 50257U);
  BOOST_TEST(files.merges.size() == 50000U);
  BOOST_TEST(files.end_of_text().value() == 50256U);
  BOOST_TEST(files.special_tokens.size() == 1U);
  BOOST_TEST(to_hex(tokenizer_fingerprint(files)) == "eb2c5d78fe26b0529f378cdbe3c78316");
  BOOST_TEST(files.token_bytes[220] == " ");
  BOOST_TEST(files.token_bytes[50255] == " gazed");
  const TemporaryFolder folder;
  save_tokenizer_files(folder.path(), files, 1024);
  BOOST_TEST((read_file(folder / "vocab.json") == read_file(source / "encoder.json")));
  BOOST_TEST((read_file(folder / "merges.txt") == read_file(source / "vocab.bpe")));
  BOOST_TEST(equal(load_tokenizer_files(folder.path()), files));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::formats
