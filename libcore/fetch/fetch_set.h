// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Whole data sets: several files at once, and what is done with them when they are there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "libcore/fetch/catalogue.h"
#include "libcore/fetch/download.h"

namespace gpt2::fetch {

struct FetchSettings {
  DownloadSettings download;
  std::string hub{kHub};  // a mirror takes its place: the same paths on another server
  // A server that has what was fetched before, in its folders: BASE/gpt2-vocab/encoder.json.
  // Everything known by name comes from there then.
  std::string base_url;
  int jobs = 4;                      // files at once
  bool replace = false;              // files that are there and differ
  std::vector<std::string> include;  // globs: only files of these names; empty: all
};

struct FetchProgress {
  std::uint64_t bytes = 0;                // that came in this call
  std::uint64_t total = 0;                // that are to come in it; 0: not known
  std::size_t files = 0, file_count = 0;  // that are there, of how many
};

/// The calls come one at a time, from any thread.
struct FetchObserver {
  std::function<void(const FetchProgress&)> progress;
  std::function<void(const std::string&)> notice;  // what the user should know
  std::function<void(const std::string&)> detail;  // what only the curious want to know
};

/// Brings the files of `sets` to out_dir/NAME, a folder for each set, and unpacks what is to be
/// unpacked. A file that fails does not keep the others from coming; the first failure is thrown
/// when all have ended, the others are told by notice(). Only a failing disk ends it at once.
/// Throws: as download(); UsageError if `include` leaves nothing of a set.
void fetch_sets(const std::vector<const DataSet*>& sets, const std::filesystem::path& out_dir,
                const FetchSettings& settings, const FetchObserver& observer);

/// Brings one file of any address to `path`. Throws: as download(); UsageError for http, which
/// protects nothing, without a hash.
void fetch_url(const std::string& url, const std::filesystem::path& path, const ContentHash& hash,
               const FetchSettings& settings, const FetchObserver& observer);

}  // namespace gpt2::fetch
