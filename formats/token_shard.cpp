// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/token_shard.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "formats/byte_codec.h"
#include "formats/crc32c.h"
#include "formats/errors.h"
#include "formats/stored_tokens.h"

namespace gpt2::formats {
namespace {

constexpr std::uint32_t kMagic = 20240520;
constexpr std::uint32_t kVersion = 1;
constexpr std::array<std::uint8_t, 8> kExtensionTag = {'G', 'P', 'T', '2', 'S', 'H', 'R', 'D'};
constexpr std::uint32_t kExtensionVersion = 1;
constexpr std::size_t kExtensionOffset = 512, kExtensionEnd = 568, kHeaderCrcOffset = 1020;
// llm.c reads the count as a signed 32-bit number.
constexpr std::uint64_t kMaxTokenCount = std::numeric_limits<std::int32_t>::max();
constexpr std::size_t kPieceTokens = std::size_t{1} << 19;

class HeaderDecoder {
 public:
  HeaderDecoder(std::span<const std::uint8_t, kTokenShardHeaderBytes> bytes,
                std::uint64_t file_bytes, std::string_view path)
      : bytes_(bytes), file_bytes_(file_bytes), path_(path) {}

  TokenShardHeader decode() {
    if (const auto magic = u32(0); magic != kMagic) {
      refuse(0, "magic", fmt::format("not a token shard: is {}, expected {}", magic, kMagic));
    }
    if (const auto version = u32(4); version != kVersion) {
      refuse(4, "version", fmt::format("is {}, this build reads {}", version, kVersion));
    }
    const auto tag = bytes_.subspan(kExtensionOffset, kExtensionTag.size());
    header_.foreign = std::ranges::all_of(tag, [](auto byte) { return byte == 0; });
    if (!header_.foreign) decode_extension();
    decode_token_count();
    check_zeros(12, kExtensionOffset);
    check_zeros(header_.foreign ? kExtensionOffset : kExtensionEnd,
                header_.foreign ? kTokenShardHeaderBytes : kHeaderCrcOffset);
    return header_;
  }

 private:
  std::uint32_t u32(std::size_t offset) const { return load_u32(&bytes_[offset]); }
  [[noreturn]] void refuse(std::uint64_t offset, std::string_view field,
                           const std::string& problem) const {
    throw FormatError(path_, offset, field, problem);
  }

  void decode_token_count() {
    const std::uint32_t count = u32(8);
    header_.token_count = count;
    const std::uint64_t expected = kTokenShardHeaderBytes + 2 * header_.token_count;
    if (count > kMaxTokenCount || expected != file_bytes_) {
      refuse(8, "token_count",
             fmt::format("is {}, a file of {} bytes; the file has {}",
                         static_cast<std::int32_t>(count), expected, file_bytes_));
    }
    if (header_.foreign) return;
    if (const auto wide = load_u64(&bytes_[536]); wide != count) {
      refuse(536, "token_count_64", fmt::format("is {}, byte 8 says {}", wide, count));
    }
    if (header_.document_count > header_.token_count) {
      refuse(560, "document_count",
             fmt::format("is {}, more than the {} tokens", header_.document_count, count));
    }
  }

  void decode_extension() {
    if (!std::ranges::equal(bytes_.subspan(kExtensionOffset, kExtensionTag.size()),
                            kExtensionTag)) {
      refuse(kExtensionOffset, "extension_tag", "is neither GPT2SHRD nor zero");
    }
    if (const auto version = u32(520); version != kExtensionVersion) {
      refuse(520, "extension_version",
             fmt::format("is {}, this build reads {}", version, kExtensionVersion));
    }
    const std::uint32_t crc = crc32c(bytes_.first(kHeaderCrcOffset));
    if (const auto stored = u32(kHeaderCrcOffset); stored != crc) {
      refuse(kHeaderCrcOffset, "header_crc32c",
             fmt::format("is {:08x}, the header's bytes give {:08x}", stored, crc));
    }
    header_.vocab_size = u32(524);
    if (header_.vocab_size < 1 || header_.vocab_size > kMaxVocabSize) {
      refuse(524, "vocab_size",
             fmt::format("is {}, expected 1 to {}", header_.vocab_size, kMaxVocabSize));
    }
    header_.end_of_text = u32(528);
    if (header_.end_of_text != kNoToken && header_.end_of_text >= header_.vocab_size) {
      refuse(528, "end_of_text",
             fmt::format("is {}, not below the vocabulary size {}", header_.end_of_text,
                         header_.vocab_size));
    }
    header_.payload_crc32c = u32(532);
    std::ranges::copy(bytes_.subspan(544, header_.tokenizer.size()), header_.tokenizer.begin());
    header_.document_count = load_u64(&bytes_[560]);
  }

  void check_zeros(std::size_t first, std::size_t end) const {
    for (std::size_t i = first; i < end; ++i) {
      if (bytes_[i] != 0) refuse(i, "reserved", fmt::format("is {}, expected 0", bytes_[i]));
    }
  }

