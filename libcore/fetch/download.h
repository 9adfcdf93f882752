// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// One file from the network to the disk: it appears whole and right, or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "libcore/fetch/content_hash.h"
#include "libcore/fetch/http_get.h"
#include "libcore/fetch/retry.h"

namespace gpt2::fetch {

struct DownloadSettings {
  HttpSettings http;
  RetrySettings retry;
  // Of this origin it is believed what X-Linked-Etag says: the hash of the file it redirects to.
  std::string hub_origin;
  std::uint64_t most_bytes = std::uint64_t{1} << 40;  // in one file whose size is not known before
};

struct FileRequest {
  Url url;
  std::filesystem::path path;
  std::uint64_t bytes = 0;  // 0: not known
  ContentHash hash;         // unknown: the hub's is taken
  bool replace = false;     // what is at `path` and is something else
};

/// Told while a file comes, from the thread that fetches it.
struct DownloadObserver {
  /// So many bytes are there, of so many (0: not known). First called with what is there before.
  std::function<void(std::uint64_t bytes, std::uint64_t total)> progress;
  std::function<void(const std::string&)> notice;  // what the user should know
  std::function<void(const std::string&)> detail;  // what only the curious want to know
};

struct FileResult {
  bool was_there = false;  // whole and right before
  std::uint64_t bytes = 0;
  ContentHash checked;  // the hash that was compared with; unknown: none could be had
  std::string sha256;   // what a file without a known hash turned out to be; recorded beside it
};

/// Brings request.url to request.path. What a former call left in NAME.part is gone on from if a
/// hash will tell that the whole is right. A file without a hash of its own in `request` gets its
/// SHA-256 recorded in NAME.sha256, by which it is known the next time. Throws: NetworkError after
/// all tries; InputError for what is missing, refused or has another hash or size; ExistsError if
/// something else is at the path, or another process fetches it; IoError.
FileResult download(const FileRequest& request, const DownloadSettings& settings,
                    const DownloadObserver& observer);

/// A small resource as text, with its retries. Throws: as download(); InputError if it has more
/// than `most_bytes`.
struct TextResult {
  std::string text;
  HttpResponse response;
};
TextResult fetch_text(const Url& url, std::size_t most_bytes, const DownloadSettings& settings,
                      const DownloadObserver& observer);

}  // namespace gpt2::fetch
