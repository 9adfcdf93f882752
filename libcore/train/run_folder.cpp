// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/run_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "formats/errors.h"
#include "libcore/model/model_directory.h"

namespace gpt2::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTemporaryPrefix = ".tmp-";

/// fsync by name: the writer's own descriptor stays its own.
void sync_file(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    if (errno == ENOENT) return;
    formats::throw_io_error(path.string(), "open");
  }
  const int failed = ::fsync(descriptor);
  const int error = errno;
  ::close(descriptor);
  if (failed != 0) {
    errno = error;
    formats::throw_io_error(path.string(), "fsync");
  }
}

}  // namespace

std::string step_checkpoint_name(std::uint64_t step) { return fmt::format("step_{:08d}", step); }
std::string epoch_checkpoint_name(std::uint64_t epoch) {
  return fmt::format("epoch_{:04d}", epoch);
}

RunFolder::RunFolder(fs::path path) : path_(std::move(path)), checkpoints_(path_ / "checkpoints") {
  made_.make_folder(path_);
  const auto lock = path_ / "lock";
  if (!fs::exists(lock)) made_.add(lock);
  lock_.emplace(lock, path_.string());
  made_.make_folder(checkpoints_);
  remove_leftovers(path_);
  remove_leftovers(checkpoints_);
}

RunFolder::RunFolder(Guest, fs::path path)
    : path_(std::move(path)), checkpoints_(path_ / "checkpoints") {}

void RunFolder::remove_leftovers(const fs::path& directory) const {
  std::error_code error;
  std::vector<fs::path> leftovers;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().filename().string().starts_with(kTemporaryPrefix))
      leftovers.push_back(entry->path());
  }
  for (const auto& leftover : leftovers) {
    if (!error) fs::remove_all(leftover, error);
  }
  if (error) {
    throw formats::IoError(
        fmt::format("{}: remove temporary files: {}", directory.string(), error.message()));
  }
}

fs::path RunFolder::checkpoint_path(std::string_view name) const { return checkpoints_ / name; }

bool RunFolder::owns(const fs::path& checkpoint) const {
  return fs::equivalent(checkpoint.parent_path(), checkpoints_);
}

bool RunFolder::has_checkpoints() const { return !model::list_checkpoints(path_).empty(); }

bool RunFolder::holds_run() const {
  return fs::exists(path_ / "config.yaml") || fs::exists(path_ / "metrics.jsonl") ||
         has_checkpoints();
}

void RunFolder::begin_run(std::string_view yaml) {
  formats::DurableFile file(path_ / "config.yaml");
  file.write(yaml);
  file.commit();
  made_.keep();
}

void RunFolder::sync_logs() const {
  sync_file(path_ / "metrics.jsonl");
  sync_file(path_ / "log.txt");
}

void RunFolder::point_latest_to(std::string_view name) {
  formats::replace_symlink(checkpoints_ / "latest", name);
}

bool RunFolder::remove_checkpoint(const fs::path& directory) {
  const fs::path doomed =
      directory.parent_path() / (std::string(kTemporaryPrefix) + directory.filename().string());
  std::error_code error;
  fs::rename(directory, doomed, error);
  if (!error) fs::remove_all(doomed, error);
  return !error;
}

}  // namespace gpt2::train
