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

#include "libcore/data/shard_set.h"
#include "libcore/model/gpt2.h"
#include "libcore/text/document_source.h"
#include "libcore/text/tokenizer.h"

namespace gpt2::eval {

struct LossResult {
  double loss = 0;  // mean over token_count, nats
  double perplexity() const;
  std::uint64_t token_count = 0;            // tokens that were predicted
  std::optional<std::uint64_t> byte_count;  // bytes of text they stand for, if known
  std::optional<double> bits_per_byte() const;
};

/// Called with tokens done and in all.
using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// How many windows of T inputs validation_loss() reads. Throws: InputError when there is none.
std::uint64_t validation_windows(const data::ShardSet& set, std::int64_t T,
                                 std::uint64_t max_tokens);

/// Validation in training: whole windows of the first `max_tokens` tokens of the set in file order
/// (0: all), as if the set ended there. The loss is summed in window order in double. Throws:
/// InputError when there is no window.
LossResult validation_loss(model::Gpt2& model, const data::ShardSet& set, std::int64_t B,
                           std::int64_t T, std::uint64_t max_tokens, const Progress& progress = {});

/// One sequence of tokens, read in pieces so that it never has to be in memory whole.
struct TokenSequence {
  std::uint64_t token_count = 0;
  /// Fills `tokens` from token `first` on.
  std::function<void(std::uint64_t first, std::span<std::uint16_t> tokens)> read;
};
/// `tokens` must outlive the sequence.
TokenSequence sequence_of(std::span<const std::uint16_t> tokens);
/// All shards of the set joined in file order; with end-of-text before them if the set knows it and
/// does not begin with it, so that every token of the set but a leading end-of-text has a context.
/// `set` must outlive the sequence. Reading throws: IoError; FormatError for a token not below
/// `vocab_size`, naming shard and offset.
TokenSequence sequence_of(const data::ShardSet& set, std::uint32_t vocab_size);

/// The ids of all documents, each after an end-of-text if the vocabulary has one: what
/// gpt2-tokenize makes of them. Throws: InputError, IoError.
std::vector<std::uint16_t> encode_text(text::DocumentSource& source,
                                       const text::Tokenizer& tokenizer);

/// How a sequence is cut: windows of `context` inputs, each beginning `stride` tokens after the one
/// before; the last may be short. Every token but the first of the sequence is scored once: by the
/// first window that predicts it.
struct SlidingWindows {
  std::int64_t context = 0;  // 0: the model's
  std::int64_t stride = 0;   // 0: context, so that windows do not overlap
  std::int64_t B = 4;        // windows run at once; changes the result by rounding alone
};
/// Mean loss of every token but the first, summed in order in double. byte_count is left out.
/// Throws: UsageError unless 0 < stride <= context <= the model's and B > 0; InputError for fewer
/// than two tokens.
LossResult sequence_loss(model::Gpt2& model, const TokenSequence& sequence, SlidingWindows windows,
                         const Progress& progress = {});

/// Bytes of text that the tokens after the first stand for; an end-of-text counts none.
/// Throws: InputError for an id that the tokenizer does not have.
std::uint64_t scored_bytes(const TokenSequence& sequence, const text::Tokenizer& tokenizer);

}  // namespace gpt2::eval
