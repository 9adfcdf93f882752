// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/fetch/download.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "formats/digest.h"
#include "formats/durable_file.h"
#include "formats/errors.h"
#include "formats/input_file.h"

namespace gpt2::fetch {
namespace {

namespace fs = std::filesystem;
using formats::InputError;
using formats::IoError;

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return number;
}

/// "bytes 100-299/300".
struct ContentRange {
  std::uint64_t begin = 0, end = 0;  // one past the last
  std::optional<std::uint64_t> total;
};
std::optional<ContentRange> parse_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return {};
  text.remove_prefix(kUnit.size());
  const auto dash = std::min(text.find('-'), text.size());
  const auto slash = std::min(text.find('/'), text.size());
  if (dash >= slash || slash == text.size()) return {};
  const auto begin = number_in(text.substr(0, dash));
  const auto last = number_in(text.substr(dash + 1, slash - dash - 1));
  const auto total = number_in(text.substr(slash + 1));
  if (!begin || !last || *last < *begin || (!total && text.substr(slash + 1) != "*")) return {};
  return ContentRange{.begin = *begin, .end = *last + 1, .total = total};
}

/// What is between the quotes of an entity tag, strong or weak.
std::string_view bare_tag(std::string_view tag) {
  if (tag.starts_with("W/")) tag.remove_prefix(2);
  if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"')
    tag = tag.substr(1, tag.size() - 2);
  return tag;
}

/// The hash that the hub says, on the way or at its end, the file has.
ContentHash hub_hash(const HttpResponse& response, const std::string& hub_origin) {
  const auto said_by = [&](const HttpResponse& hop) -> ContentHash {
    if (hop.url.origin != hub_origin) return {};
    for (const auto* name : {"x-linked-etag", "etag"}) {
      if (const auto tag = hop.header(name)) {
        if (auto hash = content_hash_from_hex(bare_tag(*tag)); hash.is_known()) return hash;
      }
    }
    return {};
  };
  for (const auto& hop : response.redirects) {
    if (auto hash = said_by(hop); hash.is_known()) return hash;
  }
  return said_by(response);
}

/// Throws unless the response is one with the file, or a part of it.
void judge_status(const HttpResponse& response, const Url& asked,
                  const DownloadSettings& settings) {
  const int status = response.status;
  const auto name = asked.shown();
  if (status == 200 || status == 206 || status == 416) return;
  if (status == 408 || status == 425 || status == 429 || status >= 500) {
    throw NetworkError(
        fmt::format("{}: the server is busy or out of order (status {})", name, status),
        /*may_retry=*/true, asked_wait(response, settings.retry.now()));
  }
  if (status == 401 || status == 403) {
    // A signed address that the first server made holds for a while only.
    if (response.url.origin != asked.origin) {
      throw NetworkError(
          fmt::format("{}: the server that it redirects to refuses (status {})", name, status),
          /*may_retry=*/true);
    }
    throw InputError(fmt::format("{}: the server refuses (status {}){}", name, status,
                                 asked.origin != settings.hub_origin ? ""
                                 : settings.http.token.empty()
                                     ? "; set HF_TOKEN to a token that may read it"
                                     : "; the token in use may not read it"));
  }
  if (status == 404 || status == 410) {
    throw InputError(fmt::format("{}: there is no such file (status {})", name, status));
  }
  throw InputError(fmt::format("{}: the server answers with status {}", name, status));
}

/// Throws unless the body is the bytes of a file, as they are.
void judge_kind(const HttpResponse& response, const Url& asked) {
  const auto encoding = response.header("content-encoding").value_or("identity");
  if (encoding != "identity" && !encoding.empty()) {
    throw InputError(fmt::format("{}: the server sends it packed ({}), which was not asked for",
                                 asked.shown(), encoding));
  }
  const auto type = response.header("content-type").value_or("");
  const auto path = asked.shown();
  if (type.starts_with("text/html") && !path.ends_with(".html") && !path.ends_with(".htm")) {
    throw InputError(fmt::format("{}: the server sends a web page instead, perhaps one to log in",
                                 asked.shown()));
  }
  if (type.starts_with("multipart/")) {
    throw NetworkError(fmt::format("{}: the server sends several parts at once", asked.shown()),
                       /*may_retry=*/true);
  }
}

