// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Loss, perplexity and bits per byte of a model on tokens. Rows that pad a model's vocabulary
// (model::is_table_of) count in its softmax, as they did in training.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "libcore/comm/communicator.h"
#include "libcore/data/shard_set.h"
#include "libcore/model/gpt2.h"
#include "libcore/text/document_source.h"
#include "libcore/text/tokenizer.h"

namespace gpt2::eval {

struct LossResult {
  double loss = 0;  // mean over token_count, nats
  double perplexity() const;
  std::uint64_t token_count = 0;                        // tokens that were predicted
  std::optional<std::uint64_t> byte_count, word_count;  // of the text they stand for, if known
  std::optional<double> bits_per_byte() const;
  /// exp of the loss of all tokens shared out to the words instead.
  std::optional<double> word_perplexity() const;
};

/// Called with tokens done and in all.
using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// How many windows of T inputs validation_loss() reads. Throws: InputError when there is none.
std::uint64_t validation_windows(const data::ShardSet& set, std::int64_t T,
                                 std::uint64_t max_tokens);

/// Validation in training: the set's first windows in file order, as many whole ones as score at
/// most `max_tokens` tokens (0: all), as llm.c and build-nanogpt count. The ranks
/// score B windows each in turn; the loss is summed over each window and then in window order in
/// double, so that their number does not matter. `progress` is called on all ranks alike, and may
/// talk to them. Throws: InputError when there is no window.
LossResult validation_loss(model::Gpt2& model, const data::ShardSet& set, std::int64_t B,
                           std::int64_t T, std::uint64_t max_tokens, comm::Communicator& ranks,
                           const Progress& progress = {});

/// The tokens of one sequence from its first on; it never has to be in memory whole.
class TokenSource {
 public:
  virtual ~TokenSource() = default;
  /// Fills `tokens` from their front and gives the count; fewer than their size come only at the
  /// end.
  virtual std::size_t read(std::span<std::uint16_t> tokens) = 0;
};

/// All shards of a set joined in file order; with end-of-text before them if the set knows it and
/// does not begin with it, so that every token of the set but a leading end-of-text has a context.
/// `set` must outlive it. Reading throws: IoError; FormatError for a token not below `vocab_size`,
/// naming shard and offset.
class ShardTokens : public TokenSource {
 public:
  ShardTokens(const data::ShardSet& set, std::uint32_t vocab_size);
  std::size_t read(std::span<std::uint16_t> tokens) override;

 private:
  const data::ShardSet& set_;
  std::uint32_t vocab_size_;
  std::optional<std::uint16_t> before_;  // comes before the shards
  std::size_t shard_ = 0;                // the next token is number place_ of this shard
  std::uint64_t place_ = 0;
};

/// The ids of all documents of a text, each after an end-of-text if the vocabulary has one: what
/// gpt2-tokenize makes of them. Both must outlive it. Reading throws: InputError, IoError.
class TextTokens : public TokenSource {
 public:
  TextTokens(text::DocumentSource& source, const text::Tokenizer& tokenizer);
  std::size_t read(std::span<std::uint16_t> tokens) override;

 private:
  text::DocumentSource& source_;
  std::uint32_t end_of_text_;
  text::Encoder encoder_;
  text::TextPiece piece_;
  std::vector<std::uint16_t> ids_;  // of one piece; those from place_ on are not read yet
  std::size_t place_ = 0;
};

/// Counts the bytes and words that tokens stand for; an end-of-text has none and ends a word. Words
/// are what ASCII blanks, tabs and line ends divide, as `wc -w` counts them.
class TextCounter {
 public:
  explicit TextCounter(const text::Tokenizer& tokenizer);
  /// Throws: InputError for an id that the tokenizer does not have.
  void count(std::span<const std::uint16_t> tokens);
  std::uint64_t byte_count() const { return byte_count_; }
  std::uint64_t word_count() const { return word_count_; }

 private:
  const text::Tokenizer& tokenizer_;
  std::uint64_t byte_count_ = 0, word_count_ = 0;
  bool in_word_ = false;
};

/// How a sequence is cut: windows of `context` inputs, each beginning `stride` tokens after the one
/// before; the last may be short. Every token but the first of the sequence is scored once: by the
/// first window that predicts it.
struct SlidingWindows {
  std::int64_t context = 0;  // 0: the model's
  std::int64_t stride = 0;   // 0: context, so that windows do not overlap
  std::int64_t B = 4;        // windows run at once; changes the result by rounding alone
};
/// Mean loss of every token but the first, summed in order in double; of fewer than two tokens
/// there is none, and token_count is 0. With a `tokenizer` the bytes and words of those tokens are
/// counted too. `progress` hears of the tokens done. Throws: UsageError unless 0 < stride <=
/// context <= the model's and B > 0; InputError for a token that the tokenizer does not have.
LossResult sequence_loss(model::Gpt2& model, TokenSource& source, SlidingWindows windows,
                         const text::Tokenizer* tokenizer = nullptr,
                         const std::function<void(std::uint64_t)>& progress = {});

}  // namespace gpt2::eval
