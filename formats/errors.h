// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The errors of the whole project: one class per exit code of the tools, so that a library says
// what went wrong once and tools/cli turns it into a code. Messages are one sentence: what, where,
// what to do.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace gpt2::formats {

/// Base of every error the project throws on purpose.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
/// Values that do not fit together, or a wrong option (exit 64).
class UsageError : public Error {
 public:
  using Error::Error;
};
/// Input that is missing, refused or damaged (exit 65).
class InputError : public Error {
 public:
  using Error::Error;
};
/// Bytes that break a format: names path, byte offset, field, what was found and expected (exit
/// 65).
class FormatError : public InputError {
 public:
  using InputError::InputError;
  FormatError(std::string_view path, std::uint64_t offset, std::string_view field,
              std::string_view problem);
};
/// A device, rank or network that is not available (exit 69).
class UnavailableError : public Error {
 public:
  using Error::Error;
};
/// An output that exists already or is in use (exit 73).
class ExistsError : public Error {
 public:
  using Error::Error;
};
/// Reading or writing failed: the message holds path and errno's text (exit 74).
class IoError : public Error {
 public:
  using Error::Error;
};
/// Stopped by a signal after saving; run again to go on (exit 75).
class StoppedError : public Error {
 public:
  using Error::Error;
};
/// Training diverged (exit 76).
class DivergedError : public Error {
 public:
  using Error::Error;
};
/// Configuration contradicts the data or the checkpoint (exit 78).
class ContradictionError : public Error {
 public:
  using Error::Error;
};

/// IoError with "path: action: text of errno". Call right after the failed call.
[[noreturn]] void throw_io_error(std::string_view path, std::string_view action);

}  // namespace gpt2::formats
