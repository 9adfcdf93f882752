// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/byte_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "formats/errors.h"

namespace gpt2::formats {

bool is_standard_input(std::string_view path) { return path == "-"; }

std::string name_in_errors(std::string_view path) {
  return std::string(is_standard_input(path) ? "standard input" : path);
}

StoredBytes::StoredBytes(std::string_view path) : name_(name_in_errors(path)) {
  // A copy of standard input's descriptor: the original is not ours to close.
  descriptor_ = FileDescriptor(is_standard_input(path)
                                   ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
                                   : ::open(name_.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!descriptor_.is_open() || ::fstat(descriptor_.number(), &status) != 0) {
    throw InputError(fmt::format("{}: {}", name_, std::strerror(errno)));
  }
  if (S_ISDIR(status.st_mode)) {
    throw InputError(fmt::format("{}: is a directory; name the files in it", name_));
  }
  is_regular_file_ = S_ISREG(status.st_mode);
  buffer_ = std::make_unique_for_overwrite<std::uint8_t[]>(kWindowBytes);
}

std::span<const std::uint8_t> StoredBytes::window(std::size_t wanted) {
  if (end_ - begin_ < wanted) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
    // As much as comes without waiting for more than was asked.
    while (end_ < wanted) {
      const std::size_t got = read_descriptor({buffer_.get() + end_, kWindowBytes - end_});
      if (got == 0) break;
      end_ += got;
    }
  }
  return {buffer_.get() + begin_, end_ - begin_};
}

void StoredBytes::consume(std::size_t bytes) {
  begin_ += bytes;
  offset_ += bytes;
}

std::size_t StoredBytes::read(std::span<std::uint8_t> out) {
  std::size_t filled = std::min(out.size(), end_ - begin_);
  std::memcpy(out.data(), buffer_.get() + begin_, filled);
  begin_ += filled;
  while (filled < out.size()) {
    const std::size_t got = read_descriptor(out.subspan(filled));
    if (got == 0) break;
    filled += got;
  }
  offset_ += filled;
  return filled;
}

std::size_t StoredBytes::read_descriptor(std::span<std::uint8_t> out) const {
  for (;;) {
    const ssize_t got = ::read(descriptor_.number(), out.data(), out.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) throw_io_error(name_, "reading");
  }
}

}  // namespace gpt2::formats
