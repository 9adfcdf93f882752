// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/eval/loss.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <string_view>
#include <vector>

#include "formats/errors.h"
#include "formats/stored_tokens.h"

namespace gpt2::eval {

namespace {

constexpr std::int32_t kNotScored = -1;
constexpr std::string_view kBlanks = " \t\n\v\f\r";

using TokensDone = std::function<void(std::uint64_t)>;

/// Gathers windows of one length, runs B of them at once, and sums their losses in window order.
class LossSum {
 public:
  struct Window {
    std::span<std::int32_t> inputs, targets;  // T of each, to be filled before the next call
  };

  LossSum(model::Gpt2& model, std::int64_t B, const TokensDone& progress)
      : model_(model), B_(B), progress_(progress) {}

  Window add_window(std::int64_t T) {
    if (T != T_ || std::ssize(inputs_) == B_ * T_) run();
    T_ = T;
    return {grow(inputs_), grow(targets_)};
  }
  /// The mean of all windows added.
  LossResult finish() {
    run();
    LossResult result{.token_count = tokens_done_};
    if (tokens_done_ > 0) result.loss = sum_ / static_cast<double>(tokens_done_);
    return result;
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
    if (progress_) progress_(tokens_done_);
    inputs_.clear();
    targets_.clear();
  }

