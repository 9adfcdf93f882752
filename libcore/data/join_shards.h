// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// From shards back to a token stream, to decode them or to cut them anew.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <span>

#include "formats/token_shard.h"

namespace gpt2::data {

/// What foreign shards do not say; the defaults are GPT-2's.
struct ForeignVocabulary {
  std::uint32_t vocab_size = 50257;
  std::uint32_t end_of_text = 50256;
};

/// Writes the tokens of `shards`, in that order, as one token stream. Each shard is verified before
/// its tokens are passed on; after an error the stream has no end frame, so its reader refuses it.
/// `foreign` counts only when all shards are foreign; else they take the vocabulary of the others.
/// Throws: FormatError (damaged), ContradictionError (vocabularies that differ), IoError.
void join_shards(std::span<const formats::TokenShardReader> shards,
                 const ForeignVocabulary& foreign, std::ostream& stream);
/// The same as nothing but 16-bit tokens, as nanoGPT reads them (formats/foreign_tokens.md).
void join_bare(std::span<const formats::TokenShardReader> shards, const ForeignVocabulary& foreign,
               std::ostream& stream);

}  // namespace gpt2::data
