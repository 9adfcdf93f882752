// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Token shard: one 1024-byte header, then uint16 tokens. Spec: formats/token_shard.md; change both
// together.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "formats/durable_file.h"
#include "formats/fingerprint.h"
#include "formats/foreign_tokens.h"
#include "formats/input_file.h"

namespace gpt2::formats {

inline constexpr std::size_t kTokenShardHeaderBytes = 1024;
inline constexpr std::uint32_t kNoToken = 0xFFFFFFFF;
inline constexpr std::uint32_t kMaxVocabSize = 65536;  // tokens are 16 bits wide

struct TokenShardHeader {
  std::uint64_t token_count = 0;         // tokens after the header
  bool foreign = false;                  // another trainer's: nothing below is known
  std::uint32_t vocab_size = 50257;      // every token is below this
  std::uint32_t end_of_text = kNoToken;  // id that begins a document, kNoToken: none
  std::uint32_t payload_crc32c = 0;      // over the token bytes as stored
  Fingerprint tokenizer{};               // zero: unknown
  std::uint64_t document_count = 0;      // documents that begin in this shard
};

/// Reads the header of a token shard and checks it against the size of the file.
/// Units: `file_bytes` counts header and payload. `path` only names the file in errors.
/// Throws: FormatError on a wrong magic, another version, a set reserved byte, a wrong CRC or size.
TokenShardHeader decode_token_shard_header(
    std::span<const std::uint8_t, kTokenShardHeaderBytes> bytes, std::uint64_t file_bytes,
    std::string_view path);
std::array<std::uint8_t, kTokenShardHeaderBytes> encode_token_shard_header(
    const TokenShardHeader& header);

/// One shard open for reading; reads from several threads may overlap (pread). Move-only.
class TokenShardReader {
 public:
  /// A shard, or a NumPy array of tokens as a foreign shard. Throws: InputError if missing,
  /// FormatError if its header is refused, IoError.
  explicit TokenShardReader(const std::filesystem::path& path);
  /// A file of nothing but tokens as a foreign shard. Throws: as above.
  static TokenShardReader bare(const std::filesystem::path& path);
  const TokenShardHeader& header() const { return header_; }
  const std::filesystem::path& path() const { return file_.path(); }
  /// Fills `tokens` from token `first` on. Throws: IoError, FormatError if the file has shrunk.
  void read(std::uint64_t first, std::span<std::uint16_t> tokens) const;
  /// Reads everything: payload CRC, every token below vocab_size. Throws: FormatError.
  /// A foreign shard has no CRC: only its size and (with `vocab_size`) its token range are checked.
  void verify(std::optional<std::uint32_t> vocab_size = {}) const;

 private:
  TokenShardReader(InputFile file, const TokenExtent& extent);
  InputFile file_;
  std::uint64_t payload_offset_ = kTokenShardHeaderBytes;
  TokenShardHeader header_;
};

/// Writes one shard: tokens first, header last, then the final name.
class TokenShardWriter {
 public:
  /// `base` gives vocab_size, end_of_text and tokenizer. Throws: IoError.
  TokenShardWriter(const std::filesystem::path& path, const TokenShardHeader& base);
  /// Throws: IoError; UsageError for a token not below vocab_size.
  void append(std::span<const std::uint16_t> tokens);
  std::uint64_t token_count() const { return header_.token_count; }
  /// Writes the header and makes the file visible. `replace` as in DurableFile::commit.
  void commit(bool replace);

 private:
  DurableFile file_;
  TokenShardHeader header_;
};

}  // namespace gpt2::formats
