// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Compressed bytes for tests. stored_* are written by hand, so that they are the same whatever
// version of a library is installed; pack_* squeeze with the libraries.
#pragma once

#include <string>
#include <string_view>

namespace gpt2::formats {

/// A gzip member with one stored block; at most 65,535 bytes.
std::string stored_gzip(std::string_view text);
/// A zstd frame with one raw block and no content size; `window_log` is 10 to 41. At most 1 KiB.
std::string stored_zstd(std::string_view text, int window_log = 10);
/// A frame that readers pass over.
std::string skippable_zstd(std::string_view content);
/// A Snappy block of one literal; at most 60 bytes.
std::string stored_snappy(std::string_view text);
/// A raw LZ4 block of one literal; at most 269 bytes.
std::string stored_lz4(std::string_view text);

std::string pack_gzip(std::string_view text);
/// With a checksum, and with the content size if `with_size`.
std::string pack_zstd(std::string_view text, bool with_size = true);
std::string pack_snappy(std::string_view text);
std::string pack_lz4(std::string_view text);

}  // namespace gpt2::formats
