// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The names of a set's shards, and how a set takes them: all or none.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace gpt2::data {

/// Names in `folder` of the form `<prefix>_{val|test|train}_<digits>.bin`, by bytes.
std::vector<std::filesystem::path> find_shards_of(const std::string& prefix,
                                                  const std::filesystem::path& folder);

/// Gives the shards `names` their names in `folder`, in the place of those of `prefix` that are
/// there. They come from `staging`, which is `folder`/.tmp-<prefix> and locked by the caller.
/// While names change, and for ever if the process is killed meanwhile, `staging` says so to
/// refuse_unfinished_set(). Throws: IoError.
void publish_shards(const std::filesystem::path& staging, const std::string& prefix,
                    std::span<const std::filesystem::path> names,
                    const std::filesystem::path& folder);
/// Puts back the names that a publish_shards() which failed or was killed has changed; does nothing
/// after one that ended well. Can be killed and called again. Throws: IoError.
void undo_publish_shards(const std::filesystem::path& staging, const std::string& prefix,
                         const std::filesystem::path& folder);

/// Throws: InputError for a shard whose set has not all its names, or those of two sets.
void refuse_unfinished_set(const std::filesystem::path& shard);

}  // namespace gpt2::data
