// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Tokens of 16 bits as shards and streams hold them, little-endian: what is done to every one of
// billions, at the speed of memory.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace gpt2::formats {

/// `tokens` as stored: their own memory on a little-endian machine, else `scratch`.
std::span<const std::uint8_t> stored_bytes(std::span<const std::uint16_t> tokens,
                                           std::vector<std::uint8_t>& scratch);
/// The memory of `tokens`, to read stored bytes into; stored_to_tokens() comes next.
std::span<std::uint8_t> storage_of(std::span<std::uint16_t> tokens);
void stored_to_tokens(std::span<std::uint16_t> tokens);

/// Place of the first token that is not below `vocab_size`.
std::optional<std::size_t> find_unknown_token(std::span<const std::uint16_t> tokens,
                                              std::uint32_t vocab_size);
std::uint64_t count_token(std::span<const std::uint16_t> tokens, std::uint32_t token);

}  // namespace gpt2::formats
