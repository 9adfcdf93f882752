// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/eval/loss.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string_view>
#include <vector>

#include "formats/errors.h"

namespace gpt2::eval {

namespace {

constexpr std::int32_t kNotScored = -1;
constexpr std::uint64_t kTokensRead = std::uint64_t{1} << 20;  // at once, where all are passed over

/// Gathers windows of one length, runs B of them at once, and sums their losses in window order.
class LossSum {
 public:
  struct Window {
    std::span<std::int32_t> inputs, targets;  // T of each, to be filled before the next call
  };

  LossSum(model::Gpt2& model, std::int64_t B, std::uint64_t token_count, const Progress& progress)
      : model_(model), B_(B), progress_(progress) {
    result_.token_count = token_count;
  }

  Window add_window(std::int64_t T) {
    if (T != T_ || std::ssize(inputs_) == B_ * T_) run();
    T_ = T;
    return {grow(inputs_), grow(targets_)};
  }
  /// The mean of all windows added.
  LossResult finish() {
    run();
    result_.loss = sum_ / static_cast<double>(result_.token_count);
    return result_;
  }

 private:
  std::span<std::int32_t> grow(std::vector<std::int32_t>& values) const {
    values.resize(values.size() + static_cast<std::size_t>(T_));
    return std::span(values).last(static_cast<std::size_t>(T_));
  }
  void run() {
    if (inputs_.empty()) return;
    losses_.resize(inputs_.size());
    model_.losses(inputs_, targets_, std::ssize(inputs_) / T_, T_, losses_);
    for (const float loss : losses_) sum_ += loss;
    tokens_done_ += static_cast<std::uint64_t>(
        std::ranges::count_if(targets_, [](auto target) { return target != kNotScored; }));
    if (progress_) progress_(tokens_done_, result_.token_count);
    inputs_.clear();
    targets_.clear();
  }