  std::span<const std::uint8_t, kTokenShardHeaderBytes> bytes_;
  std::uint64_t file_bytes_;
  std::string_view path_;
  TokenShardHeader header_;
};

TokenShardHeader read_header(const InputFile& file) {
  std::array<std::uint8_t, kTokenShardHeaderBytes> bytes{};
  if (file.bytes() < bytes.size()) {
    throw FormatError(file.path().string(), file.bytes(), "header",
                      fmt::format("not a token shard: the file has {} bytes, its header {}",
                                  file.bytes(), bytes.size()));
  }
  file.read(0, bytes);
  return decode_token_shard_header(bytes, file.bytes(), file.path().string());
}

}  // namespace

TokenShardHeader decode_token_shard_header(
    std::span<const std::uint8_t, kTokenShardHeaderBytes> bytes, std::uint64_t file_bytes,
    std::string_view path) {
  return HeaderDecoder(bytes, file_bytes, path).decode();
}

std::array<std::uint8_t, kTokenShardHeaderBytes> encode_token_shard_header(
    const TokenShardHeader& header) {
  std::array<std::uint8_t, kTokenShardHeaderBytes> bytes{};
  store_u32(&bytes[0], kMagic);
  store_u32(&bytes[4], kVersion);
  store_u32(&bytes[8], static_cast<std::uint32_t>(header.token_count));
  if (header.foreign) return bytes;
  std::ranges::copy(kExtensionTag, &bytes[kExtensionOffset]);
  store_u32(&bytes[520], kExtensionVersion);
  store_u32(&bytes[524], header.vocab_size);
  store_u32(&bytes[528], header.end_of_text);
  store_u32(&bytes[532], header.payload_crc32c);
  store_u64(&bytes[536], header.token_count);
  std::ranges::copy(header.tokenizer, &bytes[544]);
  store_u64(&bytes[560], header.document_count);
  store_u32(&bytes[kHeaderCrcOffset], crc32c(bytes.data(), kHeaderCrcOffset));
  return bytes;
}

TokenShardReader::TokenShardReader(const std::filesystem::path& path) : file_(path) {
  std::array<std::uint8_t, 8> start{};
  file_.read(0, std::span(start).first(std::min<std::uint64_t>(start.size(), file_.bytes())));
  if (begins_as_numpy(start)) {
    const auto extent = numpy_tokens(file_);
    payload_offset_ = extent.offset;
    header_ = {.token_count = extent.token_count, .foreign = true};
  } else {
    header_ = read_header(file_);
  }
}

TokenShardReader::TokenShardReader(InputFile file, const TokenExtent& extent)
    : file_(std::move(file)),
      payload_offset_(extent.offset),
      header_{.token_count = extent.token_count, .foreign = true} {}

TokenShardReader TokenShardReader::bare(const std::filesystem::path& path) {
  InputFile file(path);
  const auto extent = bare_tokens(file);
  return {std::move(file), extent};
}

void TokenShardReader::read(std::uint64_t first, std::span<std::uint16_t> tokens) const {
  if (first > header_.token_count || tokens.size() > header_.token_count - first) {
    throw UsageError(fmt::format("{}: has {} tokens, asked for {} from {} on", path().string(),
                                 header_.token_count, tokens.size(), first));
  }
  file_.read(payload_offset_ + 2 * first, storage_of(tokens));
  stored_to_tokens(tokens);
}

void TokenShardReader::verify(std::optional<std::uint32_t> vocab_size) const {
  const std::uint32_t limit = std::min(vocab_size.value_or(kMaxVocabSize),
                                       header_.foreign ? kMaxVocabSize : header_.vocab_size);
  std::uint32_t crc = 0;
  std::uint64_t documents = 0;
  std::vector<std::uint16_t> tokens;
  std::vector<std::uint8_t> scratch;
  for (std::uint64_t first = 0; first < header_.token_count; first += tokens.size()) {
    tokens.resize(std::min<std::uint64_t>(kPieceTokens, header_.token_count - first));
    read(first, tokens);
    if (const auto unknown = find_unknown_token(tokens, limit)) {
      throw FormatError(
          path().string(), payload_offset_ + 2 * (first + *unknown), "token",
          fmt::format("is {}, not below the vocabulary size {}", tokens[*unknown], limit));
    }
    if (header_.foreign) continue;
    crc = crc32c(stored_bytes(tokens, scratch), crc);
    documents += count_token(tokens, header_.end_of_text);
  }
  if (header_.foreign) return;
  if (crc != header_.payload_crc32c) {
    throw FormatError(
        path().string(), 532, "payload_crc32c",
        fmt::format("is {:08x}, the tokens give {:08x}", header_.payload_crc32c, crc));
  }
  if (documents != header_.document_count) {
    throw FormatError(path().string(), 560, "document_count",
                      fmt::format("is {}, the tokens hold {} times end-of-text",
                                  header_.document_count, documents));
  }
}

TokenShardWriter::TokenShardWriter(const std::filesystem::path& path, const TokenShardHeader& base)
    : file_(path),
      header_{.vocab_size = base.vocab_size,
              .end_of_text = base.end_of_text,
              .tokenizer = base.tokenizer} {
  file_.write(std::array<std::uint8_t, kTokenShardHeaderBytes>{});  // its place; filled by commit
}

void TokenShardWriter::append(std::span<const std::uint16_t> tokens) {
  if (const auto unknown = find_unknown_token(tokens, header_.vocab_size)) {
    throw UsageError(fmt::format("{}: token {} is not below the vocabulary size {}",
                                 file_.path().string(), tokens[*unknown], header_.vocab_size));
  }
  if (tokens.size() > kMaxTokenCount - header_.token_count) {
    throw UsageError(fmt::format("{}: a shard holds at most {} tokens; make shards smaller",
                                 file_.path().string(), kMaxTokenCount));
  }
  std::vector<std::uint8_t> scratch;
  const auto bytes = stored_bytes(tokens, scratch);
  file_.write(bytes);
  header_.payload_crc32c = crc32c(bytes, header_.payload_crc32c);
  header_.token_count += tokens.size();
  header_.document_count += count_token(tokens, header_.end_of_text);
}

void TokenShardWriter::commit(bool replace) {
  file_.write_at(0, encode_token_shard_header(header_));
  file_.commit(replace);
}

}  // namespace gpt2::formats
