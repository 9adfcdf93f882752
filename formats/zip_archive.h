// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The members of a zip archive, by libzip: read whole, compared with their size and CRC-32.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct zip;

namespace gpt2::formats {

/// An archive open for reading; not for two threads at once. Move-only.
class ZipArchive {
 public:
  struct Member {
    std::uint64_t bytes = 0;  // unpacked
    std::uint32_t crc32 = 0;
    bool is_packed = false;
  };

  /// Throws: InputError if `path` is missing or no archive.
  explicit ZipArchive(std::filesystem::path path);
  const std::filesystem::path& path() const { return path_; }
  /// Of all members, as stored, in the archive's order.
  std::vector<std::string> names() const;
  bool contains(const std::string& name) const;
  /// What the archive says of one. Throws: InputError if it is not there or the archive says no
  /// size or CRC-32.
  Member member(const std::string& name) const;
  /// Gives the bytes of a member, piece by piece, to `take`. Throws: InputError, after the last
  /// piece too, if they are not what the archive says; what `take` throws.
  void read(const std::string& name, const std::function<void(std::string_view)>& take) const;

 private:
  struct Discard {
    void operator()(zip* archive) const;
  };
  std::string place_of(const std::string& name) const;
  std::filesystem::path path_;
  std::unique_ptr<zip, Discard> archive_;
};

}  // namespace gpt2::formats
