// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/eval/loss.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numbers>
#include <numeric>
#include <string>
#include <vector>

#include "formats/errors.h"
#include "tests/libcore/data/shard_fixture.h"
#include "tests/libcore/model/model_fixture.h"
#include "tests/support/peak_memory.h"

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

/// As one rank.
LossResult validate(model::Gpt2& model, const data::ShardSet& set, std::int64_t B, std::int64_t T,
                    std::uint64_t max_tokens, const Progress& progress = {}) {
  return validation_loss(model, set, B, T, max_tokens, *comm::make_solo_communicator(), progress);
}

double sum_of(const std::vector<float>& losses) {
  return std::accumulate(losses.begin(), losses.end(), 0.0);
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

/// Tokens that are in memory.
class GivenTokens : public TokenSource {
 public:
  explicit GivenTokens(Tokens tokens) : tokens_(std::move(tokens)) {}
  std::size_t read(std::span<std::uint16_t> tokens) override {
    const auto part =
        std::span(tokens_).subspan(place_, std::min(tokens.size(), tokens_.size() - place_));
    std::ranges::copy(part, tokens.begin());
    place_ += part.size();
    return part.size();
  }

 private:
  Tokens tokens_;
  std::size_t place_ = 0;
};

LossResult loss_of(model::Gpt2& model, const Tokens& tokens, SlidingWindows windows) {
  GivenTokens source(tokens);
  return sequence_loss(model, source, windows);
}

/// What comes out of `source` by pieces of `piece_tokens`.
Tokens read_all(TokenSource& source, std::size_t piece_tokens) {
  Tokens tokens, piece(piece_tokens);
  for (std::size_t got = piece_tokens; got == piece_tokens;) {
    got = source.read(piece);
    tokens.insert(tokens.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(got));
  }
  BOOST_TEST(source.read(piece) == 0U);
  return tokens;
}

TextCounter count(const text::Tokenizer& tokenizer, const Tokens& tokens) {
  TextCounter counter(tokenizer);
  counter.count(tokens);
  return counter;
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
      sum += sum_of(small.losses(std::span(shard).subspan(first, 6)));
    }
  }
  const auto result = validate(small.model, set, 1, 5, 0);
  BOOST_TEST(result.token_count == 30U);
  BOOST_TEST(result.loss == sum / 30);
  BOOST_TEST(result.perplexity() == std::exp(sum / 30));
  BOOST_TEST(!result.byte_count.has_value());
  BOOST_TEST(!result.bits_per_byte().has_value());
}

BOOST_AUTO_TEST_CASE(of_the_first_tokens_scores_that_many_in_whole_windows) {
  SmallModel small;
  const auto a = random_tokens(20, 1), b = random_tokens(17, 2);
  write_shard("a.bin", a);
  write_shard("b.bin", b);
  const ShardSet set({at("*.bin")});
  double sum = 0;
  std::size_t window = 0;  // three of each shard
  for (const auto& shard : {a, b}) {
    for (const std::size_t first : {0, 5, 10}) {
      sum += sum_of(small.losses(std::span(shard).subspan(first, 6)));
      const std::uint64_t scored = 5 * ++window;
      for (const auto max_tokens : {scored, scored + 4}) {
        const auto result = validate(small.model, set, 1, 5, max_tokens);
        BOOST_TEST(result.token_count == scored);
        BOOST_TEST(result.loss == sum / static_cast<double>(scored));
      }
    }
  }
  BOOST_TEST(validate(small.model, set, 1, 5, 1000).token_count == 30U);
}

BOOST_AUTO_TEST_CASE(depends_on_the_batch_size_by_rounding_alone) {
  SmallModel small;
  write_shard("a.bin", random_tokens(200));
  const ShardSet set({at("a.bin")});
  const auto one = validate(small.model, set, 1, 7, 0);
  for (const std::int64_t B : {2, 3, 16, 1000}) {
    BOOST_TEST(validate(small.model, set, B, 7, 0).loss == one.loss,
               boost::test_tools::tolerance(kRounding));
  }
}

BOOST_AUTO_TEST_CASE(refuses_a_set_without_a_window) {
  SmallModel small;
  write_shard("a.bin", random_tokens(8));
  const ShardSet set({at("a.bin")});
  BOOST_CHECK_EXCEPTION(validate(small.model, set, 1, 8, 0), formats::InputError,
                        data::says({"a.bin", "9 tokens"}));
  BOOST_CHECK_THROW(validate(small.model, set, 1, 5, 4), formats::InputError);
  BOOST_CHECK_THROW(validate(small.model, set, 0, 5, 0), formats::UsageError);
  BOOST_CHECK_THROW(validate(small.model, set, 1, 0, 0), formats::UsageError);
}

