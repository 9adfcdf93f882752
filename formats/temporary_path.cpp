// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/temporary_path.h"

#include <set>
#include <utility>

namespace gpt2::formats {
namespace {

struct TemporaryPaths {
  std::recursive_mutex mutex;
  std::multiset<std::filesystem::path> paths;
};
TemporaryPaths& temporary_paths() {
  static TemporaryPaths the_paths;
  return the_paths;
}

}  // namespace

TemporaryPathsLock lock_temporary_paths() { return TemporaryPathsLock(temporary_paths().mutex); }

TemporaryPath::TemporaryPath(TemporaryPath&& other) noexcept
    : path_(std::move(other.path_)), is_known_(std::exchange(other.is_known_, false)) {}

void TemporaryPath::claim(std::filesystem::path path) {
  forget();
  const auto lock = lock_temporary_paths();
  path_ = std::move(path);
  temporary_paths().paths.insert(path_);
  is_known_ = true;
}

void TemporaryPath::forget() noexcept {
  if (!std::exchange(is_known_, false)) return;
  const auto lock = lock_temporary_paths();
  auto& paths = temporary_paths().paths;
  paths.erase(paths.find(path_));
}

TemporaryPathsLock remove_temporary_paths() {
  auto lock = lock_temporary_paths();
  for (const auto& path : temporary_paths().paths) {
    std::error_code ignored;  // what stays is removed by the next writer of that name
    std::filesystem::remove_all(path, ignored);
  }
  return lock;
}

}  // namespace gpt2::formats
