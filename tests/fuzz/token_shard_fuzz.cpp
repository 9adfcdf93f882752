// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A shard that is accepted and verified comes out of the writer byte for byte; of an array of
// NumPy's, all bytes behind its header are tokens.
#include "formats/byte_codec.h"
#include "formats/crc32c.h"
#include "formats/errors.h"
#include "formats/token_shard.h"
#include "tests/fuzz/fuzz_target.h"

namespace gpt2::fuzz {
namespace {

using namespace formats;

std::span<const std::uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

void check_shard(std::string_view bytes) {
  const auto path = write_scratch_file("shard", bytes);
  TokenShardHeader header;
  std::vector<std::uint16_t> tokens;
  try {
    const TokenShardReader reader(path);
    reader.verify();
    header = reader.header();
    tokens.resize(header.token_count);
    reader.read(0, tokens);
  } catch (const FormatError&) {
    return;
  }
  if (begins_as_numpy(as_bytes(bytes))) {
    const InputFile file(path);
    const auto [offset, token_count] = numpy_tokens(file);
    require(
        header.foreign && token_count == tokens.size() && offset + 2 * token_count == bytes.size(),
        "an array's tokens go to the end of the file");
    require(tokens.empty() || load_u16(as_bytes(bytes).data() + offset) == tokens[0],
            "an array's tokens begin behind its header");
    return;
  }
  if (header.foreign) {
    const auto written = encode_token_shard_header(header);
    require(std::equal(written.begin(), written.end(),
                       reinterpret_cast<const std::uint8_t*>(bytes.data())),
            "the header of a foreign shard is written as it was read");
    return;
  }
  const auto copy = scratch_folder() / "copy";
  TokenShardWriter writer(copy, header);
  writer.append(tokens);
  writer.commit(true);
  require(read_whole(copy) == bytes, "a shard is written as it was read");
}

/// The same bytes with the two checksums that they should have, so that what lies behind them is
/// reached.
std::string with_checksums(std::string bytes) {
  if (bytes.size() < kTokenShardHeaderBytes) return bytes;
  auto* header = reinterpret_cast<std::uint8_t*>(bytes.data());
  store_u32(header + 532,
            crc32c(header + kTokenShardHeaderBytes, bytes.size() - kTokenShardHeaderBytes));
  store_u32(header + 1020, crc32c(header, 1020));
  return bytes;
}

}  // namespace

void check(std::string_view input) {
  check_shard(input);
  check_shard(with_checksums(std::string(input)));
}

}  // namespace gpt2::fuzz