BOOST_AUTO_TEST_CASE(tells_how_far_it_is) {
  SmallModel small;
  write_shard("a.bin", random_tokens(36));
  std::vector<std::uint64_t> told;
  validate(small.model, ShardSet({at("a.bin")}), 3, 5, 0,
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
        const auto result = loss_of(small.model, tokens, windows);
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
  const auto result = loss_of(small.model, tokens, {.context = 6, .stride = 1, .B = 4});
  BOOST_TEST(result.loss == sum / 29, boost::test_tools::tolerance(kRounding));
}

BOOST_AUTO_TEST_CASE(depend_on_the_batch_size_by_rounding_alone) {
  SmallModel small;
  const auto tokens = random_tokens(150);
  for (const std::int64_t stride : {8, 5, 1}) {
    const auto one = loss_of(small.model, tokens, {.stride = stride, .B = 1});
    for (const std::int64_t B : {2, 7, 1000}) {
      const auto result = loss_of(small.model, tokens, {.stride = stride, .B = B});
      BOOST_TEST(result.loss == one.loss, boost::test_tools::tolerance(kRounding));
    }
  }
}

BOOST_AUTO_TEST_CASE(default_to_the_models_context_without_overlap) {
  SmallModel small;
  const auto tokens = random_tokens(50);
  const auto by_default = loss_of(small.model, tokens, {});
  const auto given = loss_of(small.model, tokens, {.context = 8, .stride = 8});
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
    BOOST_CHECK_THROW(loss_of(small.model, tokens, bad), formats::UsageError);
  }
}

BOOST_AUTO_TEST_CASE(of_no_token_after_the_first_have_nothing_to_score) {
  SmallModel small;
  for (const std::size_t count : {0, 1}) {
    BOOST_TEST(loss_of(small.model, random_tokens(count), {}).token_count == 0U);
  }
}

BOOST_AUTO_TEST_CASE(count_the_text_of_the_tokens_that_are_scored) {
  model::test::SmallModel model([] {
    auto config = small_config();
    config.vocab_size = 259;
    return config;
  }());
  const auto tokenizer = byte_tokenizer();
  Tokens tokens = tokenizer.encode("the other words of a text that is longer than some windows");
  const auto text = tokenizer.decode(std::span(tokens).subspan(1));
  for (const std::int64_t stride : {1, 3, 8}) {
    GivenTokens source(tokens);
    const auto result = sequence_loss(model.model, source, {.stride = stride}, &tokenizer);
    BOOST_TEST(result.byte_count.value() == text.size());
    BOOST_TEST(result.word_count.value() == 11U);
  }
}

