// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/data/join_shards.h"

#include <algorithm>
#include <functional>
#include <ostream>
#include <vector>

#include "formats/errors.h"
#include "formats/stored_tokens.h"
#include "formats/token_stream.h"
#include "libcore/data/shard_set.h"

namespace gpt2::data {
namespace {

using Shards = std::span<const formats::TokenShardReader>;

/// What the shards state or, when all are foreign, `foreign`.
StatedVocabulary vocabulary_of(Shards shards, const ForeignVocabulary& foreign) {
  StatedVocabulary vocabulary = stated_vocabulary(shards);
  if (vocabulary.vocab_size == 0) {
    vocabulary.vocab_size = foreign.vocab_size;
    vocabulary.end_of_text = foreign.end_of_text;
  }
  return vocabulary;
}

/// Gives the tokens of each shard, once it is verified, in pieces.
void for_each_piece(Shards shards, std::uint32_t vocab_size,
                    const std::function<void(std::span<const std::uint16_t>)>& action) {
  constexpr std::uint64_t kPieceTokens = std::uint64_t{1} << 20;
  std::vector<std::uint16_t> tokens;
  for (const auto& shard : shards) {
    shard.verify(vocab_size);
    const std::uint64_t token_count = shard.header().token_count;
    for (std::uint64_t first = 0; first < token_count; first += kPieceTokens) {
      tokens.resize(std::min(kPieceTokens, token_count - first));
      shard.read(first, tokens);
      action(tokens);
    }
  }
}

}  // namespace

void join_shards(Shards shards, const ForeignVocabulary& foreign, std::ostream& stream) {
  const auto vocabulary = vocabulary_of(shards, foreign);
  formats::TokenStreamWriter writer(stream, {.vocab_size = vocabulary.vocab_size,
                                             .end_of_text = vocabulary.end_of_text,
                                             .tokenizer = vocabulary.tokenizer});
  std::uint64_t document_count = 0;
  for_each_piece(shards, vocabulary.vocab_size, [&](std::span<const std::uint16_t> tokens) {
    writer.append(tokens);
    document_count += formats::count_token(tokens, vocabulary.end_of_text);
  });
  writer.finish(document_count);
}

void join_bare(Shards shards, const ForeignVocabulary& foreign, std::ostream& stream) {
  std::vector<std::uint8_t> scratch;
  const auto write = [&](std::span<const std::uint16_t> tokens) {
    const auto bytes = formats::stored_bytes(tokens, scratch);
    stream.write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
    if (!stream) formats::throw_io_error("the tokens", "writing");
  };
  for_each_piece(shards, vocabulary_of(shards, foreign).vocab_size, write);
  if (!stream.flush()) formats::throw_io_error("the tokens", "writing");
}

}  // namespace gpt2::data
