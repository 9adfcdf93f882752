// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The unfinished files and folders of this process, known in one place, so that they can be removed
// when it is interrupted.
#pragma once

#include <filesystem>
#include <mutex>
#include <vector>

namespace gpt2::formats {

using TemporaryPathsLock = std::unique_lock<std::recursive_mutex>;
/// While one thread has the lock, the clean-up of an interrupted process waits: to be held where a
/// path and its TemporaryPath come and go, and where several renames belong together.
TemporaryPathsLock lock_temporary_paths();

/// Says of a path that it is unfinished, from claim() to forget(). The file is its owner's
/// business.
class TemporaryPath {
 public:
  TemporaryPath() = default;
  TemporaryPath(TemporaryPath&& other) noexcept;
  TemporaryPath& operator=(TemporaryPath&&) = delete;
  ~TemporaryPath() { forget(); }

  void claim(std::filesystem::path path);
  void forget() noexcept;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  bool is_known_ = false;
};

/// Folders and files that were made for something that may not come to be: unless it does, the
/// destructor removes them again, but for a folder that holds something by then.
class MadePaths {
 public:
  MadePaths();
  MadePaths(const MadePaths&) = delete;
  MadePaths& operator=(const MadePaths&) = delete;
  ~MadePaths();

  /// Makes the folder and those above it. Throws: IoError; ExistsError if it is something else.
  void make_folder(const std::filesystem::path& path);
  /// The caller made or is going to make this file, which is missing.
  void add(std::filesystem::path path);
  void keep();
  void remove() noexcept;

 private:
  std::vector<std::filesystem::path> paths_;  // each before what lies in it
};

/// Removes every unfinished path, with what is in it, and what MadePaths would remove. While the
/// caller keeps the lock that it gets, no thread can make another one.
TemporaryPathsLock remove_temporary_paths();

}  // namespace gpt2::formats
