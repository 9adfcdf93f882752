// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A stream that is accepted, written again, gives the same tokens, and is then written byte for
// byte.
#include <optional>
#include <sstream>

#include "formats/byte_codec.h"
#include "formats/crc32c.h"
#include "formats/errors.h"
#include "formats/token_stream.h"
#include "tests/fuzz/fuzz_target.h"

namespace gpt2::fuzz {
namespace {

using namespace formats;

struct Contents {
  TokenStreamHeader header;
  std::vector<std::uint16_t> tokens;
  std::uint64_t document_count = 0;

  bool operator==(const Contents&) const = default;
};

std::optional<Contents> read(const std::string& bytes) {
  std::istringstream in(bytes);
  Contents contents;
  try {
    TokenStreamReader reader(in, "stream");
    contents.header = reader.header();
    for (std::vector<std::uint16_t> block; reader.next(block);) {
      contents.tokens.insert(contents.tokens.end(), block.begin(), block.end());
    }
    require(reader.token_count() == contents.tokens.size(), "the count is that of the tokens");
    contents.document_count = reader.document_count();
  } catch (const FormatError&) {
    return {};
  }
  return contents;
}

std::string write(const Contents& contents) {
  std::ostringstream out;
  TokenStreamWriter writer(out, contents.header);
  writer.append(contents.tokens);
  writer.finish(contents.document_count);
  return out.str();
}

void check_stream(const std::string& bytes) {
  const auto contents = read(bytes);
  if (!contents) return;
  const std::string written = write(*contents);
  const auto again = read(written);
  require(again == contents, "the same header, tokens and count come back");
  require(write(*again) == written, "what is read is written as it was");
}

/// The same bytes with the checksums of header and frames that they should have.
std::string with_checksums(std::string bytes) {
  auto* data = reinterpret_cast<std::uint8_t*>(bytes.data());
  if (bytes.size() < kTokenStreamHeaderBytes) return bytes;
  store_u32(data + 60, crc32c(data, 60));
  for (std::uint64_t begin = kTokenStreamHeaderBytes; begin + 8 <= bytes.size();) {
    const std::uint64_t end = begin + 8 + load_u32(data + begin + 4);
    if (end + 4 > bytes.size()) break;
    store_u32(data + end, crc32c(data + begin, end - begin));
    begin = end + 4;
  }
  return bytes;
}

}  // namespace

void check(std::string_view input) {
  check_stream(std::string(input));
  check_stream(with_checksums(std::string(input)));
}

}  // namespace gpt2::fuzz
