// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/model/decoder.h"

#include <boost/test/unit_test.hpp>

#include "formats/errors.h"
#include "tests/libcore/model/model_fixture.h"

namespace gpt2::model {
namespace {

using test::odd_config;
using test::random_tokens;
using test::SmallModel;

/// Full logits of `sequences` x `length` tokens, and a check of a decoder's logits against one
/// position of them.
struct FullPass {
  FullPass(SmallModel& small, std::int64_t sequence_count, std::int64_t token_count)
      : sequences(sequence_count),
        length(token_count),
        V(small.model.config().vocab_size),
        tokens(random_tokens(sequences * length, V, 11)),
        logits(tokens.size() * static_cast<std::size_t>(V)) {
    small.model.logits(tokens, sequences, length, logits);
    for (const float logit : logits) largest = std::max(largest, std::abs(logit));
  }
  /// The first `count` tokens of each sequence, from position `first` on.
  std::vector<std::int32_t> columns(std::int64_t first, std::int64_t count) const {
    std::vector<std::int32_t> piece;
    for (std::int64_t b = 0; b < sequences; ++b) {
      const auto from = tokens.begin() + b * length + first;
      piece.insert(piece.end(), from, from + count);
    }
    return piece;
  }
  void check(std::span<const float> decoded, std::int64_t position) const {
    BOOST_REQUIRE(decoded.size() == static_cast<std::size_t>(sequences * V));
    float worst = 0;
    for (std::int64_t b = 0; b < sequences; ++b) {
      for (std::int64_t v = 0; v < V; ++v) {
        worst =
            std::max(worst, std::abs(decoded[b * V + v] - logits[(b * length + position) * V + v]));
      }
    }
    // The same sums in another order: the softmax over the cache, products of fewer rows.
    BOOST_TEST(worst <= 1e-5 * largest, "position " << position << " is off by " << worst);
  }