  model::Gpt2& model_;
  std::int64_t B_, T_ = 0;
  const Progress& progress_;
  LossResult result_;
  double sum_ = 0;
  std::uint64_t tokens_done_ = 0;
  std::vector<std::int32_t> inputs_, targets_;
  std::vector<float> losses_;
};

void check_positive(std::int64_t value, std::string_view what) {
  if (value < 1)
    throw formats::UsageError(fmt::format("{} must be at least 1, is {}", what, value));
}

}  // namespace

double LossResult::perplexity() const { return std::exp(loss); }

std::optional<double> LossResult::bits_per_byte() const {
  if (!byte_count || *byte_count == 0) return {};
  const double bits = loss * static_cast<double>(token_count) / std::numbers::ln2;
  return bits / static_cast<double>(*byte_count);
}

std::uint64_t validation_windows(const data::ShardSet& set, std::int64_t T,
                                 std::uint64_t max_tokens) {
  std::uint64_t windows = 0, tokens_left = max_tokens > 0 ? max_tokens : UINT64_MAX;
  for (const auto& shard : set.shards()) {
    const auto tokens = std::min(shard.header().token_count, tokens_left);
    if (tokens > 0) windows += (tokens - 1) / static_cast<std::uint64_t>(T);
    tokens_left -= tokens;
  }
  if (windows == 0) {
    throw formats::InputError(fmt::format(
        "{}: no window of {} tokens to validate on; give more tokens or a shorter context",
        set.shards().front().path().string(), T + 1));
  }
  return windows;
}

LossResult validation_loss(model::Gpt2& model, const data::ShardSet& set, std::int64_t B,
                           std::int64_t T, std::uint64_t max_tokens, const Progress& progress) {
  check_positive(B, "the batch size");
  check_positive(T, "the context");
  const std::uint64_t windows = validation_windows(set, T, max_tokens);
  const auto vocab_size = static_cast<std::uint32_t>(model.config().vocab_size);
  LossSum sum(model, B, windows * static_cast<std::uint64_t>(T), progress);
  for (std::uint64_t index = 0; index < windows; ++index) {
    const auto [inputs, targets] = sum.add_window(T);
    set.read_window(set.window_in_file_order(index, T), vocab_size, inputs, targets);
  }
  return sum.finish();
}

TokenSequence sequence_of(std::span<const std::uint16_t> tokens) {
  return {tokens.size(), [tokens](std::uint64_t first, std::span<std::uint16_t> piece) {
            const auto from = tokens.subspan(first, piece.size());
            std::copy(from.begin(), from.end(), piece.begin());
          }};
}

TokenSequence sequence_of(const data::ShardSet& set, std::uint32_t vocab_size) {
  const auto read_shards = [&set, vocab_size](std::uint64_t first, std::span<std::uint16_t> piece) {
    for (const auto& shard : set.shards()) {
      const std::uint64_t count = shard.header().token_count;
      if (first >= count) {
        first -= count;
        continue;
      }
      if (piece.empty()) return;
      const auto part = piece.first(std::min<std::uint64_t>(piece.size(), count - first));
      shard.read(first, part);
      const auto bad = std::ranges::find_if(part, [&](auto token) { return token >= vocab_size; });
      if (bad != part.end()) {
        const auto index = first + static_cast<std::uint64_t>(bad - part.begin());
        throw formats::FormatError(shard.path().string(),
                                   formats::kTokenShardHeaderBytes + 2 * index, "token",
                                   fmt::format("is {}, the model has {} tokens", *bad, vocab_size));
      }
      piece = piece.subspan(part.size());
      first = 0;
    }
  };
  const std::uint64_t count = set.token_count();
  if (count == 0 || set.end_of_text() == formats::kNoToken) return {count, read_shards};
  const auto end_of_text = static_cast<std::uint16_t>(set.end_of_text());
  std::uint16_t begin = 0;
  read_shards(0, {&begin, 1});
  if (begin == end_of_text) return {count, read_shards};
  return {count + 1, [=](std::uint64_t first, std::span<std::uint16_t> piece) {
            if (first > 0) return read_shards(first - 1, piece);
            piece.front() = end_of_text;
            read_shards(0, piece.subspan(1));
          }};
}

std::vector<std::uint16_t> encode_text(text::DocumentSource& source,
                                       const text::Tokenizer& tokenizer) {
  text::Encoder encoder(tokenizer);
  text::TextPiece piece;
  std::vector<std::uint16_t> ids;
  while (source.next(piece)) {
    if (piece.begins_document && tokenizer.end_of_text() != formats::kNoToken) {
      ids.push_back(static_cast<std::uint16_t>(tokenizer.end_of_text()));
    }
    encoder.encode(piece.text, ids);
  }
  return ids;
}

LossResult sequence_loss(model::Gpt2& model, const TokenSequence& sequence, SlidingWindows windows,
                         const Progress& progress) {
  const std::int64_t longest = model.config().context;
  const std::int64_t context = windows.context != 0 ? windows.context : longest;
  const std::int64_t stride = windows.stride != 0 ? windows.stride : context;
  if (stride < 1 || stride > context || context > longest) {
    throw formats::UsageError(fmt::format(
        "a stride of {} and a context of {} do not fit: they need 0 < stride <= context <= {}, the "
        "model's context",
        stride, context, longest));
  }
  check_positive(windows.B, "the batch size");
  if (sequence.token_count < 2) {
    throw formats::InputError("there is no token to score: the first one is only context");
  }
  const std::uint64_t target_count = sequence.token_count - 1;
  LossSum sum(model, windows.B, target_count, progress);
  std::vector<std::uint16_t> tokens;
  std::uint64_t scored = 0;
  for (std::uint64_t begin = 0; scored < target_count;
       begin += static_cast<std::uint64_t>(stride)) {
    const auto length = std::min(static_cast<std::uint64_t>(context), target_count - begin);
    tokens.resize(length + 1);
    sequence.read(begin, tokens);
    const auto [inputs, targets] = sum.add_window(static_cast<std::int64_t>(length));
    std::copy(tokens.begin(), tokens.end() - 1, inputs.begin());
    std::copy(tokens.begin() + 1, tokens.end(), targets.begin());
    std::fill_n(targets.begin(), scored - begin, kNotScored);
    scored = begin + length;
  }
  return sum.finish();
}

std::uint64_t scored_bytes(const TokenSequence& sequence, const text::Tokenizer& tokenizer) {
  std::vector<std::uint64_t> bytes_of_token(tokenizer.vocab_size());
  for (std::uint32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (id == tokenizer.end_of_text()) continue;
    bytes_of_token[id] = tokenizer.token_bytes(static_cast<std::uint16_t>(id)).size();
  }
  std::uint64_t bytes = 0;
  std::vector<std::uint16_t> tokens;
  for (std::uint64_t first = 1; first < sequence.token_count; first += tokens.size()) {
    tokens.resize(std::min(kTokensRead, sequence.token_count - first));
    sequence.read(first, tokens);
    for (const auto token : tokens) {
      if (token >= bytes_of_token.size()) {
        throw formats::InputError(fmt::format("token {} is not in the vocabulary of {} tokens",
                                              token, bytes_of_token.size()));
      }
      bytes += bytes_of_token[token];
    }
  }
  return bytes;
}

}  // namespace gpt2::eval
