// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Trains a byte-level BPE vocabulary: the merges that Hugging Face's ByteLevelBPETokenizer finds,
// with GPT-2's ids (256 bytes, merges, <|endoftext|> last), so that Hugging Face tokenizers and
// tiktoken load it and give the same ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tokenizer_files.h"

namespace gpt2::text {

/// The distinct pre-tokens of a text and how often each occurs.
class PretokenCounts {
 public:
  struct Word {
    std::size_t hash, offset, bytes;
    std::uint64_t count;
  };
  /// Counts the pre-tokens of `text`, a document or a part that ends at a safe cut.
  void add(std::string_view text);
  const std::vector<Word>& words() const { return words_; }
  std::string_view bytes_of(const Word& word) const {
    return std::string_view(bytes_).substr(word.offset, word.bytes);
  }

 private:
  void count(std::string_view pretoken);
  void grow();
  std::string bytes_;        // of all words
  std::vector<Word> words_;  // in the order of their first occurrence
  std::vector<std::uint32_t>
      slots_;  // open addressing, at most half full: 1 + place in words_, 0: free
};

struct BpeTraining {
  std::uint32_t vocab_size = 50257;  // 256 bytes, merges, <|endoftext|>
  std::uint64_t min_frequency = 2;   // a pair that occurs less often is not merged
  std::function<void(std::uint32_t entries)> progress;  // after each merge; may be empty
};

/// Throws: UsageError for a vocab_size below 257 or above 65536.
void check_training(const BpeTraining& training);

/// Merges the most frequent pair (ties: the smallest ids) until the vocabulary is full. It stays
/// smaller than asked when no pair occurs `min_frequency` times any more. A pair whose joined bytes
/// are a token already is passed over. Throws: UsageError for a vocab_size below 257 or above
/// 65536.
formats::TokenizerFiles train_bpe(const PretokenCounts& counts, const BpeTraining& training);

}  // namespace gpt2::text
