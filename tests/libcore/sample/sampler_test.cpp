// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/sample/sampler.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "formats/errors.h"
#include "libcore/kernels/philox.h"
#include "tests/libcore/model/model_fixture.h"

namespace gpt2::sample {
namespace {

using model::test::random_tokens;
using model::test::SmallModel;
using Tokens = std::vector<std::int32_t>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

SamplingOptions everything() { return {.top_k = 0}; }
SamplingOptions greedy(std::int64_t max_tokens = 1) {
  return {.temperature = 0, .max_tokens = max_tokens, .stop_at_end_of_text = false};
}

std::vector<float> random_logits(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  // Few values, so that many logits are equal.
  std::uniform_int_distribution<int> level(-12, 12);
  std::vector<float> logits(count);
  for (auto& logit : logits) logit = 0.25F * static_cast<float>(level(random));
  return logits;
}

/// The definition of pick_token as plainly as it can be written.
std::int32_t pick_plainly(const std::vector<float>& logits, const SamplingOptions& options,
                          std::uint64_t sequence, std::uint32_t position) {
  std::vector<std::size_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), std::size_t{0});
  std::stable_sort(ids.begin(), ids.end(),
                   [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
  if (options.temperature == 0) return static_cast<std::int32_t>(ids[0]);
  if (options.top_k > 0) ids.resize(std::min(ids.size(), static_cast<std::size_t>(options.top_k)));
  std::map<std::size_t, long double> weight;  // whole numbers, of which this type holds the sums
  long double all = 0, stayed = 0;
  for (const auto id : ids) {
    const double share = std::exp((double{logits[id]} - logits[ids[0]]) / options.temperature);
    all += weight[id] = std::floor(std::ldexp(share, 47));
  }
  std::set<std::size_t> staying;
  for (const auto id : ids) {
    staying.insert(id);
    stayed += weight[id];
    if (stayed >= std::ceil(options.top_p * static_cast<double>(all))) break;
  }
  const auto words =
      kernels::random_quad(options.seed, kernels::RandomPurpose::kSampling, sequence, 0, position);
  const long double u = std::ldexp(words[0], -32) + std::ldexp(words[1], -64);
  long double sum = 0;
  for (const auto id : staying) {
    sum += weight[id];
    if (sum > std::floor(u * stayed)) return static_cast<std::int32_t>(id);
  }
  throw std::logic_error("no token was chosen");
}

std::set<std::int32_t> picked(const std::vector<float>& logits, const SamplingOptions& options) {
  std::set<std::int32_t> tokens;
  for (std::uint32_t position = 0; position < 2000; ++position) {
    tokens.insert(pick_token(logits, options, 0, position));
  }
  return tokens;
}

/// Weights far from their initial values, so that continuations are not one token for ever.
struct RoughModel : SmallModel {
  explicit RoughModel(const model::Gpt2Config& config = model::test::odd_config())
      : SmallModel(config) {
    roughen();
  }
  /// The most likely token after all of `tokens`, by a forward without a cache.
  std::int32_t likeliest_after(const Tokens& tokens) {
    const auto V = model.config().vocab_size;
    std::vector<float> logits(tokens.size() * static_cast<std::size_t>(V));
    model.logits(tokens, 1, std::ssize(tokens), logits);
    const auto last = logits.end() - V;
    return static_cast<std::int32_t>(std::max_element(last, logits.end()) - last);
  }
};

Tokens prompt_of(std::int64_t count, unsigned seed = 3) {
  return random_tokens(count, model::test::odd_config().vocab_size, seed);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(pick_token_rules)

BOOST_AUTO_TEST_CASE(temperature_zero_takes_the_largest_and_of_equals_the_lowest_id) {
  BOOST_TEST(pick_token(std::vector{1.F, 3.F, 2.F, 3.F}, greedy(), 0, 0) == 1);
  BOOST_TEST(pick_token(std::vector{-2.F, -0.F, 0.F}, greedy(), 0, 0) == 1);
  BOOST_TEST(pick_token(std::vector{-2.F, 0.F, -0.F}, greedy(), 0, 0) == 1);
  BOOST_TEST(pick_token(std::vector{-7.F, -5.F, -6.F}, greedy(), 0, 0) == 1);
}

BOOST_AUTO_TEST_CASE(top_k_keeps_the_k_largest_and_of_equals_the_lowest_ids) {
  const std::vector logits{0.F, 1.F, 0.5F, 1.F, 0.5F, 0.5F};
  using Ids = std::set<std::int32_t>;
  BOOST_TEST((picked(logits, {.top_k = 1}) == Ids{1}));
  BOOST_TEST((picked(logits, {.top_k = 2}) == Ids{1, 3}));
  BOOST_TEST((picked(logits, {.top_k = 4}) == Ids{1, 2, 3, 4}));
  BOOST_TEST((picked(logits, {.top_k = 6}) == Ids{0, 1, 2, 3, 4, 5}));
  BOOST_TEST((picked(logits, {.top_k = 1000}) == Ids{0, 1, 2, 3, 4, 5}));
  BOOST_TEST((picked(logits, {.top_k = 0}) == Ids{0, 1, 2, 3, 4, 5}));
}

BOOST_AUTO_TEST_CASE(top_p_keeps_the_fewest_that_reach_it) {
  // Probabilities 1/8, 1/2, 1/4, 1/8.
  const float ln2 = std::log(2.F);
  const std::vector logits{0 * ln2, 2 * ln2, 1 * ln2, 0 * ln2};
  using Ids = std::set<std::int32_t>;
  BOOST_TEST((picked(logits, {.top_p = 0.01}) == Ids{1}));
  BOOST_TEST((picked(logits, {.top_p = 0.49}) == Ids{1}));
  BOOST_TEST((picked(logits, {.top_p = 0.51}) == Ids{1, 2}));
  BOOST_TEST((picked(logits, {.top_p = 0.76}) == Ids{0, 1, 2}));
  BOOST_TEST((picked(logits, {.top_p = 0.88}) == Ids{0, 1, 2, 3}));
  // Of the two that top-k leaves, 2/3 and 1/3, one reaches 0.6.
  BOOST_TEST((picked(logits, {.top_k = 2, .top_p = 0.6}) == Ids{1}));
}

BOOST_AUTO_TEST_CASE(tokens_come_as_often_as_softmax_of_the_logits_says) {
  const std::vector logits{1.5F, -0.5F, 0.F, 2.F, -3.F};
  for (const double temperature : {0.5, 1.0, 2.0}) {
    auto options = everything();
    options.temperature = temperature;
    std::vector<double> probability;
    for (const float logit : logits) probability.push_back(std::exp(logit / temperature));
    const double sum = std::accumulate(probability.begin(), probability.end(), 0.0);
    constexpr int kDraws = 40000;
    std::vector<int> count(logits.size());
    for (std::uint32_t position = 0; position < kDraws; ++position) {
      ++count[static_cast<std::size_t>(pick_token(logits, options, 7, position))];
    }
    for (std::size_t id = 0; id < logits.size(); ++id) {
      const double p = probability[id] / sum;
      BOOST_TEST(std::abs(count[id] - kDraws * p) < 4.5 * std::sqrt(kDraws * p * (1 - p)));
    }
  }
}

BOOST_AUTO_TEST_CASE(follows_its_definition_for_any_options) {
  for (unsigned trial = 0; trial < 400; ++trial) {
    const auto logits = random_logits(1 + trial % 97, trial);
    SamplingOptions options;
    options.temperature = std::vector{0.0, 0.3, 1.0, 2.5}[trial % 4];
    options.top_k = std::vector{0, 1, 5, 50, 1000}[trial % 5];
    options.top_p = std::vector{1.0, 0.9, 0.5}[trial % 3];
    options.seed = trial;
    for (std::uint32_t position = 0; position < 20; ++position) {
      BOOST_TEST(pick_token(logits, options, trial, position) ==
                 pick_plainly(logits, options, trial, position));
    }
  }
}

BOOST_AUTO_TEST_CASE(follows_its_definition_in_a_large_vocabulary) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> logits(5000);
  for (auto& logit : logits) logit = normal(random);
  for (const std::int64_t top_k : {0, 40, 4000}) {
    for (const double top_p : {1.0, 0.99, 0.5, 0.001}) {
      const SamplingOptions options{.temperature = 1.5, .top_k = top_k, .top_p = top_p};
      for (std::uint32_t position = 0; position < 12; ++position) {
        BOOST_TEST(pick_token(logits, options, 3, position) ==
                   pick_plainly(logits, options, 3, position));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(equal_logits_give_the_first_bits_of_the_random_word) {
  const std::vector<float> logits(1024, 0.5F);
  for (const std::uint64_t sequence :
       {std::uint64_t{0}, std::uint64_t{5}, std::uint64_t{1} << 40}) {
    for (std::uint32_t position = 0; position < 50; ++position) {
      const auto word =
          kernels::random_word(42, kernels::RandomPurpose::kSampling, sequence, 0, 4 * position);
      BOOST_TEST(pick_token(logits, everything(), sequence, position) ==
                 static_cast<std::int32_t>(word >> 22));
    }
  }
}

BOOST_AUTO_TEST_CASE(refuses_logits_that_are_not_finite) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity}) {
    for (const auto& options : {everything(), greedy(), SamplingOptions{}}) {
      BOOST_CHECK_THROW(pick_token(std::vector{0.F, bad, 1.F}, options, 0, 0), formats::InputError);
    }
  }
}

BOOST_AUTO_TEST_CASE(survives_extreme_temperatures_and_logits) {
  const std::vector logits{-3e38F, 3e38F, 0.F};
  BOOST_TEST(pick_token(logits, {.temperature = 1e-300}, 0, 0) == 1);
  BOOST_TEST((picked({0.F, 1.F}, {.temperature = 1e300}) == std::set<std::int32_t>{0, 1}));
}

BOOST_AUTO_TEST_CASE(refuses_options_outside_their_range) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const SamplingOptions& bad :
       std::vector<SamplingOptions>{{.temperature = -1},
                                    {.temperature = nan},
                                    {.temperature = kInfinity},
                                    {.top_k = -1},
                                    {.top_p = 0},
                                    {.top_p = 1.01},
                                    {.top_p = nan},
                                    {.max_tokens = 0},
                                    {.max_tokens = std::int64_t{1} << 32},
                                    {.num_sequences = 0}}) {
    BOOST_CHECK_THROW(bad.check(), formats::UsageError);
  }
  BOOST_CHECK_NO_THROW(SamplingOptions{}.check());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(generate_text)

BOOST_AUTO_TEST_CASE(greedy_is_the_likeliest_token_of_a_forward_without_cache) {
  RoughModel rough;
  auto tokens = prompt_of(7);
  const auto made = generate(rough.model, tokens, greedy(30)).at(0);
  BOOST_TEST_REQUIRE(made.size() == 30U);
  for (const auto token : made) {
    BOOST_TEST(token == rough.likeliest_after(tokens));
    tokens.push_back(token);
  }
  BOOST_TEST(std::set(made.begin(), made.end()).size() > 3U);
}

BOOST_AUTO_TEST_CASE(keeps_the_newer_half_when_the_context_is_full) {
  RoughModel rough;
  const auto context = static_cast<std::size_t>(rough.model.config().context);
  auto seen = prompt_of(15);
  const auto made = generate(rough.model, seen, greedy(90)).at(0);
  BOOST_TEST_REQUIRE(made.size() == 90U);
  for (const auto token : made) {
    if (seen.size() > context) seen.erase(seen.begin(), seen.end() - context / 2);
    BOOST_TEST(token == rough.likeliest_after(seen));
    seen.push_back(token);
  }
}

BOOST_AUTO_TEST_CASE(reads_the_newest_part_of_a_prompt_longer_than_the_context) {
  RoughModel rough;
  const auto prompt = prompt_of(100);
  const Tokens newest(prompt.end() - rough.model.config().context, prompt.end());
  BOOST_TEST(generate(rough.model, prompt, greedy(10)) ==
             generate(rough.model, newest, greedy(10)));
}

BOOST_AUTO_TEST_CASE(a_context_of_one_sees_only_the_last_token) {
  auto config = model::test::odd_config();
  config.context = 1;
  RoughModel rough(config);
  const auto made = generate(rough.model, prompt_of(3), greedy(5)).at(0);
  auto last = prompt_of(3).back();
  for (const auto token : made) {
    BOOST_TEST(token == rough.likeliest_after({last}));
    last = token;
  }
}

BOOST_AUTO_TEST_CASE(an_empty_prompt_is_end_of_text_alone) {
  RoughModel rough;
  const Tokens end_of_text{static_cast<std::int32_t>(rough.model.config().end_of_text)};
  const SamplingOptions options{.max_tokens = 20};
  BOOST_TEST(generate(rough.model, {}, options) == generate(rough.model, end_of_text, options));

  auto config = model::test::odd_config();
  config.end_of_text = 50256;  // of a vocabulary without one
  RoughModel without(config);
  BOOST_CHECK_THROW(generate(without.model, {}, options), formats::UsageError);
  BOOST_CHECK_NO_THROW(generate(without.model, prompt_of(2), options));
}

BOOST_AUTO_TEST_CASE(a_sequence_does_not_depend_on_how_many_are_made) {
  // Beyond the context of 40, in several groups, and some end early.
  auto config = model::test::odd_config();
  config.channels = 210;  // sums of more than one block
  config.context = 24;
  RoughModel rough(config);
  SamplingOptions options{.top_k = 0, .max_tokens = 40, .num_sequences = 40};
  const auto many = generate(rough.model, prompt_of(4), options);
  const auto is_short = [](const Tokens& made) { return made.size() < 40; };
  const auto ended_early = std::ranges::count_if(many, is_short);
  BOOST_TEST(ended_early > 0);
  BOOST_TEST(ended_early < 40);
  BOOST_TEST(std::set(many.begin(), many.end()).size() == 40U);
  for (const std::int64_t count : {1, 2, 7, 17}) {
    options.num_sequences = count;
    BOOST_TEST((generate(rough.model, prompt_of(4), options) ==
                std::vector(many.begin(), many.begin() + count)));
  }
  options.seed = 43;
  BOOST_TEST(generate(rough.model, prompt_of(4), options).at(0) != many[0]);
}

BOOST_AUTO_TEST_CASE(ends_at_end_of_text_which_is_no_token_of_the_sequence) {
  RoughModel rough;
  const auto endless = generate(rough.model, prompt_of(7), greedy(30)).at(0);
  const auto last = std::find(endless.begin() + 3, endless.end(), endless[3]);
  auto config = model::test::odd_config();
  config.end_of_text = static_cast<std::uint32_t>(*last);
  RoughModel ending(config);
  auto options = greedy(30);
  options.stop_at_end_of_text = true;
  const auto first = std::find(endless.begin(), endless.end(), *last);
  BOOST_TEST(generate(ending.model, prompt_of(7), options).at(0) == Tokens(endless.begin(), first));
}

BOOST_AUTO_TEST_CASE(tells_every_token_in_the_order_of_the_sequences) {
  RoughModel rough;
  const SamplingOptions options{.top_k = 0, .max_tokens = 60, .num_sequences = 9};
  std::vector<Tokens> told(9);
  std::vector<std::int64_t> order;
  const auto made =
      generate(rough.model, prompt_of(4), options, [&](std::int64_t sequence, std::int32_t token) {
        told.at(static_cast<std::size_t>(sequence)).push_back(token);
        order.push_back(sequence);
      });
  BOOST_TEST(told == made);
  BOOST_TEST(std::ranges::is_sorted(order));
}

BOOST_AUTO_TEST_CASE(tells_a_token_before_the_next_is_made) {
  RoughModel rough;
  struct Enough {};
  std::int64_t told = 0;
  const auto stop_at_third = [&](std::int64_t, std::int32_t) {
    if (++told == 3) throw Enough();
  };
  const SamplingOptions options{.max_tokens = std::int64_t{1} << 31, .num_sequences = 3};
  BOOST_CHECK_THROW(generate(rough.model, prompt_of(4), options, stop_at_third), Enough);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::sample
