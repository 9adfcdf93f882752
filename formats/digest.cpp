// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <new>
#include <stdexcept>

namespace gpt2::formats {
namespace {

/// libcrypto fails here only without memory or without the algorithm at all.
void check(int result) {
  if (result != 1) throw std::runtime_error("libcrypto could not compute a hash");
}

EVP_MD_CTX* new_context() {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  if (context == nullptr) throw std::bad_alloc();
  return context;
}

}  // namespace

void Digest::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Digest::Digest(Kind kind) : context_(new_context()) {
  const EVP_MD* algorithm = kind == Kind::kSha256 ? EVP_sha256() : EVP_sha1();
  check(EVP_DigestInit_ex(context_.get(), algorithm, nullptr));
}

Digest& Digest::update(std::string_view bytes) {
  check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
  return *this;
}

std::vector<std::uint8_t> Digest::bytes() const {
  const std::unique_ptr<evp_md_ctx_st, Free> copy(new_context());
  check(EVP_MD_CTX_copy_ex(copy.get(), context_.get()));
  std::vector<std::uint8_t> hash(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  check(EVP_DigestFinal_ex(copy.get(), hash.data(), &size));
  hash.resize(size);
  return hash;
}

std::string Digest::hex() const { return fmt::format("{:02x}", fmt::join(bytes(), "")); }

void digest_file(const InputFile& file, std::uint64_t end, Digest& digest) {
  std::vector<std::uint8_t> piece(std::size_t{1} << 20);
  for (std::uint64_t offset = 0; offset < end;) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), end - offset));
    file.read(offset, {piece.data(), size});
    digest.update({reinterpret_cast<const char*>(piece.data()), size});
    offset += size;
  }
}

bool is_hex(std::string_view text, std::size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
         });
}

}  // namespace gpt2::formats
