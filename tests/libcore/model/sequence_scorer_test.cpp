// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/model/sequence_scorer.h"

#include <boost/test/unit_test.hpp>
#include <cmath>

#include "formats/errors.h"
#include "tests/libcore/model/model_fixture.h"

namespace gpt2::model {
namespace {

using test::odd_config;
using test::random_tokens;
using test::SmallModel;
using Tokens = std::vector<std::int32_t>;

/// Losses near 5 are stored as floats; sums have fewer than forty of them.
constexpr double kRounding = 1e-4;

struct RoughModel : SmallModel {
  explicit RoughModel(int threads = 1) : SmallModel(odd_config(), threads) { roughen(); }

  /// The score by a full pass over this sequence alone.
  SequenceScore expected(const ScoredSequence& sequence) {
    const auto T = std::ssize(sequence.tokens) - 1, V = model.config().vocab_size;
    std::vector<float> logits(static_cast<std::size_t>(T * V));
    model.logits(std::span(sequence.tokens).first(static_cast<std::size_t>(T)), 1, T, logits);
    SequenceScore score{.greedy = true};
    for (auto t = T - sequence.scored_count; t < T; ++t) {
      const float* row = logits.data() + t * V;
      const auto target = sequence.tokens[static_cast<std::size_t>(t + 1)];
      double sum = 0;
      for (std::int64_t v = 0; v < V; ++v) sum += std::exp(double{row[v]});
      score.log_probability += row[target] - std::log(sum);
      score.last_greedy = std::max_element(row, row + V) == row + target;
      score.greedy = score.greedy && score.last_greedy;
    }
    return score;
  }
  /// The likeliest token after `tokens`.
  std::int32_t likeliest(const Tokens& tokens) {
    const auto T = std::ssize(tokens), V = model.config().vocab_size;
    std::vector<float> logits(static_cast<std::size_t>(T * V));
    model.logits(tokens, 1, T, logits);
    const auto last = logits.end() - V;
    return static_cast<std::int32_t>(std::max_element(last, logits.end()) - last);
  }
};

ScoredSequence joined(const Tokens& context, const Tokens& end) {
  ScoredSequence sequence{context, std::ssize(end)};
  sequence.tokens.insert(sequence.tokens.end(), end.begin(), end.end());
  return sequence;
}

/// Sets of every kind: shared beginnings, one inside the scored part, none, a single sequence, a
/// full context, sequences that are equal, one that begins another.
std::vector<SequenceSet> many_sets() {
  const auto context = random_tokens(11, 150, 1), other = random_tokens(7, 150, 2);
  const auto end = random_tokens(6, 150, 3), longer = random_tokens(9, 150, 4);
  Tokens end_with_same_start = random_tokens(5, 150, 5);
  std::copy_n(end.begin(), 3, end_with_same_start.begin());
  const Tokens one{17};
  const auto full = random_tokens(41, 150, 6);
  return {{joined(context, end), joined(context, longer), joined(context, one),
           joined(context, end_with_same_start)},
          {joined(other, end), joined(other, end_with_same_start)},
          {joined(context, end), joined(other, end)},
          {joined(other, one)},
          {joined(context, end), joined(context, end)},
          {joined(context, end), {joined(context, end).tokens, 16}, joined(context, {end[0]})},
          {{full, 40}, {full, 1}, {Tokens(full.begin(), full.begin() + 2), 1}}};
}

void check_close(std::span<const SequenceScore> found, std::span<const SequenceScore> expected) {
  BOOST_REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    BOOST_TEST(std::abs(found[i].log_probability - expected[i].log_probability) < kRounding,
               i << ": " << found[i].log_probability << ", " << expected[i].log_probability);
  }
}

BOOST_AUTO_TEST_SUITE(sequence_scorer)

BOOST_AUTO_TEST_CASE(gives_what_a_full_pass_over_each_sequence_gives) {
  RoughModel rough;
  SequenceScorer scorer(rough.model);
  const auto sets = many_sets();
  std::vector<SequenceScore> expected;
  for (const auto& set : sets) {
    std::vector<SequenceScore> of_set;
    for (const auto& sequence : set) of_set.push_back(rough.expected(sequence));
    check_close(scorer.score({&set, 1}), of_set);
    expected.insert(expected.end(), of_set.begin(), of_set.end());
  }
  check_close(scorer.score(sets), expected);
  check_close(scorer.score(sets, true), expected);
}

BOOST_AUTO_TEST_CASE(does_not_depend_on_the_threads) {
  RoughModel one, three(3);
  const auto sets = many_sets();
  for (const bool wants_greedy : {false, true}) {
    const auto a = SequenceScorer(one.model).score(sets, wants_greedy);
    const auto b = SequenceScorer(three.model).score(sets, wants_greedy);
    BOOST_REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      BOOST_TEST(a[i].log_probability == b[i].log_probability);
    }
  }
}

BOOST_AUTO_TEST_CASE(knows_whether_every_scored_token_is_the_likeliest) {
  RoughModel rough;
  const auto context = random_tokens(9, 150, 8);
  auto greedy = context;
  for (int i = 0; i < 3; ++i) greedy.push_back(rough.likeliest(greedy));
  auto wrong_first = context;
  wrong_first.push_back((greedy[9] + 1) % 150);
  wrong_first.push_back(rough.likeliest(wrong_first));
  auto wrong_last = greedy;
  wrong_last.back() = (wrong_last.back() + 1) % 150;
  const SequenceSet set{{greedy, 3}, {wrong_first, 2}, {wrong_last, 3}};
  const auto scores = SequenceScorer(rough.model).score({&set, 1}, true);
  BOOST_TEST(scores[0].greedy);
  BOOST_TEST(scores[0].last_greedy);
  BOOST_TEST(!scores[1].greedy);
  BOOST_TEST(scores[1].last_greedy);
  BOOST_TEST(!scores[2].greedy);
  BOOST_TEST(!scores[2].last_greedy);
}

BOOST_AUTO_TEST_CASE(runs_a_common_beginning_once) {
  const auto context = random_tokens(10, 150, 1);
  const SequenceSet set{joined(context, {1, 2, 3}), joined(context, {1, 5}), joined(context, {6})};
  // 10 of the context; then 1 and 2 of the first, 1 of the second, none of the third.
  BOOST_TEST(SequenceScorer::position_count(set) == 13);
  BOOST_TEST(SequenceScorer::position_count({}) == 0);
}

BOOST_AUTO_TEST_CASE(refuses_what_cannot_be_scored) {
  RoughModel rough;
  SequenceScorer scorer(rough.model);
  const auto refused = [&](Tokens tokens, std::int64_t scored_count) {
    const SequenceSet set{{std::move(tokens), scored_count}};
    BOOST_CHECK_THROW(scorer.score({&set, 1}), formats::UsageError);
  };
  refused({}, 0);
  refused({1}, 1);
  refused({1, 2}, 0);
  refused({1, 2}, 2);
  refused({1, 150}, 1);
  refused({-1, 2}, 1);
  refused(random_tokens(42, 150, 1), 1);
  BOOST_TEST(scorer.score({}).empty());
  const SequenceSet none;
  BOOST_TEST(scorer.score({&none, 1}).empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::model
