// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/eval/multiple_choice.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>

#include "formats/errors.h"
#include "tests/libcore/model/model_fixture.h"

namespace gpt2::eval {
namespace {

using model::ScoredSequence;
using Tokens = std::vector<std::int32_t>;

/// Every single byte by its value, "th", "the", and end-of-text unless it is left out.
text::Tokenizer byte_tokenizer(bool has_end_of_text = true) {
  formats::TokenizerFiles files;
  for (int byte = 0; byte < 256; ++byte) files.token_bytes.emplace_back(1, static_cast<char>(byte));
  files.token_bytes.insert(files.token_bytes.end(), {"th", "the"});
  files.merges = {{'t', 'h'}, {256, 'e'}};
  if (has_end_of_text) {
    files.token_bytes.emplace_back("<|endoftext|>");
    files.special_tokens = {{"<|endoftext|>", 258}};
  }
  return text::Tokenizer(files);
}

EncodedQuestions encode(const Question& question, EvalConvention convention,
                        std::int64_t context = 40, bool has_end_of_text = true) {
  QuestionFile file{.questions = {question}};
  file.questions[0].line = 7;
  return encode_questions(file, "q.jsonl", Task::kHellaSwag, {convention},
                          byte_tokenizer(has_end_of_text), context);
}

ScoredSequence only(const EncodedQuestions& encoded) {
  return encoded.items.at(0).sets.at(0).at(0);
}

Question of_lm_eval(const std::string& context, const std::string& continuation) {
  return {.choices = {{.context = context, .continuation = continuation, .characters = 1}}};
}

void check_tokens(const ScoredSequence& found, const std::string& text, std::int64_t scored_count) {
  const Tokens expected(text.begin(), text.end());
  BOOST_TEST(found.tokens == expected, boost::test_tools::per_element());
  BOOST_TEST(found.scored_count == scored_count);
}

struct SmallModel : model::test::SmallModel {
  explicit SmallModel(int threads = 1)
      : model::test::SmallModel({.vocab_size = 259,
                                 .context = 40,
                                 .layers = 2,
                                 .heads = 2,
                                 .channels = 16,
                                 .end_of_text = 258},
                                threads) {
    roughen();
  }
};

/// As many questions as fill several passes, of several lengths.
EncodedQuestions many_questions(std::size_t count = 90) {
  QuestionFile file;
  for (std::size_t i = 0; i < count; ++i) {
    auto& question = file.questions.emplace_back();
    question.label = i % 4;
    question.context = "context" + std::string(i % 13, static_cast<char>('a' + i % 26));
    for (std::size_t k = 0; k < 4; ++k) {
      question.endings.push_back("end " + std::string(1 + (i + k) % 7, static_cast<char>('m' + k)));
      question.choices.push_back({.context = "label: " + question.context,
                                  .continuation = " " + question.endings.back(),
                                  .characters = question.endings.back().size()});
    }
  }
  return encode_questions(file, "q.jsonl", Task::kHellaSwag, conventions_of(Task::kHellaSwag),
                          byte_tokenizer(), 40);
}

struct Folder : support::TemporaryFolder {
  EvaluationPlan plan(std::size_t limit = 0, const std::string& name = "items.jsonl") const {
    return {.items_path = path() / name,
            .identity = {"hellaswag", "data", "model", "tokenizer"},
            .limit = limit};
  }
  std::string read(const std::string& name) const {
    std::ifstream file(path() / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

/// Leaves an evaluation in the middle.
struct Killed {};

}  // namespace

BOOST_AUTO_TEST_SUITE(choices)

BOOST_AUTO_TEST_CASE(of_llmc_are_encoded_apart_from_their_context) {
  // "t" + "he" stay apart, although together they are one token.
  check_tokens(only(encode({.context = "a t", .endings = {"x"}}, EvalConvention::kLlmc)), "a t x",
               2);
  const auto encoded = encode({.context = "a", .endings = {"the", "bb"}}, EvalConvention::kLlmc);
  BOOST_TEST(only(encoded).tokens == (Tokens{'a', ' ', 257}), boost::test_tools::per_element());
  BOOST_TEST(encoded.items[0].lengths[0] == (std::vector<std::uint64_t>{2, 3}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(of_lm_eval_own_the_blanks_before_them) {
  check_tokens(only(encode(of_lm_eval("ab", " c"), EvalConvention::kLmEval)), "ab c", 2);
  check_tokens(only(encode(of_lm_eval("ab \n", " c"), EvalConvention::kLmEval)), "ab \n c", 4);
}

BOOST_AUTO_TEST_CASE(without_context_follow_an_end_of_text) {
  for (const auto convention : {EvalConvention::kLlmc, EvalConvention::kLmEval}) {
    auto question = of_lm_eval("", " b");
    question.endings = {"b"};
    BOOST_TEST(only(encode(question, convention)).tokens == (Tokens{258, ' ', 'b'}),
               boost::test_tools::per_element());
    BOOST_CHECK_THROW(encode(question, convention, 40, false), formats::InputError);
  }
}

BOOST_AUTO_TEST_CASE(that_do_not_fit_the_context_lose_its_beginning) {
  const Question question{.context = "0123456789", .endings = {"ab", "c"}};
  const auto encoded = encode(question, EvalConvention::kLlmc, 11);
  const auto& set = encoded.items[0].sets[0];
  check_tokens(set[0], "123456789 ab", 3);
  check_tokens(set[1], "0123456789 c", 2);
  // The choice alone fills the context: one token is left before it.
  check_tokens(only(encode(question, EvalConvention::kLlmc, 3)), "9 ab", 3);
  BOOST_CHECK_EXCEPTION(encode(question, EvalConvention::kLlmc, 2), formats::InputError,
                        [](const auto& error) {
                          return std::string(error.what()) ==
                                 "q.jsonl:7: choice 0 has 3 tokens, more than the model's context "
                                 "of 2";
                        });
  BOOST_CHECK_THROW(encode(of_lm_eval("a", ""), EvalConvention::kLmEval), formats::InputError);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(passes)

BOOST_AUTO_TEST_CASE(hold_as_many_items_as_fit) {
  EncodedQuestions questions;
  for (const std::int64_t length : {4, 4, 4, 20, 1, 1}) {  // inputs
    questions.items.push_back(
        {.sets = {{ScoredSequence{Tokens(static_cast<std::size_t>(length + 1), 1), 1}}}});
  }
  const std::vector<std::size_t> expected{2, 3, 4, 6};
  BOOST_TEST(pass_ends(questions, 8) == expected, boost::test_tools::per_element());
  BOOST_TEST(pass_ends({}, 8).empty());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(evaluation, Folder)

BOOST_AUTO_TEST_CASE(gives_each_choice_the_sum_of_a_pass_of_its_own) {
  SmallModel small;
  const auto questions = many_questions(20);
  const auto items = evaluate(small.model, questions, {});
  BOOST_TEST_REQUIRE(items.size() == 20U);
  for (std::size_t i = 0; i < items.size(); ++i) {
    BOOST_TEST(items[i].index == i);
    BOOST_TEST(items[i].label == i % 4);
    for (std::size_t c = 0; c < 2; ++c) {
      const auto& choices = items[i].choices.at(questions.conventions[c]);
      for (std::size_t k = 0; k < 4; ++k) {
        const auto& [tokens, scored_count] = questions.items[i].sets[c][k];
        const auto T = std::ssize(tokens) - 1;
        std::vector<std::int32_t> targets(tokens.begin() + 1, tokens.end());
        std::fill(targets.begin(), targets.end() - scored_count, -1);
        std::vector<float> losses(targets.size());
        small.model.losses(std::span(tokens).first(targets.size()), targets, 1, T, losses);
        double sum = 0;
        for (const float loss : losses) sum -= loss;
        BOOST_TEST(std::abs(choices.sums[k] - sum) < 1e-4);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(does_not_depend_on_the_threads) {
  SmallModel one, three(3);
  const auto questions = many_questions(20);
  BOOST_TEST((evaluate(one.model, questions, {}) == evaluate(three.model, questions, {})));
}

BOOST_AUTO_TEST_CASE(that_was_killed_goes_on_to_the_same_bytes) {
  SmallModel small;
  const auto questions = many_questions();
  BOOST_TEST_REQUIRE(pass_ends(questions, kPassPositions).size() > 2U);
  const auto whole = evaluate(small.model, questions, plan(0, "whole.jsonl"));
  for (const std::size_t bytes_lost : {0, 1, 300}) {
    const auto kill = [](std::size_t, std::size_t, std::size_t) { throw Killed{}; };
    BOOST_CHECK_THROW(evaluate(small.model, questions, plan(), kill), Killed);
    BOOST_TEST(!std::filesystem::exists(path() / "items.jsonl"));
    const auto part = path() / "items.jsonl.part";
    std::filesystem::resize_file(part, std::filesystem::file_size(part) - bytes_lost);
    std::size_t most_kept = 0;
    const auto items = evaluate(small.model, questions, plan(),
                                [&](std::size_t done, std::size_t total, std::size_t kept) {
                                  BOOST_TEST(done <= total);
                                  most_kept = std::max(most_kept, kept);
                                });
    BOOST_TEST((most_kept > 0) == (bytes_lost == 0));  // a pass with an item lost is run again
    BOOST_TEST((items == whole));
    BOOST_TEST(read("items.jsonl") == read("whole.jsonl"));
    BOOST_TEST(!std::filesystem::exists(part));
    std::filesystem::remove(path() / "items.jsonl");
  }
}

BOOST_AUTO_TEST_CASE(of_more_items_goes_on_from_one_of_fewer) {
  SmallModel small;
  const auto questions = many_questions();
  const auto whole = evaluate(small.model, questions, plan(0, "whole.jsonl"));
  const auto first = evaluate(small.model, questions, plan(40));
  BOOST_TEST(first.size() == 40U);
  BOOST_TEST((evaluate(small.model, questions, plan()) == whole));
  BOOST_TEST(read("items.jsonl") == read("whole.jsonl"));
  // All there: nothing is run, and fewer are taken from the front.
  const auto never = [](std::size_t, std::size_t, std::size_t) { throw Killed{}; };
  BOOST_TEST((evaluate(small.model, questions, plan(), never) == whole));
  BOOST_TEST(evaluate(small.model, questions, plan(3), never).size() == 3U);
  BOOST_TEST(read("items.jsonl") == read("whole.jsonl"));
}

BOOST_AUTO_TEST_CASE(keeps_the_items_of_another_model_as_they_are) {
  SmallModel small;
  const auto questions = many_questions(8);
  evaluate(small.model, questions, plan());
  const auto before = read("items.jsonl");
  auto other = plan();
  other.identity.model = "other";
  BOOST_CHECK_THROW(evaluate(small.model, questions, other), formats::ExistsError);
  BOOST_TEST(read("items.jsonl") == before);
  std::filesystem::rename(path() / "items.jsonl", path() / "items.jsonl.part");
  BOOST_CHECK_THROW(evaluate(small.model, questions, other), formats::ExistsError);
  BOOST_TEST(read("items.jsonl.part") == before);
  // The same identity with other questions cannot be.
  BOOST_CHECK_THROW(evaluate(small.model, many_questions(7), plan()), formats::InputError);
}

BOOST_AUTO_TEST_CASE(refuses_weights_that_give_no_number) {
  SmallModel small;
  const auto& gain = small.model.table().at("transformer.ln_f.weight");
  small.model.load_parameter(gain, std::vector<float>(static_cast<std::size_t>(gain.element_count),
                                                      std::numeric_limits<float>::quiet_NaN()));
  BOOST_CHECK_THROW(evaluate(small.model, many_questions(2), {}), formats::InputError);
}

BOOST_AUTO_TEST_CASE(knows_a_model_by_its_weights_and_its_shape) {
  SmallModel a, b;
  BOOST_TEST(model_identity(a.model) == model_identity(b.model));
  auto bias = b.stored("transformer.ln_f.bias");
  bias[3] += 1e-6F;
  b.model.load_parameter(b.model.table().at("transformer.ln_f.bias"), bias);
  BOOST_TEST(model_identity(a.model) != model_identity(b.model));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(summary)

BOOST_AUTO_TEST_CASE(counts_what_is_right_by_sum_and_by_length) {
  std::vector<EvalItem> items(5);
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].label = i % 2;
    items[i].choices[EvalConvention::kLlmc] = {.sums = {-2, -3}, .lengths = {1, 3}};
  }
  const auto summary = summarize(items, EvalConvention::kLlmc);
  BOOST_TEST(summary.acc.correct == 3U);
  BOOST_TEST(summary.acc_norm.correct == 2U);
  BOOST_TEST(summary.acc.item_count == 5U);
  BOOST_TEST(summary.acc.value() == 0.6);
  BOOST_TEST(summary.acc.standard_error() == std::sqrt(0.6 * 0.4 / 4),
             boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(of_single_choices_counts_greedy_ones_and_gives_perplexity) {
  std::vector<EvalItem> items(2);
  items[0].choices[EvalConvention::kLmEval] = {
      .sums = {-1}, .lengths = {3}, .greedy = true, .last_greedy = true};
  items[1].choices[EvalConvention::kLmEval] = {
      .sums = {-3}, .lengths = {3}, .greedy = false, .last_greedy = true};
  const auto summary = summarize(items, EvalConvention::kLmEval);
  BOOST_TEST(summary.acc.correct == 1U);
  BOOST_TEST(summary.last_token.correct == 2U);
  BOOST_TEST(summary.perplexity == std::exp(2.0), boost::test_tools::tolerance(1e-12));
  BOOST_TEST(summary.perplexity_error == std::exp(2.0), boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::eval
