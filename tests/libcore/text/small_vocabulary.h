// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Vocabularies made by hand, and BPE written as plainly as can be, for the tests of libcore/text.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/tokenizer_files.h"

namespace gpt2::test {

/// 256 bytes (id = byte), one token for each merge of two strings, then `unmerged` tokens, then
/// <|endoftext|>.
inline formats::TokenizerFiles make_vocabulary(
    const std::vector<std::pair<std::string, std::string>>& merges,
    const std::vector<std::string>& unmerged = {}, bool end_of_text = true) {
  formats::TokenizerFiles files;
  for (unsigned byte = 0; byte < 256; ++byte) {
    files.token_bytes.emplace_back(1, static_cast<char>(byte));
  }
  const auto id_of = [&](const std::string& bytes) {
    const auto found = std::find(files.token_bytes.begin(), files.token_bytes.end(), bytes);
    return static_cast<std::uint32_t>(found - files.token_bytes.begin());
  };
  for (const auto& [left, right] : merges) {
    files.merges.emplace_back(id_of(left), id_of(right));
    files.token_bytes.push_back(left + right);
  }
  files.token_bytes.insert(files.token_bytes.end(), unmerged.begin(), unmerged.end());
  if (end_of_text) {
    files.special_tokens.push_back({"<|endoftext|>", files.vocab_size()});
    files.token_bytes.emplace_back("<|endoftext|>");
  }
  return files;
}

/// BPE of one pre-token with a vocabulary of make_vocabulary(): joins the first pair of the lowest
/// rank until none is left.
inline std::vector<std::uint16_t> encode_plainly(const formats::TokenizerFiles& files,
                                                 std::string_view pretoken) {
  std::vector<std::uint16_t> ids;
  for (const char byte : pretoken) ids.push_back(static_cast<unsigned char>(byte));
  for (;;) {
    std::size_t best_rank = files.merges.size(), best = 0;
    for (std::size_t place = 0; place + 1 < ids.size(); ++place) {
      const auto found =
          std::find(files.merges.begin(), files.merges.end(),
                    std::pair<std::uint32_t, std::uint32_t>(ids[place], ids[place + 1]));
      const auto rank = static_cast<std::size_t>(found - files.merges.begin());
      if (rank < best_rank) {
        best_rank = rank;
        best = place;
      }
    }
    if (best_rank == files.merges.size()) return ids;
    ids[best] = static_cast<std::uint16_t>(256 + best_rank);
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

/// Random text made of `pieces`.
inline std::string random_text(std::mt19937& random, const std::vector<std::string>& pieces,
                               std::size_t piece_count) {
  std::string text;
  for (std::size_t piece = 0; piece < piece_count; ++piece)
    text += pieces[random() % pieces.size()];
  return text;
}

}  // namespace gpt2::test
