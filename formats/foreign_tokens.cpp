// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/foreign_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "formats/byte_codec.h"
#include "formats/errors.h"

namespace gpt2::formats {
namespace {

constexpr std::array<std::uint8_t, 6> kNumpyMagic{0x93, 'N', 'U', 'M', 'P', 'Y'};
/// The dictionary of a one-dimensional array has 60 to 80 bytes before it is padded to 64.
constexpr std::uint64_t kMostDictionaryBytes = 4096;
/// Its address in bytes still fits 64 bits.
constexpr std::uint64_t kMostTokens = std::uint64_t{1} << 48;

/// The dictionary {'descr': '<u2', 'fortran_order': False, 'shape': (N,), }: NumPy writes its keys
/// sorted, its words without escapes.
class NumpyDictionary {
 public:
  NumpyDictionary(std::string_view text, std::string_view path, std::uint64_t offset)
      : path_(path), offset_(offset) {
    std::copy_if(text.begin(), text.end(), std::back_inserter(text_),
                 [](char c) { return c != ' ' && c != '\n'; });
    left_ = text_;
  }

  std::uint64_t token_count() {
    expect("{'descr':");
    const auto type = until(",'fortran_order':");
    if (type != "'<u2'") {
      refuse("descr", fmt::format("is {}, expected '<u2': tokens of 16 bits without sign "
                                  "(array.astype(numpy.uint16))",
                                  type));
    }
    const auto order = until(",'shape':(");  // of one dimension both are the same
    if (order != "True" && order != "False") refuse("fortran_order", "is neither True nor False");
    const auto shape = until(")");
    std::uint64_t count = 0;
    const auto [end, error] = std::from_chars(shape.data(), shape.data() + shape.size(), count);
    if (error != std::errc() || std::string_view(end, shape.data() + shape.size()) != "," ||
        count > kMostTokens) {
      refuse("shape", fmt::format("is ({}), expected one dimension", shape));
    }
    if (left_ != "}" && left_ != ",}") refuse("shape", "is not the last of three keys");
    return count;
  }

 private:
  [[noreturn]] void refuse(std::string_view field, const std::string& problem) const {
    throw FormatError(path_, offset_, field, problem);
  }
  void expect(std::string_view start) {
    if (!left_.starts_with(start)) refuse("descr", "is not the first key");
    left_.remove_prefix(start.size());
  }
  std::string_view until(std::string_view end) {
    const auto place = left_.find(end);
    if (place == left_.npos) refuse("header", fmt::format("has no {}", end));
    const auto found = left_.substr(0, place);
    left_.remove_prefix(place + end.size());
    return found;
  }

  std::string_view path_;
  std::uint64_t offset_;
  std::string text_;
  std::string_view left_;
};

}  // namespace

bool begins_as_numpy(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= kNumpyMagic.size() &&
         std::equal(kNumpyMagic.begin(), kNumpyMagic.end(), bytes.begin());
}

TokenExtent numpy_tokens(const InputFile& file) {
  const auto path = file.path().string();
  std::array<std::uint8_t, 12> start{};
  file.read(0, std::span(start).first(std::min<std::uint64_t>(start.size(), file.bytes())));
  if (!begins_as_numpy(start)) throw FormatError(path, 0, "magic", "is not NumPy's");
  const auto version = start[6];
  if (version < 1 || version > 3) {
    throw FormatError(path, 6, "version", fmt::format("is {}, this build reads 1 to 3", version));
  }
  const std::uint64_t begin = version == 1 ? 10 : 12;
  const std::uint64_t bytes = version == 1 ? load_u16(&start[8]) : load_u32(&start[8]);
  if (bytes > kMostDictionaryBytes || begin + bytes > file.bytes()) {
    throw FormatError(path, 8, "header_len",
                      fmt::format("is {}; the file has {} bytes, and a header of tokens at most {}",
                                  bytes, file.bytes(), kMostDictionaryBytes));
  }
  std::string text(bytes, '\0');
  file.read(begin, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  const TokenExtent extent{.offset = begin + bytes,
                           .token_count = NumpyDictionary(text, path, begin).token_count()};
  if (const auto expected = extent.offset + 2 * extent.token_count; expected != file.bytes()) {
    throw FormatError(path, begin, "shape",
                      fmt::format("is ({},), a file of {} bytes; the file has {}",
                                  extent.token_count, expected, file.bytes()));
  }
  return extent;
}

TokenExtent bare_tokens(const InputFile& file) {
  if (file.bytes() % 2 != 0) {
    throw FormatError(file.path().string(), file.bytes() - 1, "token",
                      fmt::format("is cut: {} bytes are no number of 16-bit tokens", file.bytes()));
  }
  return {.offset = 0, .token_count = file.bytes() / 2};
}

}  // namespace gpt2::formats
