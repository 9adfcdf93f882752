// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A regular file open for reading at any place; what every reader of a format stands on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "formats/file_descriptor.h"

namespace gpt2::formats {

/// Reads by position, so several threads may share one. Owns: the file descriptor. Move-only.
class InputFile {
 public:
  /// Throws: InputError if `path` is missing or no regular file; IoError.
  explicit InputFile(std::filesystem::path path);
  /// Standard input; what comes through a pipe is copied to a temporary file without a name first,
  /// since it cannot be read by position. Throws: IoError.
  static InputFile standard_input();

  const std::filesystem::path& path() const { return path_; }
  /// Bytes that the file had when it was opened.
  std::uint64_t bytes() const { return bytes_; }
  /// Fills `out` from byte `offset` on. Throws: IoError; FormatError if the file ends before.
  void read(std::uint64_t offset, std::span<std::uint8_t> out) const;

 private:
  InputFile(std::filesystem::path path, FileDescriptor descriptor);
  std::filesystem::path path_;
  FileDescriptor descriptor_;
  std::uint64_t bytes_ = 0;
};

/// All bytes of a file. Throws: as InputFile; FormatError if it has more than `limit_bytes`.
std::string load_file(const std::filesystem::path& path, std::uint64_t limit_bytes);
/// CRC-32C of the whole file, read piece by piece. Throws: as InputFile::read.
std::uint32_t crc32c_of_file(const InputFile& file);

}  // namespace gpt2::formats
