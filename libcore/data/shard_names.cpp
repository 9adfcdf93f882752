// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/data/shard_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "formats/durable_file.h"
#include "formats/errors.h"

namespace gpt2::data {
namespace {

namespace fs = std::filesystem;

// Two folders in `staging` say how far it has come. Old shards move to kLeaving; when all are
// there, it becomes kTaking, and new shards come out of `staging`; when all have come, it becomes
// kDone. So while there is kLeaving, all shards beside `staging` are old, and while there is
// kTaking, all are new.
constexpr std::string_view kLeaving = "leaving", kTaking = "taking", kDone = "done";

/// Of a file name `<prefix>_{val|test|train}_<digits>.bin`.
std::optional<std::string_view> prefix_of(std::string_view file_name) {
  constexpr std::string_view kEnding = ".bin", kDigits = "0123456789";
  if (!file_name.ends_with(kEnding)) return {};
  file_name.remove_suffix(kEnding.size());
  const std::size_t stem_bytes = file_name.find_last_not_of(kDigits) + 1;
  if (stem_bytes == file_name.size()) return {};
  const std::string_view stem = file_name.substr(0, stem_bytes);
  for (const std::string_view split : {"_val_", "_test_", "_train_"}) {
    if (stem.ends_with(split)) return stem.substr(0, stem.size() - split.size());
  }
  return {};
}

/// A folder with such a name is not ours to move.
std::vector<fs::path> find_files_of(const std::string& prefix, const fs::path& folder) {
  auto names = find_shards_of(prefix, folder);
  std::erase_if(names, [&](const auto& name) { return fs::is_directory(folder / name); });
  return names;
}

void move_all(std::span<const fs::path> names, const fs::path& from, const fs::path& to) {
  for (const auto& name : names) formats::rename_file(from / name, to / name);
}

}  // namespace

std::vector<fs::path> find_shards_of(const std::string& prefix, const fs::path& folder) {
  std::vector<fs::path> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto name = entry.path().filename();
    if (prefix_of(name.native()) == prefix) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

void publish_shards(const fs::path& staging, const std::string& prefix,
                    std::span<const fs::path> names, const fs::path& folder) {
  const fs::path leaving = staging / kLeaving, taking = staging / kTaking;
  fs::create_directory(leaving);
  formats::sync_directory(staging);
  move_all(find_files_of(prefix, folder), folder, leaving);
  formats::sync_directory(folder);
  formats::rename_file(leaving, taking);
  formats::sync_directory(staging);
  move_all(names, staging, folder);
  formats::sync_directory(folder);
  formats::rename_file(taking, staging / kDone);
}

void undo_publish_shards(const fs::path& staging, const std::string& prefix,
                         const fs::path& folder) {
  const fs::path leaving = staging / kLeaving, taking = staging / kTaking;
  if (fs::exists(taking)) {
    move_all(find_files_of(prefix, folder), folder, staging);
    formats::sync_directory(folder);
    formats::rename_file(taking, leaving);
  }
  if (!fs::exists(leaving)) return;
  move_all(find_files_of(prefix, leaving), leaving, folder);
  formats::sync_directory(folder);
  fs::remove(leaving);
}

void refuse_unfinished_set(const fs::path& shard) {
  const std::string name = shard.filename().string();
  const auto prefix = prefix_of(name);
  if (!prefix) return;
  const fs::path staging = shard.parent_path() / fmt::format(".tmp-{}", *prefix);
  std::error_code ignored;  // what cannot be looked at is taken for whole
  if (!fs::exists(staging / kLeaving, ignored) && !fs::exists(staging / kTaking, ignored)) return;
  throw formats::InputError(
      fmt::format("{}: belongs to a set that is not whole, because gpt2-shard was stopped while it "
                  "named the files (or is just doing it); run that gpt2-shard again",
                  shard.string()));
}

}  // namespace gpt2::data
