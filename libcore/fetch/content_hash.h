// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What is known of a file's bytes before they come.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace gpt2::fetch {

/// A hash by which a whole file is known. Git's names its blobs by SHA-1 of "blob SIZE\0" and the
/// bytes; the Hugging Face hub names small files so, and large ones by SHA-256.
struct ContentHash {
  enum class Kind { kUnknown, kSha256, kGitBlob };
  Kind kind = Kind::kUnknown;
  std::string hex;  // lower case

  bool is_known() const { return kind != Kind::kUnknown; }
  bool operator==(const ContentHash&) const = default;
  /// "SHA-256 86c4..." or "git blob 3779...", for messages.
  std::string shown() const;
};

/// 64 hexadecimal digits are a SHA-256, 40 are git's; anything else is unknown.
ContentHash content_hash_from_hex(std::string_view hex);
/// The file's hash of this kind. Throws: as InputFile.
ContentHash content_hash_of(const std::filesystem::path& file, ContentHash::Kind kind);

/// The hash recorded beside `file` in `file`.sha256, as sha256sum writes it; unknown without one.
ContentHash load_recorded_hash(const std::filesystem::path& file);
/// Records it. Throws: IoError.
void record_hash(const std::filesystem::path& file, std::string_view sha256);

}  // namespace gpt2::fetch
