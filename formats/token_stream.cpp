// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/token_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <istream>
#include <ostream>
#include <utility>

#include "formats/byte_codec.h"
#include "formats/crc32c.h"
#include "formats/errors.h"
#include "formats/stored_tokens.h"
#include "formats/token_shard.h"

namespace gpt2::formats {
namespace {

constexpr std::array<std::uint8_t, 8> kMagic = {'G', 'P', 'T', '2', 'T', 'O', 'K', 'S'};
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kBytesPerToken = 2;
constexpr std::uint32_t kTokensKind = 1, kEndKind = 2;
constexpr std::size_t kEndPayloadBytes = 16;
constexpr std::size_t kHeaderCrcOffset = 60;

void put(std::ostream& out, std::span<const std::uint8_t> bytes) {
  errno = 0;
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  if (!out) throw_io_error("token stream", "write");
}

}  // namespace

TokenStreamWriter::TokenStreamWriter(std::ostream& out, const TokenStreamHeader& header)
    : out_(out), header_(header) {
  std::array<std::uint8_t, kTokenStreamHeaderBytes> bytes{};
  std::ranges::copy(kMagic, bytes.begin());
  store_u32(&bytes[8], kVersion);
  store_u32(&bytes[12], header.vocab_size);
  store_u32(&bytes[16], header.end_of_text);
  store_u32(&bytes[20], kBytesPerToken);
  std::ranges::copy(header.tokenizer, &bytes[24]);
  store_u32(&bytes[kHeaderCrcOffset], crc32c(bytes.data(), kHeaderCrcOffset));
  put(out_, bytes);
  pending_.reserve(kTokenStreamMaxPayloadBytes);
}

void TokenStreamWriter::append(std::span<const std::uint16_t> tokens) {
  if (const auto unknown = find_unknown_token(tokens, header_.vocab_size)) {
    throw UsageError(fmt::format("token {} does not fit a token stream of vocabulary size {}",
                                 tokens[*unknown], header_.vocab_size));
  }
  std::vector<std::uint8_t> scratch;
  for (auto bytes = stored_bytes(tokens, scratch); !bytes.empty();) {
    const auto part =
        bytes.first(std::min(bytes.size(), kTokenStreamMaxPayloadBytes - pending_.size()));
    pending_.insert(pending_.end(), part.begin(), part.end());
    bytes = bytes.subspan(part.size());
    if (pending_.size() == kTokenStreamMaxPayloadBytes) flush_tokens();
  }
  token_count_ += tokens.size();
}

void TokenStreamWriter::flush_tokens() {
  if (pending_.empty()) return;
  write_frame(kTokensKind, pending_);
  pending_.clear();
}

void TokenStreamWriter::finish(std::uint64_t document_count) {
  flush_tokens();
  std::array<std::uint8_t, kEndPayloadBytes> counts{};
  store_u64(&counts[0], token_count_);
  store_u64(&counts[8], document_count);
  write_frame(kEndKind, counts);
  errno = 0;
  if (!out_.flush()) throw_io_error("token stream", "write");
}

void TokenStreamWriter::write_frame(std::uint32_t kind, std::span<const std::uint8_t> payload) {
  std::array<std::uint8_t, 8> head{};
  store_u32(&head[0], kind);
  store_u32(&head[4], static_cast<std::uint32_t>(payload.size()));
  std::array<std::uint8_t, 4> crc{};
  store_u32(crc.data(), crc32c(payload, crc32c(head)));
  put(out_, head);
  put(out_, payload);
  put(out_, crc);
}

TokenStreamReader::TokenStreamReader(std::istream& in, std::string name)
    : in_(in), name_(std::move(name)) {
  std::array<std::uint8_t, kTokenStreamHeaderBytes> bytes{};
  read_exactly(bytes, "header");
  const auto refuse = [&](std::uint64_t offset, const char* field, const std::string& problem) {
    throw FormatError(name_, offset, field, problem);
  };
  if (!std::equal(kMagic.begin(), kMagic.end(), bytes.begin())) {
    refuse(0, "magic", "not a token stream, which begins with GPT2TOKS");
  }
  if (const auto version = load_u32(&bytes[8]); version != kVersion) {
    refuse(8, "version", fmt::format("is {}, this build reads {}", version, kVersion));
  }
  const std::uint32_t crc = crc32c(bytes.data(), kHeaderCrcOffset);
  if (const auto stored = load_u32(&bytes[kHeaderCrcOffset]); stored != crc) {
    refuse(kHeaderCrcOffset, "header_crc32c",
           fmt::format("is {:08x}, the header's bytes give {:08x}", stored, crc));
  }
  header_.vocab_size = load_u32(&bytes[12]);
  if (header_.vocab_size < 1 || header_.vocab_size > kMaxVocabSize) {
    refuse(12, "vocab_size",
           fmt::format("is {}, expected 1 to {}", header_.vocab_size, kMaxVocabSize));
  }
  header_.end_of_text = load_u32(&bytes[16]);
  if (header_.end_of_text != kNoToken && header_.end_of_text >= header_.vocab_size) {
    refuse(16, "end_of_text",
           fmt::format("is {}, not below the vocabulary size {}", header_.end_of_text,
                       header_.vocab_size));
  }
  if (const auto width = load_u32(&bytes[20]); width != kBytesPerToken) {
    refuse(20, "bytes_per_token", fmt::format("is {}, this build reads {}", width, kBytesPerToken));
  }
  std::copy_n(&bytes[24], header_.tokenizer.size(), header_.tokenizer.begin());
  for (std::size_t i = 40; i < kHeaderCrcOffset; ++i) {
    if (bytes[i] != 0) refuse(i, "reserved", fmt::format("is {}, expected 0", bytes[i]));
  }
}

void TokenStreamReader::read_exactly(std::span<std::uint8_t> bytes, const char* field) {
  in_.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  const auto got = static_cast<std::uint64_t>(in_.gcount());
  if (in_.bad()) throw_io_error(name_, "read");
  if (got < bytes.size()) {
    throw FormatError(
        name_, offset_ + got, field,
        fmt::format("the stream ends here, {} more bytes are expected; what wrote it stopped early",
                    bytes.size() - got));
  }
  offset_ += got;
}

bool TokenStreamReader::next(std::vector<std::uint16_t>& tokens) {
  if (ended_) {
    tokens.clear();
    return false;
  }
  const std::uint64_t begin = offset_;
  std::array<std::uint8_t, 8> head{};
  read_exactly(head, "frame");
  const std::uint32_t kind = load_u32(&head[0]), payload_bytes = load_u32(&head[4]);
  if (kind != kTokensKind && kind != kEndKind) {
    throw FormatError(name_, begin, "kind",
                      fmt::format("is {}, this build reads 1 (tokens) and 2 (end)", kind));
  }
  const bool good_size = kind == kEndKind ? payload_bytes == kEndPayloadBytes
                                          : payload_bytes > 0 && payload_bytes % 2 == 0 &&
                                                payload_bytes <= kTokenStreamMaxPayloadBytes;
  if (!good_size) {
    throw FormatError(name_, begin + 4, "payload_bytes",
                      kind == kEndKind
                          ? fmt::format("is {}, expected {}", payload_bytes, kEndPayloadBytes)
                          : fmt::format("is {}, expected an even number from 2 to {}",
                                        payload_bytes, kTokenStreamMaxPayloadBytes));
  }
  if (kind == kEndKind) {
    tokens.clear();
    std::array<std::uint8_t, kEndPayloadBytes> counts{};
    read_payload(head, counts, "end frame");
    end(begin + 8, load_u64(&counts[0]), load_u64(&counts[8]));
    return false;
  }
  tokens.resize(payload_bytes / 2);
  read_payload(head, storage_of(tokens), "tokens");
  stored_to_tokens(tokens);
  if (const auto unknown = find_unknown_token(tokens, header_.vocab_size)) {
    throw FormatError(name_, begin + 8 + 2 * *unknown, "token",
                      fmt::format("is {}, not below the vocabulary size {}", tokens[*unknown],
                                  header_.vocab_size));
  }
  token_count_ += tokens.size();
  return true;
}

void TokenStreamReader::read_payload(std::span<const std::uint8_t> head,
                                     std::span<std::uint8_t> payload, const char* field) {
  std::array<std::uint8_t, 4> stored{};
  read_exactly(payload, field);
  read_exactly(stored, field);
  const std::uint32_t crc = crc32c(payload, crc32c(head));
  if (load_u32(stored.data()) != crc) {
    throw FormatError(
        name_, offset_ - 4, "frame_crc32c",
        fmt::format("is {:08x}, the frame's bytes give {:08x}", load_u32(stored.data()), crc));
  }
}

void TokenStreamReader::end(std::uint64_t offset, std::uint64_t stated_tokens,
                            std::uint64_t stated_documents) {
  if (stated_tokens != token_count_) {
    throw FormatError(name_, offset, "token_count",
                      fmt::format("is {}, the frames hold {}", stated_tokens, token_count_));
  }
  if (in_.peek() != std::istream::traits_type::eof()) {
    throw FormatError(name_, offset_, "end of stream", "bytes follow the end frame");
  }
  if (in_.bad()) throw_io_error(name_, "read");
  document_count_ = stated_documents;
  ended_ = true;
}

}  // namespace gpt2::formats
