// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/eval_items.h"

#include <boost/test/unit_test.hpp>

#include "formats/errors.h"

using namespace gpt2::formats;

namespace {

const EvalIdentity kIdentity{"hellaswag", "0aa3", "5be1c0d2", "9bbd"};

EvalItem hellaswag_item() {
  return {.index = 0,
          .label = 3,
          .choices = {{EvalConvention::kLlmc,
                       {.sums = {-21.5, -30.25, -19.75, -40.125}, .lengths = {7, 9, 6, 18}}},
                      {EvalConvention::kLmEval,
                       {.sums = {-22.1, -30.9, -20, -41.3}, .lengths = {24, 35, 24, 72}}}}};
}
EvalItem lambada_item() {
  return {
      .index = 1,
      .choices = {{EvalConvention::kLmEval,
                   {.sums = {-1.0 / 3}, .lengths = {4}, .greedy = false, .last_greedy = true}}}};
}

constexpr const char* kFirstLine =
    R"({"task": "hellaswag", "version": 1, "data": "0aa3", "model": "5be1c0d2", "tokenizer": "9bbd"})";
constexpr const char* kHellaSwagLine =
    R"({"index": 0, "label": 3, "llmc": {"sums": [-21.5, -30.25, -19.75, -40.125], "tokens": [7, 9, 6, 18], "acc": 2, "acc_norm": 3}, )"
    R"("lm_eval": {"sums": [-22.1, -30.9, -20, -41.3], "characters": [24, 35, 24, 72], "acc": 2, "acc_norm": 3}})";

void check_refused(const std::string& text, const std::string& words) {
  BOOST_CHECK_EXCEPTION(decode_eval_items(text, "a.jsonl"), FormatError, [&](const auto& error) {
    BOOST_TEST_MESSAGE(error.what());
    return std::string(error.what()).find(words) != std::string::npos;
  });
}
std::string with_first_line(const std::string& item) {
  return std::string(kFirstLine) + "\n" + item + "\n";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(eval_items)

BOOST_AUTO_TEST_CASE(are_the_lines_of_the_page) {
  BOOST_TEST(encode_eval_identity(kIdentity) == kFirstLine);
  BOOST_TEST(encode_eval_item(hellaswag_item()) == kHellaSwagLine);
}

BOOST_AUTO_TEST_CASE(come_back_as_they_were) {
  const std::string text = encode_eval_identity(kIdentity) + "\n" +
                           encode_eval_item(hellaswag_item()) + "\n" +
                           encode_eval_item(lambada_item()) + "\n";
  const auto read = decode_eval_items(text, "a.jsonl");
  BOOST_TEST((read.identity == kIdentity));
  BOOST_TEST_REQUIRE(read.items.size() == 2U);
  BOOST_TEST((read.items[0] == hellaswag_item()));
  BOOST_TEST((read.items[1] == lambada_item()));
  const auto cut = decode_eval_items(std::string_view(text).substr(0, text.size() - 1), "a.jsonl");
  BOOST_TEST(cut.items.size() == 1U);
}

BOOST_AUTO_TEST_CASE(choose_the_first_of_the_largest) {
  const EvalChoices choices{.sums = {-4, -2, -2, -3}, .lengths = {4, 2, 1, 3}};
  BOOST_TEST(choices.likeliest() == 1U);
  BOOST_TEST(choices.likeliest_by_length() == 0U);
  // Nothing to divide by: never the choice.
  const EvalChoices empty{.sums = {-1, -5}, .lengths = {0, 1}};
  BOOST_TEST(empty.likeliest_by_length() == 1U);
}

BOOST_AUTO_TEST_CASE(refuse_every_field_that_is_wrong) {
  check_refused("", "first line");
  check_refused("{}\n", "a.jsonl:1: version");
  check_refused(R"({"task": "hellaswag", "version": 2})"
                "\n",
                "is 2, this build reads 1");
  for (const auto* key : {"task", "data", "model", "tokenizer"}) {
    std::string line = kFirstLine;
    line.replace(line.find(key), 1, "x");
    check_refused(line + "\n", key);
  }
  const std::string item = kHellaSwagLine;
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string line = item;
    return with_first_line(line.replace(line.find(from), from.size(), to));
  };
  check_refused(with_first_line("{"), "a.jsonl:2");
  check_refused(changed(R"("index": 0)", R"("index": 1)"), "index: is 1, not 0");
  check_refused(changed(R"("label": 3)", R"("label": 4)"), "label: is 4");
  check_refused(changed("-21.5", "null"), "llmc.sums");
  check_refused(changed("[7, 9, 6, 18]", "[7, 9, 6]"), "llmc.tokens");
  check_refused(changed("[24, 35, 24, 72]", "[24, 35, 24, -1]"), "lm_eval.characters");
  check_refused(changed("[-21.5, -30.25, -19.75, -40.125]", "[]"), "llmc.tokens");
  check_refused(with_first_line(R"({"index": 0, "label": 0})"), "llmc");
  check_refused(
      with_first_line(R"({"index": 0, "label": 0, "llmc": {"sums": [1], "tokens": [1]}})"),
      "greedy");
}

BOOST_AUTO_TEST_SUITE_END()
