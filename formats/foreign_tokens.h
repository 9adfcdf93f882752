// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Token files of trainers that have no shard header: a NumPy array of uint16 (build-nanogpt), or
// nothing but the tokens (nanoGPT). Spec: formats/foreign_tokens.md.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "formats/input_file.h"

namespace gpt2::formats {

/// Where the tokens of a file lie, one after the other to its end.
struct TokenExtent {
  std::uint64_t offset = 0;  // of the first, in bytes
  std::uint64_t token_count = 0;
};

/// Does a file that begins with `bytes` hold a NumPy array?
bool begins_as_numpy(std::span<const std::uint8_t> bytes);
/// Throws: FormatError: not one dimension of uint16, a header that cannot be, a size that is not
/// the file's; IoError.
TokenExtent numpy_tokens(const InputFile& file);
/// Throws: FormatError for an odd number of bytes.
TokenExtent bare_tokens(const InputFile& file);

}  // namespace gpt2::formats
