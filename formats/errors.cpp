// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/errors.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace gpt2::formats {

FormatError::FormatError(std::string_view path, std::uint64_t offset, std::string_view field,
                         std::string_view problem)
    : InputError(fmt::format("{}: byte {}, {}: {}", path, offset, field, problem)) {}

void throw_io_error(std::string_view path, std::string_view action) {
  const int code = errno;
  throw IoError(fmt::format("{}: {}: {}", path, action, std::generic_category().message(code)));
}

}  // namespace gpt2::formats