/// Only a strong tag says that bytes are the same; empty: there is none.
std::string strong_tag(const HttpResponse& response) {
  auto tag = response.header("etag").value_or("");
  return tag.starts_with('"') ? tag : "";
}

/// One file on its way.
class Transfer {
 public:
  Transfer(const FileRequest& request, const DownloadSettings& settings,
           const DownloadObserver& observer)
      : request_(request),
        settings_(settings),
        observer_(observer),
        file_(request.path),
        expected_(request.hash) {
    if (request.bytes > 0) total_ = request.bytes;
  }

  FileResult run() {
    try {
      take_up_what_is_there();
      Backoff backoff(settings_.retry, observer_.notice);
      std::uint64_t most_bytes_before = file_.bytes();
      for (;;) {
        try {
          if (!is_complete()) ask();
          check();
          return finish();
        } catch (const NetworkError& error) {
          constexpr std::uint64_t kProgressBytes = 1 << 20;
          if (file_.bytes() >= most_bytes_before + kProgressBytes) backoff.succeeded();
          most_bytes_before = std::max(most_bytes_before, file_.bytes());
          backoff.wait_after(error);
        }
      }
    } catch (const NetworkError& error) {
      throw NetworkError(error.what() + what_is_kept(), /*may_retry=*/false);
    } catch (const IoError& error) {
      throw IoError(error.what() + what_is_kept());
    }
  }

 private:
  void take_up_what_is_there() {
    if (total_ && file_.bytes() > *total_) file_.restart();
    observer_.progress(file_.bytes(), total_.value_or(0));
    if (file_.bytes() == 0) return;
    formats::digest_file(formats::InputFile(file_.part_path()), file_.bytes(), digest_);
    is_joined_ = is_of_former_run_ = true;
  }

  void start_over() {
    file_.restart();
    digest_ = formats::Digest();
    is_joined_ = is_of_former_run_ = false;
    observer_.progress(0, total_.value_or(0));
  }

  bool is_complete() const { return expected_.is_known() && total_ && file_.bytes() == *total_; }

  /// Asks for what is missing, or, when the answer does not fit to what is there, for the whole.
  /// Throws: NetworkError if another request may bring the rest.
  void ask() {
    const bool can_be_joined = expected_.is_known() || is_of_former_run_ || !tag_.empty();
    if (file_.bytes() > 0 && may_resume_ && can_be_joined) {
      std::vector<std::string> headers{fmt::format("Range: bytes={}-", file_.bytes())};
      if (!tag_.empty()) headers.push_back("If-Range: " + tag_);
      bool fits = true;
      get(headers, [&](const HttpResponse& response) { return fits = begin_rest(response); });
      if (!fits) get({}, [&](const HttpResponse& response) { return begin_whole(response); });
    } else {
      get({}, [&](const HttpResponse& response) { return begin_whole(response); });
    }
    if (total_ && file_.bytes() < *total_) {
      throw NetworkError(fmt::format("{}: the connection ended after {} of {} bytes",
                                     request_.url.shown(), file_.bytes(), *total_),
                         /*may_retry=*/true);
    }
  }

  void get(const std::vector<std::string>& headers,
           const std::function<bool(const HttpResponse&)>& begin) {
    const auto begin_file = [&](const HttpResponse& response) {
      judge_status(response, request_.url, settings_);
      learn_hash(response);
      return begin(response);
    };
    http_get(settings_.http, request_.url, headers,
             {.begin = begin_file, .body = [this](std::string_view bytes) { take(bytes); }});
  }

  void learn_hash(const HttpResponse& response) {
    const auto said = hub_hash(response, settings_.hub_origin);
    if (!said.is_known()) return;
    if (!request_.hash.is_known()) {
      expected_ = said;
    } else if (said.kind == request_.hash.kind && said != request_.hash) {
      throw InputError(fmt::format("{}: has {} on the hub, not {}", request_.url.shown(),
                                   said.shown(), request_.hash.shown()));
    }
  }

