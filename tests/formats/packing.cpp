// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tests/formats/packing.h"

#include <lz4.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "tests/formats/little_endian.h"

namespace gpt2::formats {
namespace {

void require(bool condition, const char* problem) {
  if (!condition) throw std::logic_error(problem);
}
const Bytef* zlib_bytes(std::string_view text) {
  return reinterpret_cast<const Bytef*>(text.data());
}

}  // namespace

std::string stored_gzip(std::string_view text) {
  require(text.size() <= 65535, "too long for a stored block");
  const std::string header("\x1F\x8B\x08\0\0\0\0\0\0\xFF", 10);
  const auto crc = crc32(0, zlib_bytes(text), static_cast<uInt>(text.size()));
  return header + '\1' + u16(text.size()) + u16(~text.size()) + std::string(text) + u32(crc) +
         u32(text.size());
}

std::string stored_zstd(std::string_view text, int window_log) {
  require(text.size() <= 1024, "too long for the window");
  const std::size_t last_raw_block = text.size() << 3 | 1;
  return u32(ZSTD_MAGICNUMBER) + '\0' + static_cast<char>((window_log - 10) << 3) +
         u32(last_raw_block).substr(0, 3) + std::string(text);
}

std::string skippable_zstd(std::string_view content) {
  return u32(ZSTD_MAGIC_SKIPPABLE_START + 7) + u32(content.size()) + std::string(content);
}

std::string stored_snappy(std::string_view text) {
  require(text.size() <= 60, "too long for one literal");
  const auto size = static_cast<char>(text.size());
  if (text.empty()) return {size};
  return size + std::string(1, static_cast<char>((text.size() - 1) << 2)) + std::string(text);
}

std::string stored_lz4(std::string_view text) {
  require(text.size() < 15 + 255, "too long for one literal");
  const std::size_t begun = std::min<std::size_t>(text.size(), 15);
  std::string token(1, static_cast<char>(begun << 4));
  if (begun == 15) token += static_cast<char>(text.size() - 15);
  return token + std::string(text);
}

std::string pack_gzip(std::string_view text) {
  z_stream stream{};
  require(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK, "zlib");
  std::string packed(deflateBound(&stream, static_cast<uLong>(text.size())), '\0');
  stream.next_in = const_cast<Bytef*>(zlib_bytes(text));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int status = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  require(status == Z_STREAM_END, "zlib");
  return packed;
}

std::string pack_zstd(std::string_view text, bool with_size) {
  const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(),
                                                                     ZSTD_freeCCtx);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_contentSizeFlag, with_size ? 1 : 0);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  const std::size_t bytes =
      ZSTD_compress2(context.get(), packed.data(), packed.size(), text.data(), text.size());
  require(ZSTD_isError(bytes) == 0, "zstd");
  packed.resize(bytes);
  return packed;
}

std::string pack_snappy(std::string_view text) {
  std::string packed;
  snappy::Compress(text.data(), text.size(), &packed);
  return packed;
}

std::string pack_lz4(std::string_view text) {
  const int size = static_cast<int>(text.size());
  std::string packed(static_cast<std::size_t>(LZ4_compressBound(size)), '\0');
  const int bytes =
      LZ4_compress_default(text.data(), packed.data(), size, static_cast<int>(packed.size()));
  require(bytes > 0, "lz4");
  packed.resize(static_cast<std::size_t>(bytes));
  return packed;
}

}  // namespace gpt2::formats