  model::Gpt2& model_;
  std::int64_t B_, T_ = 0;
  const TokensDone& progress_;
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

std::optional<double> LossResult::word_perplexity() const {
  if (!word_count || *word_count == 0) return {};
  return std::exp(loss * static_cast<double>(token_count) / static_cast<double>(*word_count));
}

std::uint64_t validation_windows(const data::ShardSet& set, std::int64_t T,
                                 std::uint64_t max_tokens) {
  auto windows = set.window_count(T);
  if (max_tokens > 0) windows = std::min(windows, max_tokens / static_cast<std::uint64_t>(T));
  if (windows == 0) {
    throw formats::InputError(fmt::format(
        "{}: no window of {} tokens to validate on; give more tokens or a shorter context",
        set.shards().front().path().string(), T + 1));
  }
  return windows;
}

LossResult validation_loss(model::Gpt2& model, const data::ShardSet& set, std::int64_t B,
                           std::int64_t T, std::uint64_t max_tokens, comm::Communicator& ranks,
                           const Progress& progress) {
  check_positive(B, "the batch size");
  check_positive(T, "the context");
  const std::uint64_t windows = validation_windows(set, T, max_tokens);
  const auto vocab_size = static_cast<std::uint32_t>(model.config().vocab_size);
  const auto length = static_cast<std::size_t>(T);
  std::vector<std::int32_t> inputs(static_cast<std::size_t>(B) * length), targets(inputs.size());
  std::vector<float> losses(inputs.size());
  std::vector<double> window_sums(windows);  // 0 for the windows of other ranks
  const auto score = [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      set.read_window(set.window_in_file_order(first + i, T), vocab_size,
                      std::span(inputs).subspan(i * length, length),
                      std::span(targets).subspan(i * length, length));
    }
    const auto tokens = count * length;
    model.losses(std::span(inputs).first(tokens), std::span(targets).first(tokens),
                 static_cast<std::int64_t>(count), T, std::span(losses).first(tokens));
    for (std::uint64_t i = 0; i < count; ++i) {
      for (const float loss : std::span(losses).subspan(i * length, length)) {
        window_sums[first + i] += loss;
      }
    }
  };
  const auto batch = static_cast<std::uint64_t>(B);
  const auto turn = batch * static_cast<std::uint64_t>(ranks.size());
  for (std::uint64_t done = 0; done < windows; done += turn) {
    const auto first = done + batch * static_cast<std::uint64_t>(ranks.rank());
    if (first < windows) score(first, std::min(batch, windows - first));
    if (progress) progress(std::min(done + turn, windows) * length, windows * length);
  }
  ranks.tree_sum(window_sums);  // exact: each has one term that is not 0
  const double sum = std::accumulate(window_sums.begin(), window_sums.end(), 0.0);
  const auto token_count = windows * length;
  return {.loss = sum / static_cast<double>(token_count), .token_count = token_count};
}

ShardTokens::ShardTokens(const data::ShardSet& set, std::uint32_t vocab_size)
    : set_(set), vocab_size_(vocab_size) {
  if (set.end_of_text() == formats::kNoToken || set.token_count() == 0) return;
  std::uint16_t begin = 0;
  ShardTokens(*this).read({&begin, 1});
  if (begin != set.end_of_text()) before_ = static_cast<std::uint16_t>(set.end_of_text());
}

std::size_t ShardTokens::read(std::span<std::uint16_t> tokens) {
  std::size_t filled = 0;
  if (before_ && !tokens.empty()) {
    tokens[filled++] = *before_;
    before_.reset();
  }
  while (filled < tokens.size() && shard_ < set_.shards().size()) {
    const auto& shard = set_.shards()[shard_];
    const std::uint64_t left = shard.header().token_count - place_;
    const auto part = tokens.subspan(filled, std::min<std::uint64_t>(tokens.size() - filled, left));
    shard.read(place_, part);
    if (const auto unknown = formats::find_unknown_token(part, vocab_size_)) {
      throw formats::FormatError(
          shard.path().string(), formats::kTokenShardHeaderBytes + 2 * (place_ + *unknown), "token",
          fmt::format("is {}, the model has {} tokens", part[*unknown], vocab_size_));
    }
    filled += part.size();
    place_ += part.size();
    if (part.size() == left) {
      ++shard_;
      place_ = 0;
    }
  }
  return filled;
}

TextTokens::TextTokens(text::DocumentSource& source, const text::Tokenizer& tokenizer)
    : source_(source), end_of_text_(tokenizer.end_of_text()), encoder_(tokenizer) {}

std::size_t TextTokens::read(std::span<std::uint16_t> tokens) {
  std::size_t filled = 0;
  while (filled < tokens.size()) {
    if (place_ == ids_.size()) {
      if (!source_.next(piece_)) break;
      ids_.clear();
      place_ = 0;
      if (piece_.begins_document && end_of_text_ != formats::kNoToken) {
        ids_.push_back(static_cast<std::uint16_t>(end_of_text_));
      }
      encoder_.encode(piece_.text, ids_);
    }
    const auto part =
        std::span(ids_).subspan(place_, std::min(tokens.size() - filled, ids_.size() - place_));
    std::ranges::copy(part, tokens.subspan(filled).begin());
    filled += part.size();
    place_ += part.size();
  }
  return filled;
}

TextCounter::TextCounter(const text::Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

void TextCounter::count(std::span<const std::uint16_t> tokens) {
  for (const auto token : tokens) {
    if (token >= tokenizer_.vocab_size()) {
      throw formats::InputError(fmt::format("token {} is not in the vocabulary of {} tokens", token,
                                            tokenizer_.vocab_size()));
    }
    if (token == tokenizer_.end_of_text()) {
      in_word_ = false;
      continue;
    }
    const std::string_view bytes = tokenizer_.token_bytes(token);
    byte_count_ += bytes.size();
    for (const char byte : bytes) {
      const bool is_of_word = kBlanks.find(byte) == std::string_view::npos;
      if (is_of_word && !in_word_) ++word_count_;
      in_word_ = is_of_word;
    }
  }
}

LossResult sequence_loss(model::Gpt2& model, TokenSource& source, SlidingWindows windows,
                         const text::Tokenizer* tokenizer, const TokensDone& progress) {
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
  std::optional<TextCounter> counter;
  if (tokenizer != nullptr) counter.emplace(*tokenizer);
  LossSum sum(model, windows.B, progress);
  const auto wanted = static_cast<std::size_t>(context) + 1;
  std::vector<std::uint16_t> tokens;  // of one window; it begins with those of the one before
  for (bool at_end = false; !at_end;) {
    const std::size_t known = tokens.size();
    tokens.resize(wanted);
    const std::size_t got = source.read(std::span(tokens).subspan(known));
    tokens.resize(known + got);
    at_end = tokens.size() < wanted;
    const std::size_t first_scored = std::max<std::size_t>(known, 1);
    if (tokens.size() <= first_scored) break;
    if (counter) counter->count(std::span(tokens).subspan(first_scored));
    const auto [inputs, targets] = sum.add_window(std::ssize(tokens) - 1);
    std::copy(tokens.begin(), tokens.end() - 1, inputs.begin());
    std::copy(tokens.begin() + 1, tokens.end(), targets.begin());
    std::fill_n(targets.begin(), first_scored - 1, kNotScored);
    if (!at_end) tokens.erase(tokens.begin(), tokens.begin() + stride);
  }
  auto result = sum.finish();
  if (counter) {
    result.byte_count = counter->byte_count();
    result.word_count = counter->word_count();
  }
  return result;
}

}  // namespace gpt2::eval
