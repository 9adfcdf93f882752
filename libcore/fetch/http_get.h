// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Getting one resource over http or https, redirects included. Neither tries again nor trusts: what
// came is judged by the caller. libcurl is included by http_get.cpp and url.cpp alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/errors.h"
#include "libcore/fetch/url.h"

namespace gpt2::fetch {

struct HttpSettings {
  std::string ca_file;  // certificates of the authorities to trust (PEM); empty: the system's
  std::chrono::seconds connect_timeout{15};
  // A transfer that brings fewer bytes a second than this for so long is ended.
  std::int64_t slow_bytes_per_second = 1000;
  std::chrono::seconds slow_time{30};
  int most_redirects = 8;
  // The token is sent to this origin alone, and only over https.
  std::string token, token_origin;
};

/// The network, or the server at its other end, failed. `retry_after`: the server asks for so much
/// time.
class NetworkError : public formats::UnavailableError {
 public:
  NetworkError(const std::string& message, bool may_retry,
               std::optional<std::chrono::seconds> retry_after = {})
      : UnavailableError(message), may_retry_(may_retry), retry_after_(retry_after) {}
  bool may_retry() const { return may_retry_; }
  std::optional<std::chrono::seconds> retry_after() const { return retry_after_; }

 private:
  bool may_retry_;
  std::optional<std::chrono::seconds> retry_after_;
};

struct HttpResponse {
  Url url;
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::vector<HttpResponse> redirects;                       // the responses that led here

  /// Of several, the last. Nothing: there is none.
  std::optional<std::string> header(std::string_view name) const;
};

struct HttpReceiver {
  /// Called once, before any byte of the body; false: the body is not wanted. What it throws comes
  /// out of http_get().
  std::function<bool(const HttpResponse&)> begin;
  /// The body as it comes, as it was sent: nothing is unpacked. May throw as well.
  std::function<void(std::string_view)> body;
};

/// GET, following redirects as far as follow_url() allows, and the response at their end.
/// `headers`: lines "Name: value" for every server on the way. Throws: NetworkError when no
/// response came, or not all of its body; InputError for a redirect that is refused, or headers
/// without end; UsageError for a ca_file that holds no certificates.
HttpResponse http_get(const HttpSettings& settings, const Url& url,
                      const std::vector<std::string>& headers, const HttpReceiver& receiver);

}  // namespace gpt2::fetch
