// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/eval/questions.h"

#include <boost/test/unit_test.hpp>

#include "formats/errors.h"
#include "tests/support/temporary_folder.h"

namespace gpt2::eval {
namespace {

struct Folder : support::TemporaryFolder {
  Question only(Task task, const std::string& line, const std::string& labels = {}) const {
    const auto file = load_questions(write("one.jsonl", line), task, labels);
    BOOST_REQUIRE(file.questions.size() == 1U);
    return file.questions.front();
  }
  void refused(Task task, const std::string& text, const std::string& words) const {
    BOOST_CHECK_EXCEPTION(load_questions(write("bad.jsonl", text), task), formats::InputError,
                          [&](const auto& error) {
                            BOOST_TEST_MESSAGE(error.what());
                            return std::string(error.what()).find(words) != std::string::npos;
                          });
  }
};

constexpr const char* kHellaSwag =
    R"({"ind": 4, "activity_label": "Roof [x] work", "ctx_a": "A man  sits. [title] How", "ctx_b": "he STARTS",)"
    R"( "ctx": "A man  sits. [title] How he STARTS", "label": 2, "endings": ["pulls  [step] up.", " is .", "c", "d"]})";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(questions, Folder)

BOOST_AUTO_TEST_CASE(of_hellaswag_are_raw_for_llmc_and_cleaned_for_lm_eval) {
  const auto question = only(Task::kHellaSwag, kHellaSwag);
  BOOST_TEST(question.line == 1U);
  BOOST_TEST(question.label == 2U);
  BOOST_TEST(question.context == "A man  sits. [title] How he STARTS");
  BOOST_TEST(question.endings.front() == "pulls  [step] up.");
  BOOST_TEST(question.endings[1] == " is .");
  BOOST_TEST_REQUIRE(question.choices.size() == 4U);
  BOOST_TEST(question.choices[0].context == "Roof work: A man sits.. How He starts");
  BOOST_TEST(question.choices[0].continuation == " pulls  up.");
  BOOST_TEST(question.choices[0].characters == 10U);
  BOOST_TEST(question.choices[1].continuation == " is .");
}

BOOST_AUTO_TEST_CASE(of_hellaswag_are_cleaned_as_the_harness_does) {
  BOOST_TEST(clean_hellaswag_text(" a [title] b\n") == "a. b");
  BOOST_TEST(clean_hellaswag_text("a [x] b [y]") == "a b ");  // a blank at the end stays
  BOOST_TEST(clean_hellaswag_text("[[a]]b") == "]b");
  BOOST_TEST(clean_hellaswag_text("a [b\nc] d [e") == "a [b\nc] d [e");
  BOOST_TEST(clean_hellaswag_text("a   b") == "a  b");  // one pass over pairs of blanks
  BOOST_TEST(clean_hellaswag_text("") == "");
}

BOOST_AUTO_TEST_CASE(may_have_labels_as_texts_and_blank_lines_between_them) {
  BOOST_TEST(only(Task::kHellaSwag, replaced(kHellaSwag, ": 2,", ": \"2\",")).label == 2U);
  const auto file = load_questions(
      write("two.jsonl", "\xEF\xBB\xBF" + std::string(kHellaSwag) + "\r\n \n" + kHellaSwag),
      Task::kHellaSwag);
  BOOST_TEST_REQUIRE(file.questions.size() == 2U);
  BOOST_TEST(file.questions[1].line == 3U);
  BOOST_TEST(file.sha256.size() == 64U);
}

BOOST_AUTO_TEST_CASE(of_hellaswag_that_are_wrong_are_named) {
  const std::string good = kHellaSwag;
  refused(Task::kHellaSwag, "", "bad.jsonl: has no question");
  refused(Task::kHellaSwag, "\n\n", "has no question");
  refused(Task::kHellaSwag, good + "\n{\"ctx\": ", "bad.jsonl:2");
  refused(Task::kHellaSwag, "[1]", "is not an object");
  refused(Task::kHellaSwag, replaced(good, R"(, "d"])", "]"), "endings: has 3 texts, not 4");
  refused(Task::kHellaSwag, replaced(good, R"("d"])", R"("d", "e"])"), "endings: has 5 texts");
  refused(Task::kHellaSwag, replaced(good, R"("d")", "4"), "endings");
  refused(Task::kHellaSwag, replaced(good, ": 2,", ": 4,"), "label: is 4; it must be from 0 to 3");
  refused(Task::kHellaSwag, replaced(good, ": 2,", ": -1,"), "label");
  refused(Task::kHellaSwag, replaced(good, ": 2,", ": \"\","), "label: is ''");
  refused(Task::kHellaSwag, replaced(good, ": 2,", ": \"2x\","), "label: is '2x'");
  for (const auto* key : {"activity_label", "ctx_a", "ctx_b", "ctx\"", "label", "endings"}) {
    refused(Task::kHellaSwag, replaced(good, "\"" + std::string(key), "\"_" + std::string(key)),
            "is missing");
  }
}

BOOST_AUTO_TEST_CASE(of_lambada_score_the_last_word) {
  const auto question = only(Task::kLambada, R"({"text": "she said: na\u00efve  word\n's"})");
  BOOST_TEST_REQUIRE(question.choices.size() == 1U);
  BOOST_TEST(question.choices[0].context == "she said: na\xC3\xAFve ");
  BOOST_TEST(question.choices[0].continuation == " word\n's");
  refused(Task::kLambada, R"({"text": "word"})", "text: has no last word");
}

BOOST_AUTO_TEST_CASE(of_piqa_take_labels_from_the_line_or_from_a_file) {
  const std::string line = R"({"goal": "Open", "sol1": "push", "sol2": "pull it", "label": 1})";
  const auto question = only(Task::kPiqa, line);
  BOOST_TEST(question.label == 1U);
  BOOST_TEST(question.choices[1].context == "Question: Open\nAnswer:");
  BOOST_TEST(question.choices[1].continuation == " pull it");
  BOOST_TEST(question.choices[1].characters == 7U);
  const auto without = replaced(line, ", \"label\": 1", "");
  refused(Task::kPiqa, without, "label: is missing");
  BOOST_TEST(only(Task::kPiqa, without, write("labels", "1\n")).label == 1U);
  for (const auto* bad : {"", "2\n", "x\n", "0\n1\n"}) {
    BOOST_CHECK_THROW(load_questions(write("q", without), Task::kPiqa, write("labels", bad)),
                      formats::InputError);
  }
  BOOST_CHECK_THROW(
      load_questions(write("q", kHellaSwag), Task::kHellaSwag, write("labels", "2\n")),
      formats::UsageError);
}

BOOST_AUTO_TEST_CASE(of_arc_are_read_in_both_published_forms) {
  const std::string authors =
      R"({"id": "q", "question": {"stem": "Why?", "choices": [{"text": "so", "label": "A"}, {"text": "no", "label": "B"}]}, "answerKey": "B"})";
  const std::string hub =
      R"({"id": "q", "question": "Why?", "choices": {"text": ["so", "no"], "label": ["1", "2"]}, "answerKey": "2"})";
  for (const auto& line : {authors, hub}) {
    const auto question = only(Task::kArcEasy, line);
    BOOST_TEST(question.label == 1U);
    BOOST_TEST_REQUIRE(question.choices.size() == 2U);
    BOOST_TEST(question.choices[0].context == "Question: Why?\nAnswer:");
    BOOST_TEST(question.choices[0].continuation == " so");
  }
  refused(Task::kArcEasy, replaced(hub, R"("answerKey": "2")", R"("answerKey": "C")"),
          "answerKey: is 'C', not one of 1, 2");
  refused(Task::kArcEasy, replaced(hub, R"(["so", "no"])", R"(["so"])"), "choices");
}

BOOST_AUTO_TEST_CASE(of_winogrande_score_what_follows_the_options) {
  const std::string line =
      R"({"sentence": "Sarah beat Maria as _ was better. ", "option1": "Sarah", "option2": "Maria", "answer": "2"})";
  const auto question = only(Task::kWinoGrande, line);
  BOOST_TEST(question.label == 1U);
  BOOST_TEST(question.choices[0].context == "Sarah beat Maria as Sarah");
  BOOST_TEST(question.choices[1].context == "Sarah beat Maria as Maria");
  BOOST_TEST(question.choices[1].continuation == " was better.");
  refused(Task::kWinoGrande, replaced(line, "\"2\"", "\"0\""), "answer: is 0; it must be from 1");
  refused(Task::kWinoGrande, replaced(line, " _ ", " "), "sentence: has no _");
}

BOOST_AUTO_TEST_CASE(belong_to_a_task_with_a_name) {
  for (const auto& name : task_names()) BOOST_TEST(name_of(task_of(name)) == name);
  BOOST_CHECK_THROW(task_of("hella"), formats::UsageError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::eval
