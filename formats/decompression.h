// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Compressed input: gzip and zstd, unpacked while they are read. Spec: formats/decompression.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "formats/byte_source.h"

namespace gpt2::formats {

/// A zstd frame that asks for a larger window is refused: memory for it is set aside at once.
inline constexpr int kZstdMaxWindowLog = 27;

/// Opens a file, or standard input for "-". Its first bytes say whether it is unpacked; a name that
/// ends in .gz or .zst must keep its promise.
/// Throws: InputError if it cannot be opened; FormatError if it is packed in a way that is not
/// read, or not packed although its name says so; IoError.
std::unique_ptr<ByteSource> open_byte_source(std::string_view path);

}  // namespace gpt2::formats
