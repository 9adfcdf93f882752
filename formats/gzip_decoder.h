// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// One gzip member after the other, by zlib.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

struct z_stream_s;

namespace gpt2::formats {

/// Unpacks gzip members (RFC 1952) piece by piece. Owns: zlib's memory, about 40 KB.
class GzipDecoder {
 public:
  GzipDecoder();
  ~GzipDecoder();
  GzipDecoder(const GzipDecoder&) = delete;
  GzipDecoder& operator=(const GzipDecoder&) = delete;

  struct Step {
    std::size_t consumed = 0, produced = 0;  // bytes of `in` and `out`
    bool ends_member = false;                // its checksum and length were right
    const char* problem = nullptr;           // what is wrong with the bytes, if anything is
  };
  /// Unpacks until `in` or `out` is used up or the member ends. After that a new member begins.
  Step decode(std::span<const std::uint8_t> in, std::span<std::uint8_t> out);

 private:
  std::unique_ptr<z_stream_s> stream_;
};

}  // namespace gpt2::formats
