// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/fetch/url.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <new>

#include "formats/errors.h"

namespace gpt2::fetch {
namespace {

using formats::InputError;
using formats::UsageError;

/// libcurl's parser, so that what is checked is what is sent.
class Parser {
 public:
  Parser() : handle_(curl_url()) {
    if (handle_ == nullptr) throw std::bad_alloc();
  }
  /// False: not an address. A second one may be relative to the first.
  bool take(std::string_view text) {
    return curl_url_set(handle_.get(), CURLUPART_URL, std::string(text).c_str(), 0) == CURLUE_OK;
  }
  /// Empty: there is none.
  std::string part(CURLUPart part, unsigned flags = 0) const {
    char* text = nullptr;
    if (curl_url_get(handle_.get(), part, &text, flags) != CURLUE_OK) return {};
    const std::unique_ptr<char, decltype(&curl_free)> owner(text, curl_free);
    return text;
  }
  /// Why it is of no use here; empty: it is of use.
  std::string problem() const {
    const auto scheme = part(CURLUPART_SCHEME);
    if (scheme != "https" && scheme != "http") return "is neither https nor http";
    const bool has_user = !part(CURLUPART_USER).empty() || !part(CURLUPART_PASSWORD).empty();
    return has_user ? "holds a user name or password" : "";
  }
  Url url() {
    curl_url_set(handle_.get(), CURLUPART_FRAGMENT, nullptr, 0);
    const auto scheme = part(CURLUPART_SCHEME);
    auto host = part(CURLUPART_HOST);  // the scheme is in lower case already
    std::transform(host.begin(), host.end(), host.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return {
        .text = part(CURLUPART_URL),
        .origin = fmt::format("{}://{}:{}", scheme, host, part(CURLUPART_PORT, CURLU_DEFAULT_PORT)),
        .secure = scheme == "https"};
  }

 private:
  struct Free {
    void operator()(CURLU* handle) const { curl_url_cleanup(handle); }
  };
  std::unique_ptr<CURLU, Free> handle_;
};

}  // namespace

Url parse_url(std::string_view text) {
  Parser parser;
  if (!parser.take(text)) throw UsageError(fmt::format("'{}' is not a web address", text));
  if (const auto problem = parser.problem(); !problem.empty()) {
    throw UsageError(fmt::format("'{}' {}", text, problem));
  }
  return parser.url();
}

Url follow_url(const Url& base, std::string_view location) {
  Parser parser;
  std::string problem = "is not a web address";
  if (parser.take(base.text) && parser.take(location)) problem = parser.problem();
  if (problem.empty()) {
    auto target = parser.url();
    if (target.secure || !base.secure) return target;
    problem = "is not https any more";
  }
  throw InputError(fmt::format("{} redirects to '{}', which {}", base.shown(),
                               location.substr(0, location.find('?')), problem));
}

std::string file_name_of(const Url& url) {
  Parser parser;
  parser.take(url.text);
  // The whole path is decoded first, so that an encoded separator is one, too.
  const auto path = parser.part(CURLUPART_PATH, CURLU_URLDECODE);
  const auto name = path.substr(path.rfind('/') + 1);
  if (!is_plain_file_name(name)) {
    throw UsageError(
        fmt::format("{} does not end in a file name; --out says where it goes", url.shown()));
  }
  return name;
}

bool is_plain_file_name(std::string_view name) {
  constexpr std::size_t kLongest = 200;  // of 255, leaving room for .part and the like
  return !name.empty() && name.size() <= kLongest && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return c > 0x20 && c != 0x7F && c != '/' && c != '\\';
         });
}

std::string join_url(std::string_view base, std::string_view path) {
  while (base.ends_with('/')) base.remove_suffix(1);
  return fmt::format("{}/{}", base, path);
}

}  // namespace gpt2::fetch