BOOST_AUTO_TEST_CASE(tell_how_many_tokens_are_done) {
  SmallModel small;
  GivenTokens source(random_tokens(20));
  std::vector<std::uint64_t> told;
  sequence_loss(small.model, source, {.B = 1}, nullptr,
                [&](std::uint64_t done) { told.push_back(done); });
  BOOST_TEST(told == (std::vector<std::uint64_t>{8, 16, 19}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(shard_tokens, ShardFixture)

BOOST_AUTO_TEST_CASE(joins_shards_in_file_order_and_begins_with_end_of_text) {
  const formats::TokenShardHeader base{.vocab_size = 100, .end_of_text = 9};
  write_shard("b.bin", {4, 9, 5}, base);
  write_shard("a.bin", {1, 2, 3}, base);
  write_shard("aa.bin", {}, base);
  const ShardSet set({at("*.bin")});
  const Tokens joined{9, 1, 2, 3, 4, 9, 5};
  for (std::size_t piece_tokens = 1; piece_tokens <= joined.size() + 1; ++piece_tokens) {
    ShardTokens source(set, 100);
    BOOST_TEST(read_all(source, piece_tokens) == joined, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(needs_no_second_end_of_text) {
  write_shard("a.bin", {9, 1, 9, 2}, {.vocab_size = 100, .end_of_text = 9});
  const ShardSet set({at("a.bin")});
  ShardTokens source(set, 100);
  BOOST_TEST(read_all(source, 3) == (Tokens{9, 1, 9, 2}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(of_a_foreign_shard_begins_with_its_first_token) {
  write_foreign_shard("a.bin", {1, 2});
  const ShardSet set({at("a.bin")});
  ShardTokens source(set, 100);
  BOOST_TEST(read_all(source, 3) == (Tokens{1, 2}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(names_the_place_of_a_token_that_the_model_does_not_have) {
  write_foreign_shard("a.bin", {1, 2});
  write_foreign_shard("b.bin", {3, 99, 100});
  const ShardSet set({at("*.bin")});
  ShardTokens source(set, 100);
  BOOST_CHECK_EXCEPTION(read_all(source, 4), formats::FormatError,
                        data::says({"b.bin", "1028", "100"}));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(text_tokens, ShardFixture)

BOOST_AUTO_TEST_CASE(are_the_ids_of_all_documents_each_after_end_of_text) {
  const auto tokenizer = byte_tokenizer();
  const std::string first = "the other\xFF\n", second = "the end";
  const std::string path = write_bytes("two.txt", first + "###" + second);
  Tokens expected{258};
  tokenizer.encode(first, expected);
  expected.push_back(258);
  tokenizer.encode(second, expected);
  for (const std::size_t piece_tokens : {1, 2, 5, 100}) {
    text::DocumentSource documents({.files = {path}, .separator = "###"});
    TextTokens source(documents, tokenizer);
    BOOST_TEST(read_all(source, piece_tokens) == expected, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(of_a_long_text_are_never_all_in_memory) {
  constexpr std::size_t kLines = 600'000;
  [[maybe_unused]] constexpr std::size_t kMostBytes = 16'000'000;
  std::string text;
  for (std::size_t line = 0; line < kLines; ++line) text += "the other line of a long text\n";
  const std::string path = write_bytes("long.txt", text);
  const auto tokenizer = byte_tokenizer();
  text::DocumentSource documents({.files = {path}});
  TextTokens source(documents, tokenizer);
  TextCounter counter(tokenizer);
  Tokens piece(1024);
  support::reset_peak_memory();
  [[maybe_unused]] const std::size_t before = support::peak_memory_bytes();
  for (std::size_t got = piece.size(); got == piece.size();) {
    got = source.read(piece);
    counter.count(std::span(piece).first(got));
  }
  BOOST_TEST(counter.byte_count() == text.size());
  BOOST_TEST(counter.word_count() == 7 * kLines);
#ifndef __SANITIZE_ADDRESS__  // which keeps freed memory
  BOOST_TEST(support::peak_memory_bytes() < before + kMostBytes);
#endif
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(text_counter)

BOOST_AUTO_TEST_CASE(counts_bytes_and_words_of_all_tokens_but_end_of_text) {
  const auto tokenizer = byte_tokenizer();
  const Tokens tokens{258, 't', 'h', ' ', 257, ' ', 258, 257, 258, 'x', '\n', '\n', 'y'};
  const auto counter = count(tokenizer, tokens);
  BOOST_TEST(counter.byte_count() == 14U);
  BOOST_TEST(counter.word_count() == 5U);
}

BOOST_AUTO_TEST_CASE(finds_the_words_that_wc_finds_wherever_it_is_stopped) {
  const auto tokenizer = byte_tokenizer();
  const auto tokens = tokenizer.encode(" the\tcat\v\fsat\r\n\non\xC2\xA0the  mat");
  for (std::size_t cut = 0; cut <= tokens.size(); ++cut) {
    TextCounter counter(tokenizer);
    counter.count(std::span(tokens).first(cut));
    counter.count(std::span(tokens).subspan(cut));
    BOOST_TEST(counter.word_count() == 5U);
  }
}

BOOST_AUTO_TEST_CASE(refuses_an_id_beyond_the_vocabulary) {
  BOOST_CHECK_THROW(count(byte_tokenizer(), {1, 259}), formats::InputError);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(loss_result)

BOOST_AUTO_TEST_CASE(share_out_the_bits_of_all_tokens) {
  // A model of zeros finds all 128 tokens alike: 7 bits each.
  auto config = small_config();
  config.vocab_size = 128;
  model::test::SmallModel uniform(config);
  for (const auto& parameter : uniform.model.table().parameters()) {
    uniform.model.load_parameter(
        parameter, std::vector<float>(static_cast<std::size_t>(parameter.element_count)));
  }
  auto result = loss_of(uniform.model, random_tokens(30), {});
  BOOST_TEST(result.loss == 7 * std::numbers::ln2, boost::test_tools::tolerance(kRounding));
  BOOST_TEST(result.perplexity() == 128, boost::test_tools::tolerance(1e-5));
  result.byte_count = 58;
  BOOST_TEST(result.bits_per_byte().value() == 3.5, boost::test_tools::tolerance(kRounding));
  BOOST_TEST(!result.word_perplexity().has_value());
  result.word_count = 58;
  BOOST_TEST(result.word_perplexity().value() == std::exp2(3.5),
             boost::test_tools::tolerance(kRounding));
  result.word_count = result.byte_count = 0;
  BOOST_TEST(!result.word_perplexity().has_value());
  BOOST_TEST(!result.bits_per_byte().has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::eval
