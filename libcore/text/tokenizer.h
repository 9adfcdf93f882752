// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// GPT-2's byte-level BPE: text to token ids and back, exactly as tiktoken and Hugging Face
// tokenizers do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tokenizer_files.h"

namespace gpt2::text {

class Encoder;
class MergeTable;

/// An immutable vocabulary ready to encode; any number of threads may use one at once.
class Tokenizer {
 public:
  /// Throws: InputError when a byte has no token, a merge does not exist, or vocab_size > 65536.
  explicit Tokenizer(formats::TokenizerFiles files);
  Tokenizer(Tokenizer&&) noexcept;
  ~Tokenizer();
  /// Throws: InputError (nothing there, refused; see formats/tokenizer_files.md).
  static Tokenizer load(const std::filesystem::path& directory);

  /// Appends the ids of `text`; special tokens in it are ordinary text. Any bytes are accepted.
  void encode(std::string_view text, std::vector<std::uint16_t>& ids) const;
  std::vector<std::uint16_t> encode(std::string_view text) const;
  /// The bytes of `ids`. Throws: InputError for an id that the vocabulary does not have.
  std::string decode(std::span<const std::uint16_t> ids) const;
  std::string_view token_bytes(std::uint16_t id) const;

  std::uint32_t vocab_size() const { return files_.vocab_size(); }
  /// Id of <|endoftext|>, or formats::kNoToken.
  std::uint32_t end_of_text() const;
  const formats::Fingerprint& fingerprint() const { return fingerprint_; }
  const formats::TokenizerFiles& files() const { return files_; }

 private:
  friend class Encoder;
  formats::TokenizerFiles files_;
  formats::Fingerprint fingerprint_;
  std::unique_ptr<const MergeTable> table_;
};

/// One thread's fast way into a Tokenizer: remembers the ids of the pre-tokens seen last, in 4 MiB.
/// Owns: the memory of pre-tokens; `tokenizer` must outlive it.
class Encoder {
 public:
  explicit Encoder(const Tokenizer& tokenizer);
  Encoder(Encoder&&) noexcept;
  ~Encoder();
  /// Appends the ids of `text`: the same as Tokenizer::encode.
  void encode(std::string_view text, std::vector<std::uint16_t>& ids);

 private:
  struct Caches;
  std::unique_ptr<Caches> caches_;
};

}  // namespace gpt2::text
