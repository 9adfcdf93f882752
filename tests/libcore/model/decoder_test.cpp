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

BOOST_AUTO_TEST_SUITE(decoder)

BOOST_AUTO_TEST_CASE(steps_give_the_logits_of_a_full_pass) {
  SmallModel small(odd_config());
  small.roughen();
  const FullPass full(small, 3, 40);
  Decoder decoder(small.model, 3);
  BOOST_TEST(decoder.capacity() == 40);
  full.check(decoder.prefill(full.columns(0, 5)), 4);
  for (std::int64_t position = 5; position < 40; ++position) {
    BOOST_TEST(decoder.position() == position);
    full.check(decoder.step(full.columns(position, 1)), position);
  }
  BOOST_CHECK_THROW(decoder.step(full.columns(0, 1)), formats::UsageError);
}

BOOST_AUTO_TEST_CASE(a_prompt_longer_than_a_piece_gives_the_same_logits) {
  SmallModel small(odd_config());
  small.roughen();
  const FullPass many(small, 37, 40);  // pieces of 13 positions
  Decoder decoder(small.model, 37);
  for (const std::int64_t length : {40, 27, 26, 13, 1}) {
    many.check(decoder.prefill(many.columns(0, length)), length - 1);
    BOOST_TEST(decoder.position() == length);
  }
  many.check(decoder.step(many.columns(1, 1)), 1);
}

BOOST_AUTO_TEST_CASE(a_new_prompt_forgets_the_old_one) {
  SmallModel small(odd_config());
  small.roughen();
  Decoder used(small.model, 2, 20), fresh(small.model, 2, 20);
  used.prefill(random_tokens(2 * 20, 150, 1));
  const auto prompt = random_tokens(2 * 6, 150, 2);
  const auto next = random_tokens(2, 150, 3);
  used.prefill(prompt);
  fresh.prefill(prompt);
  const auto a = used.step(next), b = fresh.step(next);
  BOOST_TEST(std::equal(a.begin(), a.end(), b.begin(), b.end()));
}

BOOST_AUTO_TEST_CASE(refuses_what_does_not_fit) {
  SmallModel small(odd_config());
  BOOST_CHECK_THROW(Decoder(small.model, 0), formats::UsageError);
  BOOST_CHECK_THROW(Decoder(small.model, 1, 41), formats::UsageError);
  BOOST_CHECK_THROW(Decoder(small.model, 1, -1), formats::UsageError);
  Decoder decoder(small.model, 2, 10);
  BOOST_CHECK_THROW(decoder.prefill({}), formats::UsageError);
  BOOST_CHECK_THROW(decoder.prefill(random_tokens(2 * 11, 150, 1)), formats::UsageError);
  BOOST_CHECK_THROW(decoder.prefill(random_tokens(2 * 4 + 1, 150, 1)), formats::UsageError);
  BOOST_CHECK_THROW(decoder.prefill(std::vector<std::int32_t>{3, 150}), formats::UsageError);
  decoder.prefill(random_tokens(2 * 9, 150, 1));
  BOOST_CHECK_THROW(decoder.step(std::vector<std::int32_t>{1}), formats::UsageError);
  BOOST_CHECK_THROW(decoder.step(std::vector<std::int32_t>{1, -1}), formats::UsageError);
  BOOST_CHECK_NO_THROW(decoder.step(std::vector<std::int32_t>{1, 2}));
  BOOST_CHECK_THROW(decoder.step(std::vector<std::int32_t>{1, 2}), formats::UsageError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::model
