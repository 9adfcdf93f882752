// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/stored_tokens.h"

#include <algorithm>
#include <bit>

#include "formats/byte_codec.h"

namespace gpt2::formats {
namespace {

constexpr bool kStoredAsInMemory = std::endian::native == std::endian::little;

}  // namespace

std::span<const std::uint8_t> stored_bytes(std::span<const std::uint16_t> tokens,
                                           std::vector<std::uint8_t>& scratch) {
  if constexpr (kStoredAsInMemory) {
    return {reinterpret_cast<const std::uint8_t*>(tokens.data()), tokens.size_bytes()};
  }
  scratch.resize(tokens.size_bytes());
  for (std::size_t i = 0; i < tokens.size(); ++i) store_u16(&scratch[2 * i], tokens[i]);
  return scratch;
}

std::span<std::uint8_t> storage_of(std::span<std::uint16_t> tokens) {
  return {reinterpret_cast<std::uint8_t*>(tokens.data()), tokens.size_bytes()};
}

void stored_to_tokens(std::span<std::uint16_t> tokens) {
  if constexpr (kStoredAsInMemory) return;
  const auto bytes = storage_of(tokens);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = load_u16(&bytes[2 * i]);
}

std::optional<std::size_t> find_unknown_token(std::span<const std::uint16_t> tokens,
                                              std::uint32_t vocab_size) {
  std::uint16_t highest = 0;  // found without a branch for each token
  for (const auto token : tokens) highest = std::max(highest, token);
  if (highest < vocab_size || tokens.empty()) return std::nullopt;
  const auto unknown =
      std::ranges::find_if(tokens, [&](auto token) { return token >= vocab_size; });
  return static_cast<std::size_t>(unknown - tokens.begin());
}

std::uint64_t count_token(std::span<const std::uint16_t> tokens, std::uint32_t token) {
  const auto narrow = static_cast<std::uint16_t>(token);
  if (narrow != token) return 0;
  constexpr std::size_t kBlock = 1 << 15;  // its count fits 16 bits, as wide as the tokens
  std::uint64_t count = 0;
  for (auto rest = tokens; !rest.empty();) {
    const auto block = rest.first(std::min(rest.size(), kBlock));
    std::uint16_t in_block = 0;
    for (const auto other : block) {
      in_block = static_cast<std::uint16_t>(in_block + (other == narrow ? 1 : 0));
    }
    count += in_block;
    rest = rest.subspan(block.size());
  }
  return count;
}

}  // namespace gpt2::formats