  /// The answer to a request for the bytes from file_.bytes() on; false: it is of no use.
  bool begin_rest(const HttpResponse& response) {
    if (response.status == 200) return begin_whole(response);
    if (response.status == 416) return false;
    judge_kind(response, request_.url);
    const auto range = parse_content_range(response.header("content-range").value_or(""));
    const auto tag = strong_tag(response);
    const bool may_have_changed =
        tag.empty() ? !expected_.is_known() : !tag_.empty() && tag != tag_;
    if (!range || range->begin != file_.bytes() || may_have_changed ||
        (range->total && total_ && *range->total != *total_)) {
      observer_.detail(fmt::format("{}: the server sends other bytes than were asked for",
                                   request_.url.shown()));
      may_resume_ = false;
      return false;
    }
    if (!expected_.is_known() && is_of_former_run_) return false;  // nothing will tell if they fit
    observer_.detail(fmt::format("{}: going on at byte {}", request_.url.shown(), file_.bytes()));
    judge_size(range->total ? range->total : total_, /*says_its_end=*/true);
    is_joined_ = true;
    return true;
  }

  bool begin_whole(const HttpResponse& response) {
    if (response.status != 200) {
      throw NetworkError(fmt::format("{}: the whole was asked for, and the server answers as if it "
                                     "were a part (status {})",
                                     request_.url.shown(), response.status),
                         /*may_retry=*/true);
    }
    judge_kind(response, request_.url);
    std::optional<std::uint64_t> size;
    if (const auto length = response.header("content-length")) {
      size = number_in(*length);
      if (!size) {
        throw InputError(
            fmt::format("{}: the server says it has '{}' bytes", request_.url.shown(), *length));
      }
    }
    judge_size(size, size || response.header("transfer-encoding"));
    if (file_.bytes() > 0) {
      observer_.detail(fmt::format("{}: from the beginning again", request_.url.shown()));
      start_over();
    }
    tag_ = strong_tag(response);
    return true;
  }

  /// `size`: of the whole file, if the server says it. Keeps it, or throws: InputError, IoError.
  void judge_size(std::optional<std::uint64_t> size, bool says_its_end) {
    says_its_end_ = says_its_end;
    if (!size && !says_its_end && !expected_.is_known()) {
      throw InputError(
          fmt::format("{}: the server says neither how long it is nor when it ends, and there is "
                      "no hash to check it by; give --sha256",
                      request_.url.shown()));
    }
    if (size && request_.bytes > 0 && *size != request_.bytes) {
      throw InputError(fmt::format("{}: the server has {} bytes of it, but it should have {}",
                                   request_.url.shown(), *size, request_.bytes));
    }
    if (size && *size > settings_.most_bytes) {
      throw InputError(fmt::format("{}: has {} bytes; more than {} are not fetched",
                                   request_.url.shown(), *size, settings_.most_bytes));
    }
    if (request_.bytes == 0) total_ = size;
    if (!total_) return;
    std::error_code error;
    const auto folder = request_.path.has_parent_path() ? request_.path.parent_path() : ".";
    const auto space = fs::space(folder, error);
    if (!error && space.available < *total_ - std::min(*total_, file_.bytes())) {
      throw IoError(fmt::format("{}: needs {} bytes, and {} has {} free", request_.path.string(),
                                *total_ - std::min(*total_, file_.bytes()), folder.string(),
                                space.available));
    }
  }

  void take(std::string_view bytes) {
    const auto most = total_.value_or(settings_.most_bytes);
    if (bytes.size() > most - file_.bytes()) refuse(fmt::format("has more than {} bytes", most));
    file_.append(bytes);
    digest_.update(bytes);
    observer_.progress(file_.bytes(), total_.value_or(0));
  }

  void check() {
    if (!expected_.is_known()) return;
    const auto actual = expected_.kind == ContentHash::Kind::kSha256
                            ? ContentHash{.kind = expected_.kind, .hex = digest_.hex()}
                            : content_hash_of(file_.part_path(), expected_.kind);
    if (actual != expected_) {
      refuse(fmt::format("has {}, not {}", actual.shown(), expected_.shown()));
    }
  }

