// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/parquet_codec.h"

#include <fmt/format.h>
#include <lz4.h>
#include <snappy.h>
#include <zstd.h>

#include <cstring>
#include <new>
#include <utility>

#include "formats/gzip_decoder.h"

namespace gpt2::formats {
namespace {

/// The most bytes that can come out of `stored_bytes`. One byte stands at most for: Snappy, a third
/// of a copy of 64 bytes; deflate, four matches of 258; zstd, a quarter of a block of 128 KiB; LZ4,
/// 255 bytes of a match.
std::uint64_t max_unpacked_bytes(ParquetCodec codec, std::uint64_t stored_bytes) {
  switch (codec) {
    case ParquetCodec::kUncompressed:
      return stored_bytes;
    case ParquetCodec::kSnappy:
      return stored_bytes * 22;
    case ParquetCodec::kGzip:
      return stored_bytes * 1032;
    case ParquetCodec::kZstd:
      return stored_bytes * 32768;
    case ParquetCodec::kLz4Raw:
      return stored_bytes * 255;
  }
  return 0;
}

bool unpack_gzip(GzipDecoder& decoder, std::span<const std::uint8_t> stored,
                 std::span<std::uint8_t> out) {
  for (;;) {
    const GzipDecoder::Step step = decoder.decode(stored, out);
    stored = stored.subspan(step.consumed);
    out = out.subspan(step.produced);
    if (step.ends_member && stored.empty()) return out.empty();
    if (step.problem != nullptr || step.consumed + step.produced == 0) return false;
  }
}

bool unpack_snappy(std::span<const std::uint8_t> stored, std::span<std::uint8_t> out) {
  const auto* const packed = reinterpret_cast<const char*>(stored.data());
  std::size_t bytes = 0;
  return snappy::GetUncompressedLength(packed, stored.size(), &bytes) && bytes == out.size() &&
         snappy::RawUncompress(packed, stored.size(), reinterpret_cast<char*>(out.data()));
}

bool unpack_lz4(std::span<const std::uint8_t> stored, std::span<std::uint8_t> out) {
  const int bytes = LZ4_decompress_safe(
      reinterpret_cast<const char*>(stored.data()), reinterpret_cast<char*>(out.data()),
      static_cast<int>(stored.size()), static_cast<int>(out.size()));
  return bytes == static_cast<int>(out.size());
}

}  // namespace

void ByteBuffer::reserve(std::size_t size, std::size_t kept) {
  if (size <= size_) return;
  auto larger = std::make_unique_for_overwrite<std::uint8_t[]>(size);
  if (kept > 0) std::memcpy(larger.get(), bytes_.get(), kept);
  bytes_ = std::move(larger);
  size_ = size;
}

struct ParquetUnpacker::Libraries {
  GzipDecoder gzip;
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> zstd{ZSTD_createDCtx(), ZSTD_freeDCtx};
};

ParquetUnpacker::ParquetUnpacker() : libraries_(std::make_unique<Libraries>()) {
  if (!libraries_->zstd) throw std::bad_alloc();
}
ParquetUnpacker::~ParquetUnpacker() = default;

std::span<const std::uint8_t> ParquetUnpacker::unpack(ParquetCodec codec,
                                                      std::span<const std::uint8_t> stored,
                                                      std::uint32_t bytes, ByteBuffer& buffer,
                                                      const ParquetPagePlace& place) const {
  const auto refuse = [&] {
    place.refuse("page",
                 fmt::format("its {} bytes do not unpack to {}: damaged", stored.size(), bytes));
  };
  if (bytes == 0) return {};  // some writers then store nothing, others an empty block
  if (bytes > max_unpacked_bytes(codec, stored.size())) refuse();
  if (codec == ParquetCodec::kUncompressed) {
    if (stored.size() != bytes) refuse();
    return stored;
  }
  buffer.reserve(bytes);
  bool whole = false;
  const std::span out(buffer.data(), bytes);
  switch (codec) {
    case ParquetCodec::kUncompressed:
      break;
    case ParquetCodec::kSnappy:
      whole = unpack_snappy(stored, out);
      break;
    case ParquetCodec::kGzip:
      whole = unpack_gzip(libraries_->gzip, stored, out);
      break;
    case ParquetCodec::kZstd:
      whole = ZSTD_decompressDCtx(libraries_->zstd.get(), out.data(), out.size(), stored.data(),
                                  stored.size()) == out.size();
      break;
    case ParquetCodec::kLz4Raw:
      whole = unpack_lz4(stored, out);
      break;
  }
  if (!whole) refuse();
  return out;
}

}  // namespace gpt2::formats
