// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/temporary_path.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "formats/errors.h"

namespace gpt2::formats {
namespace {

namespace fs = std::filesystem;

struct TemporaryPaths {
  std::recursive_mutex mutex;
  std::multiset<fs::path> paths;
  std::set<MadePaths*> made;
};
TemporaryPaths& temporary_paths() {
  static TemporaryPaths the_paths;
  return the_paths;
}

}  // namespace

TemporaryPathsLock lock_temporary_paths() { return TemporaryPathsLock(temporary_paths().mutex); }

TemporaryPath::TemporaryPath(TemporaryPath&& other) noexcept
    : path_(std::move(other.path_)), is_known_(std::exchange(other.is_known_, false)) {}

void TemporaryPath::claim(fs::path path) {
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

MadePaths::MadePaths() {
  const auto lock = lock_temporary_paths();
  temporary_paths().made.insert(this);
}

MadePaths::~MadePaths() {
  const auto lock = lock_temporary_paths();
  temporary_paths().made.erase(this);
  remove();
}

void MadePaths::make_folder(const fs::path& path) {
  std::vector<fs::path> missing;
  std::error_code error;
  auto above = path;
  for (; !above.empty() && !fs::exists(above, error); above = above.parent_path()) {
    missing.push_back(above);
  }
  if (!above.empty() && !fs::is_directory(above, error)) {
    throw ExistsError(fmt::format("{}: exists and is not a folder", above.string()));
  }
  const auto lock = lock_temporary_paths();
  for (auto folder = missing.rbegin(); folder != missing.rend(); ++folder) {
    const bool is_new = fs::create_directory(*folder, error);
    if (error) {
      throw IoError(fmt::format("{}: making the folder: {}", path.string(), error.message()));
    }
    if (is_new) add(*folder);
  }
}

void MadePaths::add(fs::path path) {
  const auto lock = lock_temporary_paths();
  paths_.push_back(std::move(path));
}

void MadePaths::keep() {
  const auto lock = lock_temporary_paths();
  paths_.clear();
}

void MadePaths::remove() noexcept {
  std::error_code ignored;
  for (auto path = paths_.rbegin(); path != paths_.rend(); ++path) fs::remove(*path, ignored);
}

TemporaryPathsLock remove_temporary_paths() {
  auto lock = lock_temporary_paths();
  for (const auto& path : temporary_paths().paths) {
    std::error_code ignored;  // what stays is removed by the next writer of that name
    fs::remove_all(path, ignored);
  }
  for (auto* made : temporary_paths().made) made->remove();
  return lock;
}

}  // namespace gpt2::formats
