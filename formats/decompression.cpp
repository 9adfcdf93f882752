// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/decompression.h"

#include <fmt/format.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <array>
#include <new>
#include <utility>

#include "formats/byte_codec.h"
#include "formats/errors.h"
#include "formats/gzip_decoder.h"

namespace gpt2::formats {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kMagicBytes = 10;     // the longest of those below
constexpr std::size_t kMostHeadBytes = 18;  // of a zstd frame, before its first block

bool has_at(std::span<const std::uint8_t> bytes, std::size_t offset, std::string_view magic) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return text.size() >= offset && text.substr(offset).starts_with(magic);
}

bool begins_gzip_member(std::span<const std::uint8_t> bytes) {
  return has_at(bytes, 0, "\x1F\x8B");
}

bool begins_zstd_frame(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 4) return false;
  const std::uint32_t magic = load_u32(bytes.data());
  return magic == ZSTD_MAGICNUMBER ||
         (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

/// A packing that is not read, and would give nonsense if it were taken for text.
struct OtherPacking {
  std::size_t magic_offset;
  std::string_view magic, name, unpack;
};
constexpr std::array<OtherPacking, 4> kOtherPackings{
    {{0, "\xFD\x37\x7A\x58\x5A\0"sv, "xz", "xz -dc"},
     {4, "\x31\x41\x59\x26\x53\x59", "bzip2", "bzip2 -dc"},
     {0, "\x04\x22\x4D\x18", "lz4", "lz4 -dc"},
     {0, "PK\x03\x04", "zip", "unzip -p"}}};

class PlainSource : public ByteSource {
 public:
  explicit PlainSource(StoredBytes stored) : stored_(std::move(stored)) {}
  std::size_t read(std::span<std::uint8_t> out) override { return stored_.read(out); }
  std::uint64_t stored_bytes_read() const override { return stored_.offset(); }

 private:
  StoredBytes stored_;
};

/// Units one after the other, each complete in itself: gzip's members, zstd's frames.
class UnpackingSource : public ByteSource {
 public:
  UnpackingSource(StoredBytes stored, const char* unit) : stored_(std::move(stored)), unit_(unit) {}

  std::size_t read(std::span<std::uint8_t> out) override {
    std::size_t filled = 0;
    while (filled < out.size()) {
      if (between_units_) {
        const auto head = stored_.window(kMostHeadBytes);
        if (head.empty()) break;
        if (!begin_unit(head)) refuse("other bytes follow the last one");
      }
      const auto packed = stored_.window();
      const Step step = decode(packed, out.subspan(filled));
      if (packed.empty() && step.produced == 0 && !step.ends_unit) {
        refuse("the file ends before it does");
      }
      stored_.consume(step.consumed);
      filled += step.produced;
      between_units_ = step.ends_unit;
    }
    return filled;
  }
  std::uint64_t stored_bytes_read() const override { return stored_.offset(); }

 protected:
  struct Step {
    std::size_t consumed = 0, produced = 0;
    bool ends_unit = false;
  };
  /// False if these first bytes are of no unit.
  virtual bool begin_unit(std::span<const std::uint8_t> head) = 0;
  virtual Step decode(std::span<const std::uint8_t> packed, std::span<std::uint8_t> out) = 0;
  [[noreturn]] void refuse(std::string_view problem) const {
    throw FormatError(stored_.name(), stored_.offset(), unit_, problem);
  }

 private:
  StoredBytes stored_;
  const char* unit_;
  bool between_units_ = true;
};

class GzipSource : public UnpackingSource {
 public:
  explicit GzipSource(StoredBytes stored) : UnpackingSource(std::move(stored), "gzip member") {}

 private:
  bool begin_unit(std::span<const std::uint8_t> head) override { return begins_gzip_member(head); }
  Step decode(std::span<const std::uint8_t> packed, std::span<std::uint8_t> out) override {
    const GzipDecoder::Step step = decoder_.decode(packed, out);
    if (step.problem != nullptr) refuse(fmt::format("is damaged: {}", step.problem));
    return {step.consumed, step.produced, step.ends_member};
  }
  GzipDecoder decoder_;
};

class ZstdSource : public UnpackingSource {
 public:
  explicit ZstdSource(StoredBytes stored)
      : UnpackingSource(std::move(stored), "zstd frame"), context_(ZSTD_createDCtx()) {
    if (!context_) throw std::bad_alloc();
    ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kZstdMaxWindowLog);
  }

 private:
  bool begin_unit(std::span<const std::uint8_t> head) override {
    if (!begins_zstd_frame(head)) return false;
    promised_ = ZSTD_getFrameContentSize(head.data(), head.size());
    produced_ = 0;
    return true;
  }
  Step decode(std::span<const std::uint8_t> packed, std::span<std::uint8_t> out) override {
    ZSTD_inBuffer in{packed.data(), packed.size(), 0};
    ZSTD_outBuffer unpacked{out.data(), out.size(), 0};
    const std::size_t status = ZSTD_decompressStream(context_.get(), &unpacked, &in);
    if (ZSTD_isError(status) != 0) refuse(describe(status));
    produced_ += unpacked.pos;
    // Not looked at by ZSTD_decompressStream if the last block is empty.
    if (status == 0 && promised_ < ZSTD_CONTENTSIZE_ERROR && produced_ != promised_) {
      refuse(
          fmt::format("is damaged: holds {} bytes where its head says {}", produced_, promised_));
    }
    return {in.pos, unpacked.pos, status == 0};
  }
  static std::string describe(std::size_t status) {
    switch (ZSTD_getErrorCode(status)) {
      case ZSTD_error_memory_allocation:
        throw std::bad_alloc();
      case ZSTD_error_frameParameter_windowTooLarge:
        return fmt::format(
            "asks for a window of more than {} MiB; unpack it first by zstd -dc --long=31",
            (1 << kZstdMaxWindowLog) >> 20);
      case ZSTD_error_dictionary_wrong:
        return "was packed with a dictionary, which is not here";
      default:
        return fmt::format("is damaged: {}", ZSTD_getErrorName(status));
    }
  }
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  std::unique_ptr<ZSTD_DCtx, Free> context_;
  // Bytes of text of the frame; promised_ may be ZSTD_CONTENTSIZE_UNKNOWN.
  unsigned long long promised_ = 0, produced_ = 0;
};

}  // namespace

std::unique_ptr<ByteSource> open_byte_source(std::string_view path) {
  StoredBytes stored(path);
  const auto magic = stored.window(kMagicBytes);
  if (begins_gzip_member(magic)) return std::make_unique<GzipSource>(std::move(stored));
  if (begins_zstd_frame(magic)) return std::make_unique<ZstdSource>(std::move(stored));
  for (const OtherPacking& other : kOtherPackings) {
    if (!has_at(magic, other.magic_offset, other.magic)) continue;
    throw FormatError(
        stored.name(), 0, "packing",
        fmt::format("is {}, which is not read; unpack it first by {}", other.name, other.unpack));
  }
  for (const auto& [ending, packing] : {std::pair{".gz", "gzip"}, {".zst", "zstd"}}) {
    if (!path.ends_with(ending)) continue;
    throw FormatError(
        stored.name(), 0, "packing",
        fmt::format("is not {}, which the name promises; rename it if it is not packed", packing));
  }
  return std::make_unique<PlainSource>(std::move(stored));
}

}  // namespace gpt2::formats
