// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/fetch/content_hash.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/digest.h"
#include "formats/durable_file.h"
#include "formats/input_file.h"

namespace gpt2::fetch {
namespace {

constexpr std::size_t kSha256Digits = 64, kGitDigits = 40;

std::filesystem::path record_beside(std::filesystem::path file) { return file += ".sha256"; }

}  // namespace

std::string ContentHash::shown() const {
  return fmt::format("{} {}", kind == Kind::kGitBlob ? "git blob" : "SHA-256", hex);
}

ContentHash content_hash_from_hex(std::string_view hex) {
  ContentHash hash;
  if (formats::is_hex(hex, kSha256Digits)) {
    hash.kind = ContentHash::Kind::kSha256;
  } else if (formats::is_hex(hex, kGitDigits)) {
    hash.kind = ContentHash::Kind::kGitBlob;
  } else {
    return hash;
  }
  hash.hex = hex;
  std::transform(hash.hex.begin(), hash.hex.end(), hash.hex.begin(), [](char c) {
    return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return hash;
}

ContentHash content_hash_of(const std::filesystem::path& file, ContentHash::Kind kind) {
  const formats::InputFile input(file);
  const bool is_git = kind == ContentHash::Kind::kGitBlob;
  formats::Digest digest(is_git ? formats::Digest::Kind::kSha1 : formats::Digest::Kind::kSha256);
  if (is_git) {
    const auto header = fmt::format("blob {}", input.bytes());
    digest.update({header.c_str(), header.size() + 1});
  }
  formats::digest_file(input, input.bytes(), digest);
  return {.kind = kind, .hex = digest.hex()};
}

ContentHash load_recorded_hash(const std::filesystem::path& file) {
  constexpr std::uint64_t kMostBytes = 4096;
  const auto record = record_beside(file);
  if (!std::filesystem::exists(record)) return {};
  const auto text = formats::load_file(record, kMostBytes);
  return content_hash_from_hex(std::string_view(text).substr(0, text.find(' ')));
}

void record_hash(const std::filesystem::path& file, std::string_view sha256) {
  formats::DurableFile record(record_beside(file));
  record.write(fmt::format("{}  {}\n", sha256, file.filename().string()));
  record.commit();
}

}  // namespace gpt2::fetch
