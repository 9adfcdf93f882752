// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/eval/loss.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "formats/errors.h"
#include "tests/libcore/data/shard_fixture.h"
#include "tests/libcore/model/model_fixture.h"

namespace gpt2::eval {
namespace {

using data::ShardFixture;
using data::ShardSet;
using Tokens = std::vector<std::uint16_t>;

/// Losses near 5 are stored as floats; the model's sums have fewer than a hundred terms.
constexpr double kRounding = 1e-6;

model::Gpt2Config small_config() {
  return {
      .vocab_size = 100, .context = 8, .layers = 1, .heads = 2, .channels = 12, .end_of_text = 0};
}

struct SmallModel : model::test::SmallModel {
  SmallModel() : model::test::SmallModel(small_config()) { roughen(); }

  /// Losses of the tokens after the first, as one window.
  std::vector<float> losses(std::span<const std::uint16_t> tokens) {
    const std::vector<std::int32_t> all(tokens.begin(), tokens.end());
    const auto T = all.size() - 1;
    std::vector<float> losses(T);
    model.losses(std::span(all).first(T), std::span(all).last(T), 1, static_cast<std::int64_t>(T),
                 losses);
    return losses;
  }
};

Tokens random_tokens(std::size_t count, unsigned seed = 11) {
  const auto tokens = model::test::random_tokens(static_cast<std::int64_t>(count), 100, seed);
  return {tokens.begin(), tokens.end()};
}

/// -log softmax(logits)[target] in double.
double negative_log_probability(std::span<const float> logits, std::uint16_t target) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit});
  return std::log(sum) - logits[target];
}

Tokens read_all(const TokenSequence& sequence) {
  Tokens tokens(sequence.token_count);
  sequence.read(0, tokens);
  return tokens;
}

