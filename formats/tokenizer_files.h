// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Tokenizer files: vocab.json + merges.txt (also named encoder.json + vocab.bpe) and
// tokenizer.json. Spec: formats/tokenizer_files.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/fingerprint.h"

namespace gpt2::formats {

struct SpecialToken {
  std::string text;  // "<|endoftext|>"
  std::uint32_t id = 0;
};

/// A byte-level BPE vocabulary, free of file layout: what the fingerprint is taken over.
struct TokenizerFiles {
  std::vector<std::string> token_bytes;                         // by id; raw bytes, not mapped
  std::vector<std::pair<std::uint32_t, std::uint32_t>> merges;  // in rank order, as id pairs
  std::vector<SpecialToken> special_tokens;                     // by id
  std::optional<std::uint32_t> end_of_text() const;             // id of "<|endoftext|>"
  std::uint32_t vocab_size() const { return static_cast<std::uint32_t>(token_bytes.size()); }
};

/// The byte <-> printable character map of GPT-2's vocabulary files.
std::string to_printable(std::string_view bytes);
/// Throws: InputError naming `where` for a character outside the map.
std::string from_printable(std::string_view text, std::string_view where);

/// Reads whichever forms lie in `directory` (it may also be a file tokenizer.json).
/// Throws: InputError: none there; two forms that disagree; a tokenizer.json of another kind,
/// named.
TokenizerFiles load_tokenizer_files(const std::filesystem::path& directory);
/// True when `directory` holds any of the forms.
bool has_tokenizer_files(const std::filesystem::path& directory);
/// Writes vocab.json, merges.txt, tokenizer.json and tokenizer_config.json (all durable).
/// `context` becomes model_max_length. Throws: IoError.
void save_tokenizer_files(const std::filesystem::path& directory, const TokenizerFiles& files,
                          std::uint64_t context);
/// DECISIONS: first 16 bytes of SHA-256 over tokens, merges, special tokens.
Fingerprint tokenizer_fingerprint(const TokenizerFiles& files);

}  // namespace gpt2::formats
