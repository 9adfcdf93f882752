// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/data/join_shards.h"

#include <algorithm>
#include <vector>

#include "formats/stored_tokens.h"
#include "formats/token_stream.h"
#include "libcore/data/shard_set.h"

namespace gpt2::data {

void join_shards(std::span<const std::filesystem::path> paths, const ForeignVocabulary& foreign,
                 std::ostream& stream) {
  constexpr std::uint64_t kBlockTokens = std::uint64_t{1} << 20;
  const auto shards = open_shards(paths);
  StatedVocabulary vocabulary = stated_vocabulary(shards);
  if (vocabulary.vocab_size == 0) {
    vocabulary.vocab_size = foreign.vocab_size;
    vocabulary.end_of_text = foreign.end_of_text;
  }
  formats::TokenStreamWriter writer(stream, {.vocab_size = vocabulary.vocab_size,
                                             .end_of_text = vocabulary.end_of_text,
                                             .tokenizer = vocabulary.tokenizer});
  std::uint64_t document_count = 0;
  std::vector<std::uint16_t> tokens;
  for (const auto& shard : shards) {
    shard.verify(vocabulary.vocab_size);
    const std::uint64_t token_count = shard.header().token_count;
    for (std::uint64_t first = 0; first < token_count; first += kBlockTokens) {
      tokens.resize(std::min(kBlockTokens, token_count - first));
      shard.read(first, tokens);
      writer.append(tokens);
      document_count += formats::count_token(tokens, vocabulary.end_of_text);
    }
  }
  writer.finish(document_count);
}

}  // namespace gpt2::data