/// Every single byte, two merges, and end-of-text.
text::Tokenizer byte_tokenizer() {
  formats::TokenizerFiles files;
  for (int byte = 0; byte < 256; ++byte) files.token_bytes.emplace_back(1, static_cast<char>(byte));
  files.token_bytes.insert(files.token_bytes.end(), {"th", "the", "<|endoftext|>"});
  files.merges = {{'t', 'h'}, {256, 'e'}};
  files.special_tokens = {{"<|endoftext|>", 258}};
  return text::Tokenizer(files);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(validation, ShardFixture)

BOOST_AUTO_TEST_CASE(is_the_mean_over_the_whole_windows_of_each_shard) {
  SmallModel small;
  const auto a = random_tokens(20, 1), b = random_tokens(17, 2);
  write_shard("a.bin", a);
  write_shard("b.bin", b);
  const ShardSet set({at("*.bin")});
  // T = 5: windows of 6 tokens at 0, 5, 10 of a (3 fit), and of b.
  double sum = 0;
  for (const auto& shard : {a, b}) {
    for (const std::size_t first : {0, 5, 10}) {
      for (const float loss : small.losses(std::span(shard).subspan(first, 6))) sum += loss;
    }
  }
  const auto result = validation_loss(small.model, set, 1, 5, 0);
  BOOST_TEST(result.token_count == 30U);
  BOOST_TEST(result.loss == sum / 30);
  BOOST_TEST(result.perplexity() == std::exp(sum / 30));
  BOOST_TEST(!result.byte_count.has_value());
  BOOST_TEST(!result.bits_per_byte().has_value());
}

BOOST_AUTO_TEST_CASE(of_the_first_tokens_is_that_of_a_set_that_ends_there) {
  SmallModel small;
  const auto a = random_tokens(20, 1), b = random_tokens(17, 2);
  write_shard("whole_a.bin", a);
  write_shard("whole_b.bin", b);
  const ShardSet whole({at("whole_*.bin")});
  for (std::size_t max_tokens = 6; max_tokens < 40; ++max_tokens) {
    const std::size_t of_a = std::min(max_tokens, a.size());
    const std::size_t of_b = std::min(max_tokens - of_a, b.size());
    write_shard("cut_a.bin", {a.begin(), a.begin() + static_cast<std::ptrdiff_t>(of_a)});
    write_shard("cut_b.bin", {b.begin(), b.begin() + static_cast<std::ptrdiff_t>(of_b)});
    const ShardSet cut({at("cut_*.bin")});
    const auto expected = validation_loss(small.model, cut, 2, 5, 0);
    const auto result = validation_loss(small.model, whole, 2, 5, max_tokens);
    BOOST_TEST(result.loss == expected.loss);
    BOOST_TEST(result.token_count == expected.token_count);
  }
}

BOOST_AUTO_TEST_CASE(depends_on_the_batch_size_by_rounding_alone) {
  SmallModel small;
  write_shard("a.bin", random_tokens(200));
  const ShardSet set({at("a.bin")});
  const auto one = validation_loss(small.model, set, 1, 7, 0);
  for (const std::int64_t B : {2, 3, 16, 1000}) {
    BOOST_TEST(validation_loss(small.model, set, B, 7, 0).loss == one.loss,
               boost::test_tools::tolerance(kRounding));
  }
}

BOOST_AUTO_TEST_CASE(refuses_a_set_without_a_window) {
  SmallModel small;
  write_shard("a.bin", random_tokens(8));
  const ShardSet set({at("a.bin")});
  BOOST_CHECK_EXCEPTION(validation_loss(small.model, set, 1, 8, 0), formats::InputError,
                        data::says({"a.bin", "9 tokens"}));
  BOOST_CHECK_THROW(validation_loss(small.model, set, 1, 5, 5), formats::InputError);
  BOOST_CHECK_THROW(validation_loss(small.model, set, 0, 5, 0), formats::UsageError);
  BOOST_CHECK_THROW(validation_loss(small.model, set, 1, 0, 0), formats::UsageError);
}

BOOST_AUTO_TEST_CASE(tells_how_far_it_is) {
  SmallModel small;
  write_shard("a.bin", random_tokens(36));
  std::vector<std::uint64_t> told;
  validation_loss(small.model, ShardSet({at("a.bin")}), 3, 5, 0,
                  [&](std::uint64_t done, std::uint64_t total) {
                    told.push_back(done);
                    BOOST_TEST(total == 35U);
                  });
  BOOST_TEST(told == (std::vector<std::uint64_t>{15, 30, 35}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(sliding_windows)

BOOST_AUTO_TEST_CASE(score_each_token_once_by_the_first_window_that_predicts_it) {
  SmallModel small;
  for (std::size_t count = 2; count < 24; ++count) {
    const auto tokens = random_tokens(count);
    for (std::size_t context = 1; context <= 8; ++context) {
      for (std::size_t stride = 1; stride <= context; ++stride) {
        double sum = 0;
        for (std::size_t target = 1; target < count; ++target) {
          std::size_t begin = 0;
          while (target > begin + context) begin += stride;
          const auto length = std::min(context, count - 1 - begin);
          const auto window = std::span(tokens).subspan(begin, length + 1);
          sum += small.losses(window)[target - begin - 1];
        }
        const SlidingWindows windows{.context = static_cast<std::int64_t>(context),
                                     .stride = static_cast<std::int64_t>(stride),
                                     .B = 1};
        const auto result = sequence_loss(small.model, sequence_of(tokens), windows);
        BOOST_TEST(result.token_count == count - 1);
        BOOST_TEST(result.loss == sum / static_cast<double>(count - 1));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(of_stride_one_give_every_token_all_the_context_there_is) {
  SmallModel small;
  const auto tokens = random_tokens(30);
  const std::size_t context = 6, V = 100;
  double sum = 0;
  for (std::size_t target = 1; target < tokens.size(); ++target) {
    const std::size_t length = std::min(context, target);
    const std::vector<std::int32_t> before(
        tokens.begin() + static_cast<std::ptrdiff_t>(target - length),
        tokens.begin() + static_cast<std::ptrdiff_t>(target));
    std::vector<float> logits(length * V);
    small.model.logits(before, 1, static_cast<std::int64_t>(length), logits);
    sum += negative_log_probability(std::span(logits).last(V), tokens[target]);
  }
  const auto result =
      sequence_loss(small.model, sequence_of(tokens), {.context = 6, .stride = 1, .B = 4});
  BOOST_TEST(result.loss == sum / 29, boost::test_tools::tolerance(kRounding));
}

BOOST_AUTO_TEST_CASE(depend_on_the_batch_size_by_rounding_alone) {
  SmallModel small;
  const auto tokens = random_tokens(150);
  for (const std::int64_t stride : {8, 5, 1}) {
    const auto one = sequence_loss(small.model, sequence_of(tokens), {.stride = stride, .B = 1});
    for (const std::int64_t B : {2, 7, 1000}) {
      const auto result =
          sequence_loss(small.model, sequence_of(tokens), {.stride = stride, .B = B});
      BOOST_TEST(result.loss == one.loss, boost::test_tools::tolerance(kRounding));
    }
  }
}

BOOST_AUTO_TEST_CASE(default_to_the_models_context_without_overlap) {
  SmallModel small;
  const auto tokens = random_tokens(50);
  const auto by_default = sequence_loss(small.model, sequence_of(tokens), {});
  const auto given = sequence_loss(small.model, sequence_of(tokens), {.context = 8, .stride = 8});
  BOOST_TEST(by_default.loss == given.loss);
}

BOOST_AUTO_TEST_CASE(that_do_not_fit_the_model_are_refused) {
  SmallModel small;
  const auto tokens = random_tokens(50);
  for (const SlidingWindows& bad : std::vector<SlidingWindows>{{.context = 9},
                                                               {.context = -1},
                                                               {.stride = 9},
                                                               {.stride = -1},
                                                               {.context = 4, .stride = 5},
                                                               {.B = 0}}) {
    BOOST_CHECK_THROW(sequence_loss(small.model, sequence_of(tokens), bad), formats::UsageError);
  }
  for (const std::size_t count : {0, 1}) {
    BOOST_CHECK_THROW(sequence_loss(small.model, sequence_of(random_tokens(count)), {}),
                      formats::InputError);
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(token_sequence, ShardFixture)

BOOST_AUTO_TEST_CASE(joins_shards_in_file_order_and_begins_with_end_of_text) {
  const formats::TokenShardHeader base{.vocab_size = 100, .end_of_text = 9};
  write_shard("b.bin", {4, 9, 5}, base);
  write_shard("a.bin", {1, 2, 3}, base);
  write_shard("aa.bin", {}, base);
  const ShardSet set({at("*.bin")});
  const auto sequence = sequence_of(set, 100);
  const Tokens joined{9, 1, 2, 3, 4, 9, 5};
  BOOST_TEST(read_all(sequence) == joined, boost::test_tools::per_element());
  for (std::size_t first = 0; first < joined.size(); ++first) {
    for (std::size_t count = 1; count <= joined.size() - first; ++count) {
      Tokens piece(count);
      sequence.read(first, piece);
      BOOST_TEST(std::equal(piece.begin(), piece.end(),
                            joined.begin() + static_cast<std::ptrdiff_t>(first)));
    }
  }
}

BOOST_AUTO_TEST_CASE(needs_no_second_end_of_text) {
  write_shard("a.bin", {9, 1, 9, 2}, {.vocab_size = 100, .end_of_text = 9});
  const ShardSet set({at("a.bin")});
  BOOST_TEST(read_all(sequence_of(set, 100)) == (Tokens{9, 1, 9, 2}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(of_a_foreign_shard_begins_with_its_first_token) {
  write_foreign_shard("a.bin", {1, 2});
  const ShardSet set({at("a.bin")});
  BOOST_TEST(read_all(sequence_of(set, 100)) == (Tokens{1, 2}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(names_the_place_of_a_token_that_the_model_does_not_have) {
  write_foreign_shard("a.bin", {1, 2});
  write_foreign_shard("b.bin", {3, 99, 100});
  const ShardSet set({at("*.bin")});
  BOOST_CHECK_EXCEPTION(read_all(sequence_of(set, 100)), formats::FormatError,
                        data::says({"b.bin", "1028", "100"}));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(bytes_of_text, ShardFixture)

BOOST_AUTO_TEST_CASE(are_those_of_the_documents_without_end_of_text) {
  const auto tokenizer = byte_tokenizer();
  const std::string text = "the other\xFF\n";
  const std::string path = write_bytes("two.txt", text + "###" + "the end");
  text::DocumentSource source({.files = {path}, .separator = "###"});
  const auto ids = encode_text(source, tokenizer);
  BOOST_TEST(ids.front() == 258);
  BOOST_TEST(std::count(ids.begin(), ids.end(), 258) == 2);
  BOOST_TEST(ids.size() < 2 + text.size() + 7);  // merges were made
  BOOST_TEST(scored_bytes(sequence_of(ids), tokenizer) == text.size() + 7);
}

BOOST_AUTO_TEST_CASE(of_the_first_token_are_not_counted_as_it_is_not_scored) {
  const Tokens ids{257, 't'};
  BOOST_TEST(scored_bytes(sequence_of(ids), byte_tokenizer()) == 1U);
}

BOOST_AUTO_TEST_CASE(are_refused_for_an_id_beyond_the_vocabulary) {
  const Tokens ids{1, 259};
  BOOST_CHECK_THROW(scored_bytes(sequence_of(ids), byte_tokenizer()), formats::InputError);
}

BOOST_AUTO_TEST_CASE(share_out_the_bits_of_all_tokens) {
  // A model of zeros finds all 128 tokens alike: 7 bits each.
  auto config = small_config();
  config.vocab_size = 128;
  model::test::SmallModel uniform(config);
  for (const auto& parameter : uniform.model.table().parameters()) {
    uniform.model.load_parameter(
        parameter, std::vector<float>(static_cast<std::size_t>(parameter.element_count)));
  }
  auto result = sequence_loss(uniform.model, sequence_of(random_tokens(30)), {});
  BOOST_TEST(result.loss == 7 * std::numbers::ln2, boost::test_tools::tolerance(kRounding));
  BOOST_TEST(result.perplexity() == 128, boost::test_tools::tolerance(1e-5));
  result.byte_count = 58;
  BOOST_TEST(result.bits_per_byte().value() == 3.5, boost::test_tools::tolerance(kRounding));
  result.byte_count = 0;
  BOOST_TEST(!result.bits_per_byte().has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::eval