  std::int64_t sequences, length, V;
  std::vector<std::int32_t> tokens;
  std::vector<float> logits;
  float largest = 0;
};

std::vector<float> copy(std::span<const float> logits) { return {logits.begin(), logits.end()}; }
void check_equal(std::span<const float> a, std::span<const float> b) {
  BOOST_TEST(std::equal(a.begin(), a.end(), b.begin(), b.end()));
}

BOOST_AUTO_TEST_SUITE(decoder)

BOOST_AUTO_TEST_CASE(steps_give_the_logits_of_a_full_pass) {
  SmallModel small(odd_config());
  small.roughen();
  const FullPass full(small, 3, 40);
  Decoder decoder(small.model, 3);
  BOOST_TEST(decoder.capacity() == 40);
  full.check(decoder.prefill(full.columns(0, 5), 3), 4);
  for (std::int64_t position = 5; position < 40; ++position) {
    BOOST_TEST(decoder.position() == position);
    full.check(decoder.step(full.columns(position, 1)), position);
  }
  BOOST_CHECK_THROW(decoder.step(full.columns(0, 1)), formats::UsageError);
}

BOOST_AUTO_TEST_CASE(a_prompt_longer_than_a_piece_gives_the_same_logits) {
  auto config = odd_config();
  config.context = 1030;  // pieces of 512 positions
  SmallModel small(config);
  small.roughen();
  const FullPass full(small, 2, 1030);
  Decoder decoder(small.model, 2);
  for (const std::int64_t length : {1029, 1024, 513, 512, 17, 1}) {
    full.check(decoder.prefill(full.columns(0, length), 2), length - 1);
    BOOST_TEST(decoder.position() == length);
    full.check(decoder.step(full.columns(length, 1)), length);
  }
}

BOOST_AUTO_TEST_CASE(a_new_prompt_forgets_the_old_one) {
  SmallModel small(odd_config());
  small.roughen();
  Decoder used(small.model, 2, 20), fresh(small.model, 2, 20);
  used.prefill(random_tokens(2 * 20, 150, 1), 2);
  const auto prompt = random_tokens(2 * 6, 150, 2);
  const auto next = random_tokens(2, 150, 3);
  used.prefill(prompt, 2);
  fresh.prefill(prompt, 2);
  check_equal(used.step(next), fresh.step(next));
}

BOOST_AUTO_TEST_CASE(a_sequence_is_what_it_is_alone_to_the_bit) {
  auto config = odd_config();
  config.channels = 210;  // more than a block of a product, so that sums have parts
  config.ffn_channels = 500;
  for (const int threads : {1, 3}) {
    SmallModel small(config, threads);
    small.roughen();
    constexpr std::int64_t kLength = 19, kSteps = 6;
    for (const std::int64_t count : {2, 3, 4, 5, 7, 16}) {
      const auto prompts = random_tokens(count * kLength, 150, 5);
      const auto next = random_tokens(count * kSteps, 150, 6);  // step by step
      Decoder together(small.model, count);
      std::vector<std::vector<float>> logits{copy(together.prefill(prompts, count))};
      for (std::int64_t step = 0; step < kSteps; ++step) {
        logits.push_back(copy(together.step(std::span(next).subspan(step * count, count))));
      }
      SmallModel other(config, 1);
      other.roughen();
      Decoder alone(other.model, 1);
      for (std::int64_t b = 0; b < count; ++b) {
        check_equal(alone.prefill(std::span(prompts).subspan(b * kLength, kLength)),
                    std::span(logits[0]).subspan(b * 150, 150));
        for (std::int64_t step = 0; step < kSteps; ++step) {
          check_equal(alone.step({&next[step * count + b], 1}),
                      std::span(logits[step + 1]).subspan(b * 150, 150));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(other_passes_between_the_steps_change_no_bit) {
  SmallModel small(odd_config());
  small.roughen();
  const auto prompts = random_tokens(2 * 5, 150, 1);
  Decoder alone(small.model, 2), among_others(small.model, 2);
  std::vector<std::vector<float>> expected{copy(alone.prefill(prompts, 2))};
  for (std::uint32_t step = 0; step < 6; ++step) {
    expected.push_back(copy(alone.step(random_tokens(2, 150, step))));
  }
  check_equal(among_others.prefill(prompts, 2), expected[0]);
  for (std::uint32_t step = 0; step < 6; ++step) {
    // Ever longer ones, which take memory in the place of memory that steps have used.
    if (step % 2 == 1) FullPass(small, step, 30);
    check_equal(among_others.step(random_tokens(2, 150, step)), expected[step + 1]);
  }
}

BOOST_AUTO_TEST_CASE(forks_are_the_sequence_that_they_come_from) {
  SmallModel small(odd_config());
  small.roughen();
  const auto prompt = random_tokens(9, 150, 1);
  const auto next = random_tokens(4, 150, 2);
  Decoder one(small.model, 1), forked(small.model, 4);
  const auto check_forks = [&] {
    one.prefill(prompt);
    BOOST_TEST(forked.sequences() == 4);
    BOOST_TEST(forked.position() == 9);
    const auto logits = copy(forked.step(next));
    for (std::int64_t b = 0; b < 4; ++b) {
      one.fork(1, 9);
      check_equal(one.step({&next[b], 1}), std::span(logits).subspan(b * 150, 150));
    }
  };
  forked.prefill(prompt);
  forked.fork(4, 9);
  check_forks();
  forked.step(next);
  forked.fork(4, 9);
  check_forks();
}

BOOST_AUTO_TEST_CASE(the_last_sequence_takes_the_number_of_one_that_leaves) {
  SmallModel small(odd_config());
  small.roughen();
  const auto prompts = random_tokens(4 * 5, 150, 1);
  const auto next = random_tokens(4, 150, 2);
  Decoder all(small.model, 4), fewer(small.model, 4);
  all.prefill(prompts, 4);
  fewer.prefill(prompts, 4);
  const auto logits = copy(all.step(next));
  const auto row = [&](std::int64_t b) { return std::span(logits).subspan(b * 150, 150); };
  fewer.leave(1);
  auto rows = fewer.step(std::vector{next[0], next[3], next[2]});
  BOOST_REQUIRE(rows.size() == 450U);
  check_equal(rows.first(150), row(0));
  check_equal(rows.subspan(150, 150), row(3));
  check_equal(rows.last(150), row(2));
  fewer.fork(1, 5);
  check_equal(fewer.step({&next[0], 1}), row(0));
  fewer.leave(0);
  BOOST_TEST(fewer.sequences() == 0);
  BOOST_CHECK_THROW(fewer.step(next), formats::UsageError);
}

BOOST_AUTO_TEST_CASE(refuses_what_does_not_fit) {
  SmallModel small(odd_config());
  BOOST_CHECK_THROW(Decoder(small.model, 0), formats::UsageError);
  BOOST_CHECK_THROW(Decoder(small.model, Decoder::kMostSequences + 1), formats::UsageError);
  BOOST_CHECK_THROW(Decoder(small.model, 1, 41), formats::UsageError);
  BOOST_CHECK_THROW(Decoder(small.model, 1, -1), formats::UsageError);
  Decoder decoder(small.model, 2, 10);
  BOOST_CHECK_THROW(decoder.step({}), formats::UsageError);
  BOOST_CHECK_THROW(decoder.fork(1, 1), formats::UsageError);
  BOOST_CHECK_THROW(decoder.prefill({}), formats::UsageError);
  BOOST_CHECK_THROW(decoder.prefill(random_tokens(3, 150, 1), 3), formats::UsageError);
  BOOST_CHECK_THROW(decoder.prefill(random_tokens(2 * 11, 150, 1), 2), formats::UsageError);
  BOOST_CHECK_THROW(decoder.prefill(random_tokens(2 * 4 + 1, 150, 1), 2), formats::UsageError);
  BOOST_CHECK_THROW(decoder.prefill(std::vector<std::int32_t>{3, 150}, 2), formats::UsageError);
  decoder.prefill(random_tokens(2 * 9, 150, 1), 2);
  BOOST_CHECK_THROW(decoder.fork(3, 9), formats::UsageError);
  BOOST_CHECK_THROW(decoder.fork(2, 10), formats::UsageError);
  BOOST_CHECK_THROW(decoder.leave(2), formats::UsageError);
  BOOST_CHECK_THROW(decoder.leave(-1), formats::UsageError);
  BOOST_CHECK_THROW(decoder.step(std::vector<std::int32_t>{1}), formats::UsageError);
  BOOST_CHECK_THROW(decoder.step(std::vector<std::int32_t>{1, -1}), formats::UsageError);
  BOOST_CHECK_NO_THROW(decoder.step(std::vector<std::int32_t>{1, 2}));
  BOOST_CHECK_THROW(decoder.step(std::vector<std::int32_t>{1, 2}), formats::UsageError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::model
