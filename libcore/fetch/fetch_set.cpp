// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/fetch/fetch_set.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <thread>

#include "formats/errors.h"
#include "formats/temporary_path.h"
#include "libcore/fetch/hub.h"
#include "libcore/fetch/unzip_members.h"

namespace gpt2::fetch {
namespace {

namespace fs = std::filesystem;
using formats::UsageError;

constexpr std::uint64_t kMostUnpackedBytes = std::uint64_t{4} << 30;

/// Settings of a single download, with what follows from the choice of the hub.
DownloadSettings download_settings(const FetchSettings& settings) {
  auto download = settings.download;
  const auto hub = parse_url(settings.hub);
  download.hub_origin = hub.origin;
  download.http.token_origin = hub.origin;
  return download;
}

/// Several downloads at once. Every callback of the threads goes through its mutex.
class Downloads {
 public:
  Downloads(const FetchSettings& settings, const FetchObserver& observer)
      : settings_(download_settings(settings)), jobs_(settings.jobs), observer_(observer) {}

  void run(const std::vector<FileRequest>& requests) {
    states_.assign(requests.size(), {});
    for (std::size_t i = 0; i < requests.size(); ++i) states_[i].total = requests[i].bytes;
    std::vector<std::thread> threads;
    const auto count = std::min<std::size_t>(requests.size(), static_cast<std::size_t>(jobs_));
    for (std::size_t i = 0; i < count; ++i) {
      threads.emplace_back([this, &requests] { work(requests); });
    }
    for (auto& thread : threads) thread.join();
    tell_how_checked(requests);
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  struct State {
    bool has_begun = false, has_ended = false;
    std::uint64_t first = 0, bytes = 0, total = 0;  // `first`: there when it began
  };

  void work(const std::vector<FileRequest>& requests) {
    for (;;) {
      std::size_t index = 0;
      {
        const std::lock_guard lock(mutex_);
        if (next_ == requests.size() || is_stopped_) return;
        index = next_++;
      }
      try {
        const auto result = download(requests[index], settings_, observer_of(index));
        const std::lock_guard lock(mutex_);
        end(index, requests[index], result);
      } catch (...) {
        const std::lock_guard lock(mutex_);
        fail();
      }
    }
  }

  DownloadObserver observer_of(std::size_t index) {
    const auto tell = [this](const auto& callback) {
      return [this, &callback](const std::string& text) {
        const std::lock_guard lock(mutex_);
        callback(text);
      };
    };
    return {.progress =
                [this, index](std::uint64_t bytes, std::uint64_t total) {
                  const std::lock_guard lock(mutex_);
                  auto& state = states_[index];
                  if (!std::exchange(state.has_begun, true)) state.first = bytes;
                  state.first = std::min(state.first, bytes);
                  state.bytes = bytes;
                  state.total = total;
                  report();
                },
            .notice = tell(observer_.notice),
            .detail = tell(observer_.detail)};
  }

  void end(std::size_t index, const FileRequest& request, const FileResult& result) {
    auto& state = states_[index];
    state.has_ended = true;
    if (result.was_there) state = {.has_ended = true};
    if (!result.was_there && !request.hash.is_known()) {
      ++(result.checked.is_known() ? by_hub_ : unchecked_);
    }
    observer_.detail(fmt::format("{}: {}, {} bytes", request.path.string(),
                                 result.was_there ? "is there" : "fetched", result.bytes));
    report();
  }

  /// With the exception in flight.
  void fail() {
    try {
      throw;
    } catch (const formats::IoError&) {
      is_stopped_ = true;  // the disk will fail the others, too
      keep_or_tell();
    } catch (...) {
      keep_or_tell();
    }
  }
  void keep_or_tell() {
    if (!failure_) {
      failure_ = std::current_exception();
      return;
    }
    try {
      throw;
    } catch (const std::exception& error) {
      observer_.notice(error.what());
    }
  }

  void report() {
    FetchProgress progress{.file_count = states_.size()};
    bool is_total_known = true;
    for (const auto& state : states_) {
      progress.bytes += state.bytes - state.first;
      progress.files += state.has_ended ? 1 : 0;
      progress.total += state.total - std::min(state.total, state.first);
      is_total_known = is_total_known && (state.total > 0 || state.has_ended);
    }
    if (!is_total_known) progress.total = 0;
    observer_.progress(progress);
  }

  void tell_how_checked(const std::vector<FileRequest>& requests) const {
    const auto tell = [&](std::size_t count, std::string_view how) {
      if (count == 0) return;
      const auto what = requests.size() == 1
                            ? requests.front().path.string()
                            : fmt::format("{} of {} files", count, requests.size());
      observer_.notice(fmt::format("{}: {}; the SHA-256 is recorded in NAME.sha256", what, how));
    };
    tell(by_hub_, "checked by the hash that the hub gives, no other is known");
    tell(unchecked_, "not checked, no hash is known");
  }

  const DownloadSettings settings_;
  const int jobs_;
  const FetchObserver& observer_;
  std::mutex mutex_;  // of what follows
  std::size_t next_ = 0;
  bool is_stopped_ = false;
  std::vector<State> states_;
  std::exception_ptr failure_;
  std::size_t by_hub_ = 0, unchecked_ = 0;
};

bool is_included(const std::string& name, const std::vector<std::string>& globs) {
  return globs.empty() || std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) {
           return ::fnmatch(glob.c_str(), name.c_str(), 0) == 0;
         });
}

/// Where a file of a set comes from: the server of `base_url`, or the file's own, where a mirror of
/// the hub stands for the hub.
Url source_of(const DataSet& set, const KnownFile& file, const FetchSettings& settings) {
  if (!settings.base_url.empty()) {
    return parse_url(join_url(settings.base_url, fmt::format("{}/{}", set.name, file.name)));
  }
  if (file.url.starts_with(kHub)) {
    return parse_url(join_url(settings.hub, file.url.substr(kHub.size() + 1)));
  }
  return parse_url(file.url);
}

std::vector<KnownFile> files_of(const DataSet& set, const FetchSettings& settings,
                                const FetchObserver& observer) {
  if (!set.files.empty()) return set.files;
  if (!settings.base_url.empty()) {
    throw UsageError(
        fmt::format("only the hub says which files {} has; without --base-url it is "
                    "asked",
                    set.name));
  }
  return list_hub_folder(settings.hub, set.folder, download_settings(settings),
                         {.progress = {}, .notice = observer.notice, .detail = observer.detail});
}

}  // namespace

