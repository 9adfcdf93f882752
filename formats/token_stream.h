// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Token stream: the pipe between gpt2-tokenize and gpt2-shard. Spec: formats/token_stream.md.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

#include "formats/fingerprint.h"

namespace gpt2::formats {

inline constexpr std::size_t kTokenStreamHeaderBytes = 64;
inline constexpr std::size_t kTokenStreamMaxPayloadBytes = std::size_t{4} << 20;

struct TokenStreamHeader {
  std::uint32_t vocab_size = 50257;
  std::uint32_t end_of_text = 50256;  // 0xFFFFFFFF: none
  Fingerprint tokenizer{};

  bool operator==(const TokenStreamHeader&) const = default;
};

/// Frames tokens onto a stream. Every call throws IoError when the stream goes bad.
class TokenStreamWriter {
 public:
  TokenStreamWriter(std::ostream& out, const TokenStreamHeader& header);
  /// Buffers and writes full frames. Throws: UsageError for a token not below vocab_size.
  void append(std::span<const std::uint16_t> tokens);
  /// Writes what is buffered and the end frame, and flushes.
  void finish(std::uint64_t document_count);
  std::uint64_t token_count() const { return token_count_; }

 private:
  void flush_tokens();
  void write_frame(std::uint32_t kind, std::span<const std::uint8_t> payload);
  std::ostream& out_;
  TokenStreamHeader header_;
  std::vector<std::uint8_t> pending_;
  std::uint64_t token_count_ = 0;
};

/// Reads a token stream; a stream that ends before its end frame is an error.
class TokenStreamReader {
 public:
  /// `name` names the stream in errors ("standard input"). Throws: FormatError, IoError.
  TokenStreamReader(std::istream& in, std::string name);
  const TokenStreamHeader& header() const { return header_; }
  /// Gives the next block; false after the end frame, whose counts were checked. Throws:
  /// FormatError.
  bool next(std::vector<std::uint16_t>& tokens);
  std::uint64_t token_count() const { return token_count_; }
  /// Documents as the end frame says; valid once next() gave false.
  std::uint64_t document_count() const { return document_count_; }

 private:
  void read_exactly(std::span<std::uint8_t> bytes, const char* field);
  void read_payload(std::span<const std::uint8_t> head, std::span<std::uint8_t> payload,
                    const char* field);
  void end(std::uint64_t offset, std::uint64_t stated_tokens, std::uint64_t stated_documents);
  std::istream& in_;
  std::string name_;
  TokenStreamHeader header_;
  std::uint64_t offset_ = 0, token_count_ = 0, document_count_ = 0;
  bool ended_ = false;
};

}  // namespace gpt2::formats
