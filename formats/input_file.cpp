// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/input_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>
#include <vector>

#include "formats/byte_source.h"
#include "formats/crc32c.h"
#include "formats/errors.h"

namespace gpt2::formats {

namespace {

FileDescriptor open_for_reading(const std::filesystem::path& path) {
  for (;;) {
    // O_NONBLOCK: a named pipe is refused below instead of waiting for its writer.
    FileDescriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (descriptor.is_open()) return descriptor;
    if (errno == ENOENT || errno == ENOTDIR) {
      throw InputError(fmt::format("{}: no such file", path.string()));
    }
    if (errno != EINTR) throw_io_error(path.string(), "open");
  }
}

/// A file that goes away with its descriptor.
FileDescriptor open_unnamed_file() {
  auto name = (std::filesystem::temp_directory_path() / "gpt2-tools-XXXXXX").string();
  FileDescriptor file(::mkostemp(name.data(), O_CLOEXEC));
  if (!file.is_open()) throw_io_error(name, "making a temporary file");
  ::unlink(name.c_str());
  return file;
}

void write_all(const FileDescriptor& file, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(file.number(), bytes.data(), bytes.size());
    if (put < 0 && errno != EINTR) throw_io_error("standard input", "copying to a temporary file");
    if (put > 0) bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
}

}  // namespace

InputFile::InputFile(std::filesystem::path path) : InputFile(path, open_for_reading(path)) {}

InputFile::InputFile(std::filesystem::path path, FileDescriptor descriptor)
    : path_(std::move(path)), descriptor_(std::move(descriptor)) {
  struct stat status {};
  if (::fstat(descriptor_.number(), &status) != 0) throw_io_error(path_.string(), "stat");
  if (!S_ISREG(status.st_mode)) {
    throw InputError(fmt::format("{}: is not a regular file", path_.string()));
  }
  bytes_ = static_cast<std::uint64_t>(status.st_size);
}

InputFile InputFile::standard_input() {
  StoredBytes input("-");
  if (input.is_regular_file()) return {input.name(), std::move(input).descriptor()};
  FileDescriptor copy = open_unnamed_file();
  for (auto bytes = input.window(); !bytes.empty(); bytes = input.window()) {
    write_all(copy, bytes);
    input.consume(bytes.size());
  }
  return {input.name(), std::move(copy)};
}

void InputFile::read(std::uint64_t offset, std::span<std::uint8_t> out) const {
  while (!out.empty()) {
    const auto got =
        ::pread(descriptor_.number(), out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0) {
      if (errno == EINTR) continue;
      throw_io_error(path_.string(), "read");
    }
    if (got == 0) {
      throw FormatError(path_.string(), offset, "end of file",
                        fmt::format("{} more bytes are expected here", out.size()));
    }
    offset += static_cast<std::uint64_t>(got);
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

std::string load_file(const std::filesystem::path& path, std::uint64_t limit_bytes) {
  const InputFile file(path);
  if (file.bytes() > limit_bytes) {
    throw FormatError(
        path.string(), limit_bytes, "size",
        fmt::format("is {} bytes, at most {} are expected", file.bytes(), limit_bytes));
  }
  std::string text(file.bytes(), '\0');
  file.read(0, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  return text;
}

std::uint32_t crc32c_of_file(const InputFile& file) {
  std::vector<std::uint8_t> piece(std::size_t{1} << 20);
  std::uint32_t crc = 0;
  for (std::uint64_t offset = 0; offset < file.bytes();) {
    const std::span bytes(piece.data(),
                          std::min<std::uint64_t>(piece.size(), file.bytes() - offset));
    file.read(offset, bytes);
    crc = crc32c(bytes, crc);
    offset += bytes.size();
  }
  return crc;
}

}  // namespace gpt2::formats