  /// The bytes are wrong. The server is to blame only if it sent all of them at once; where it does
  /// not say how many there are, they may have been cut, which a second time shows.
  [[noreturn]] void refuse(const std::string& problem) {
    const auto message = fmt::format("{}: {}", request_.url.shown(), problem);
    if (is_joined_ || (!says_its_end_ && !std::exchange(was_in_doubt_, true))) {
      start_over();
      throw NetworkError(message, /*may_retry=*/true);
    }
    file_.remove();
    throw InputError(message);
  }

  FileResult finish() {
    const FileResult result{
        .was_there = false, .bytes = file_.bytes(), .checked = expected_, .sha256 = digest_.hex()};
    if (!request_.hash.is_known()) record_hash(request_.path, result.sha256);
    file_.commit(request_.replace);
    return result;
  }

  /// The end of an error's sentence. What nothing can check later does not stay.
  std::string what_is_kept() {
    if (!expected_.is_known()) file_.remove();
    if (!expected_.is_known() || file_.bytes() == 0) return {};
    return fmt::format("; {} keeps {} bytes, and the same command goes on from there",
                       file_.part_path().string(), file_.bytes());
  }

  const FileRequest& request_;
  const DownloadSettings& settings_;
  const DownloadObserver& observer_;
  formats::PartialFile file_;
  formats::Digest digest_;  // of what is in file_
  ContentHash expected_;
  std::optional<std::uint64_t> total_;
  std::string tag_;  // of the response that file_ began with
  bool may_resume_ = true;
  bool is_of_former_run_ = false;  // file_ holds bytes that another process brought
  bool is_joined_ = false;         // file_ holds bytes of several responses
  bool was_in_doubt_ = false;
  bool says_its_end_ = true;  // the response ends where it says, not where the connection ends
};

/// The hash that the file at `path` has to have; throws if that is something else to be kept.
std::optional<ContentHash> hash_if_right(const FileRequest& request) {
  if (!fs::exists(request.path)) return {};
  if (!fs::is_regular_file(request.path)) {
    throw formats::ExistsError(
        fmt::format("{}: exists and is not a regular file", request.path.string()));
  }
  const auto known = request.hash.is_known() ? request.hash : load_recorded_hash(request.path);
  if (known.is_known()) {
    const auto actual = content_hash_of(request.path, known.kind);
    if (actual == known) return known;
    if (request.replace) return {};
    throw formats::ExistsError(fmt::format("{} exists and has {}, not {}; --force fetches it again",
                                           request.path.string(), actual.shown(), known.shown()));
  }
  if (request.replace) return {};
  throw formats::ExistsError(
      fmt::format("{} exists, and there is no hash to check it by; --force fetches it again",
                  request.path.string()));
}

}  // namespace

FileResult download(const FileRequest& request, const DownloadSettings& settings,
                    const DownloadObserver& observer) {
  if (const auto hash = hash_if_right(request)) {
    const auto bytes = fs::file_size(request.path);
    return {.was_there = true, .bytes = bytes, .checked = *hash, .sha256 = {}};
  }
  return Transfer(request, settings, observer).run();
}

TextResult fetch_text(const Url& url, std::size_t most_bytes, const DownloadSettings& settings,
                      const DownloadObserver& observer) {
  Backoff backoff(settings.retry, observer.notice);
  for (;;) {
    TextResult result;
    const auto begin = [&](const HttpResponse& response) {
      judge_status(response, url, settings);
      return true;
    };
    const auto take = [&](std::string_view bytes) {
      if (bytes.size() > most_bytes - result.text.size()) {
        throw InputError(fmt::format("{}: has more than {} bytes", url.shown(), most_bytes));
      }
      result.text += bytes;
    };
    try {
      result.response = http_get(settings.http, url, {}, {.begin = begin, .body = take});
      return result;
    } catch (const NetworkError& error) {
      backoff.wait_after(error);
    }
  }
}

}  // namespace gpt2::fetch