void fetch_sets(const std::vector<const DataSet*>& sets, const fs::path& out_dir,
                const FetchSettings& settings, const FetchObserver& observer) {
  std::vector<FileRequest> requests;
  for (const auto* set : sets) {
    const auto count_before = requests.size();
    for (const auto& file : files_of(*set, settings, observer)) {
      if (!is_included(file.name, settings.include)) continue;
      requests.push_back({.url = source_of(*set, file, settings),
                          .path = out_dir / set->name / file.name,
                          .bytes = file.bytes,
                          .hash = file.hash,
                          .replace = settings.replace});
    }
    if (requests.size() == count_before) {
      throw UsageError(fmt::format("--include leaves none of the files of {}", set->name));
    }
  }
  formats::MadePaths made;
  for (const auto* set : sets) made.make_folder(out_dir / set->name);
  Downloads(settings, observer).run(requests);
  for (const auto* set : sets) {
    if (set->members.empty()) continue;
    const auto folder = out_dir / set->name;
    observer.detail(fmt::format("{}: unpacking", folder.string()));
    unzip_members(folder / set->files.front().name, set->members, folder, kMostUnpackedBytes);
  }
  made.keep();
}

void fetch_url(const std::string& url, const fs::path& path, const ContentHash& hash,
               const FetchSettings& settings, const FetchObserver& observer) {
  const auto source = parse_url(url);
  if (!source.secure && !hash.is_known()) {
    throw UsageError(fmt::format(
        "{}: http protects nothing on the way; give https, or --sha256 to check by", url));
  }
  formats::MadePaths made;
  if (path.has_parent_path()) made.make_folder(path.parent_path());
  Downloads(settings, observer)
      .run({{.url = source, .path = path, .hash = hash, .replace = settings.replace}});
  made.keep();
}

}  // namespace gpt2::fetch
