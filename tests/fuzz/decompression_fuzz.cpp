// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What comes out, or that it is refused, does not depend on the sizes of the reads.
#include <optional>
#include <vector>

#include "formats/decompression.h"
#include "formats/errors.h"
#include "tests/fuzz/fuzz_target.h"

namespace gpt2::fuzz {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 16;  // a few bytes may stand for gigabytes

/// The first bytes that `path` unpacks to, nothing if it is refused before their end.
std::optional<std::string> unpack(const std::string& path, std::size_t piece_bytes) try {
  const auto source = formats::open_byte_source(path);
  std::vector<std::uint8_t> piece(piece_bytes);
  std::string text;
  for (std::size_t got = piece_bytes; got == piece_bytes && text.size() < kMostBytes;) {
    got = source->read(piece);
    text.append(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(got));
  }
  return text;
} catch (const formats::FormatError&) {
  return {};
}

}  // namespace

void check(std::string_view input) {
  const auto path = write_scratch_file("packed", input);
  const auto text = unpack(path, kMostBytes);
  require(text == unpack(path, kMostBytes / 64), "equal bytes by smaller reads");
  if (text && text->size() < 4096) require(text == unpack(path, 1), "equal bytes one by one");
}

}  // namespace gpt2::fuzz
