// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// SHA-256 and SHA-1 of bytes that come in pieces; OpenSSL's libcrypto computes them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/input_file.h"

struct evp_md_ctx_st;

namespace gpt2::formats {

/// A hash of everything given so far. Owns: OpenSSL's state. Move-only.
class Digest {
 public:
  enum class Kind { kSha256, kSha1 };
  explicit Digest(Kind kind = Kind::kSha256);

  Digest& update(std::string_view bytes);
  /// The hash, 32 or 20 bytes; more may be given after it.
  std::vector<std::uint8_t> bytes() const;
  /// The same as lower-case hexadecimal digits.
  std::string hex() const;

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

/// Gives `digest` the first `end` bytes of the file, read piece by piece. Throws: as
/// InputFile::read.
void digest_file(const InputFile& file, std::uint64_t end, Digest& digest);

/// Is `text` this many hexadecimal digits, of either case?
bool is_hex(std::string_view text, std::size_t digits);

}  // namespace gpt2::formats
