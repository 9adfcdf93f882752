// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Bytes that come one after the other: a file or a pipe as it is, or what a decompressor makes of
// it (formats/decompression.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "formats/file_descriptor.h"

namespace gpt2::formats {

/// A stream of bytes of any length; nothing but a reader's buffer is held in memory.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Fills `out` from its front and gives the count; fewer than its size come only at the end.
  /// Throws: IoError; FormatError when stored bytes are damaged or cut.
  virtual std::size_t read(std::span<std::uint8_t> out) = 0;
  /// Bytes taken so far from the file or pipe, which are fewer than those given when it is
  /// compressed.
  virtual std::uint64_t stored_bytes_read() const = 0;
};

/// "-" is standard input.
bool is_standard_input(std::string_view path);
/// What errors call `path`: itself, or "standard input".
std::string name_in_errors(std::string_view path);

/// A file, pipe or standard input as stored, through a window that begins at the first byte not
/// consumed. Owns: a file descriptor. Move-only.
class StoredBytes {
 public:
  /// Throws: InputError if `path` cannot be opened or is a directory.
  explicit StoredBytes(std::string_view path);

  const std::string& name() const { return name_; }
  /// The window, lengthened to `wanted` bytes (at most kWindowBytes) if the file has them; it is
  /// empty only at the end. Throws: IoError.
  std::span<const std::uint8_t> window(std::size_t wanted = 1);
  /// Takes bytes off the front of the window.
  void consume(std::size_t bytes);
  /// Moves bytes to `out` as ByteSource::read does, past the window where that saves a copy.
  std::size_t read(std::span<std::uint8_t> out);
  /// Bytes consumed so far: where in the file the window begins.
  std::uint64_t offset() const { return offset_; }

  bool is_regular_file() const { return is_regular_file_; }
  /// Gives the descriptor away.
  FileDescriptor descriptor() && { return std::move(descriptor_); }

  static constexpr std::size_t kWindowBytes = std::size_t{256} << 10;

 private:
  std::size_t read_descriptor(std::span<std::uint8_t> out) const;
  std::string name_;
  FileDescriptor descriptor_;
  bool is_regular_file_ = false;
  std::unique_ptr<std::uint8_t[]> buffer_;  // kWindowBytes
  std::size_t begin_ = 0, end_ = 0;
  std::uint64_t offset_ = 0;
};

}  // namespace gpt2::formats
