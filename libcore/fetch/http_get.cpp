// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/fetch/http_get.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <exception>
#include <memory>
#include <new>

namespace gpt2::fetch {
namespace {

using formats::InputError;

static_assert(LIBCURL_VERSION_NUM >= 0x075500,
              "libcurl 7.85 is the first that is told protocols by name");

constexpr std::size_t kMostHeaderBytes = 256 << 10;

/// libcurl's own preparations, once in a process.
void prepare_libcurl() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (code != CURLE_OK) throw NetworkError("libcurl cannot be started", /*may_retry=*/false);
}

struct FreeHandle {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using Handle = std::unique_ptr<CURL, FreeHandle>;

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

HeaderList header_list(const std::vector<std::string>& lines) {
  HeaderList list;
  for (const auto& line : lines) {
    curl_slist* longer = curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    static_cast<void>(list.release());
    list.reset(longer);
  }
  return list;
}

std::string_view without_blanks(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const auto begin = std::min(text.find_first_not_of(kBlanks), text.size());
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// What a failed transfer means. `words` are libcurl's, of this transfer.
NetworkError failure(CURL* curl, CURLcode code, const Url& url, const std::string& words) {
  // libcurl has a code of its own for most certificates that fail, but not for a wrong signature.
  long verified = 0;
  curl_easy_getinfo(curl, CURLINFO_SSL_VERIFYRESULT, &verified);
  if (code == CURLE_PEER_FAILED_VERIFICATION || verified != 0) {
    return {fmt::format("{}: the server cannot prove its name ({}); for a server of your own, "
                        "--ca-file says which authority to trust",
                        url.shown(), words),
            /*may_retry=*/false};
  }
  return {fmt::format("{}: {}", url.shown(), words), /*may_retry=*/true};
}

/// One request and what came of it. The static members are libcurl's callbacks; what they throw is
/// kept until libcurl has returned.
struct Exchange {
  const HttpReceiver& receiver;
  HttpResponse response;
  std::size_t header_bytes = 0;
  bool headers_ended = false, begun = false, wants_body = false;
  std::exception_ptr thrown = nullptr;

  /// False ends the transfer.
  bool begin() {
    if (!begun) {
      begun = true;
      wants_body = receiver.begin(response);
    }
    return wants_body;
  }

  void take_header(std::string_view line) {
    header_bytes += line.size();
    if (header_bytes > kMostHeaderBytes) {
      throw InputError(fmt::format("{}: sends more than {} bytes of headers", response.url.shown(),
                                   kMostHeaderBytes));
    }
    if (headers_ended) return;  // what follows a body in pieces
    const auto text = without_blanks(line);
    if (text.starts_with("HTTP/")) {  // an informational response may have come before
      response.headers.clear();
      const auto digits = text.substr(std::min(text.find(' ') + 1, text.size()));
      std::from_chars(digits.data(), digits.data() + digits.size(), response.status);
    } else if (text.empty()) {
      headers_ended = response.status >= 200;
    } else if (const auto colon = text.find(':'); colon != std::string_view::npos) {
      std::string name(text.substr(0, colon));
      std::transform(name.begin(), name.end(), name.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      });
      response.headers.emplace_back(std::move(name), without_blanks(text.substr(colon + 1)));
    }
  }

  template <typename Action>
  static std::size_t guarded(void* self, std::size_t bytes, Action action) {
    auto& exchange = *static_cast<Exchange*>(self);
    try {
      return action(exchange) ? bytes : bytes + 1;  // another count: libcurl stops
    } catch (...) {
      exchange.thrown = std::current_exception();
      return bytes + 1;
    }
  }
  static std::size_t on_header(char* data, std::size_t, std::size_t bytes, void* self) {
    return guarded(self, bytes, [&](Exchange& exchange) {
      exchange.take_header({data, bytes});
      return true;
    });
  }
  static std::size_t on_body(char* data, std::size_t, std::size_t bytes, void* self) {
    return guarded(self, bytes, [&](Exchange& exchange) {
      if (!exchange.begin()) return false;
      exchange.receiver.body({data, bytes});
      return true;
    });
  }
};

/// One request, redirects not followed; `redirects` led to it.
HttpResponse get_once(const HttpSettings& settings, const Url& url,
                      std::vector<std::string> headers, const HttpReceiver& receiver,
                      std::vector<HttpResponse> redirects) {
  // The answer's bytes are the file's bytes: no compression on the way.
  headers.emplace_back("Accept-Encoding: identity");
  if (!settings.token.empty() && url.secure && url.origin == settings.token_origin) {
    headers.push_back("Authorization: Bearer " + settings.token);
  }
  const auto list = header_list(headers);
  const HttpReceiver of_the_last{.begin =
                                     [&](const HttpResponse& response) {
                                       return !is_redirect(response.status) &&
                                              receiver.begin(response);
                                     },
                                 .body = receiver.body};
  Exchange exchange{.receiver = of_the_last,
                    .response = {.url = url, .redirects = std::move(redirects)}};
  std::array<char, CURL_ERROR_SIZE> words{};

  prepare_libcurl();
  const Handle handle(curl_easy_init());
  if (handle == nullptr) throw std::bad_alloc();
  CURL* curl = handle.get();
  const auto set = [curl](CURLoption option, auto value) {
    if (curl_easy_setopt(curl, option, value) != CURLE_OK) throw std::bad_alloc();
  };
  set(CURLOPT_URL, url.text.c_str());
  set(CURLOPT_HTTPHEADER, list.get());
  set(CURLOPT_USERAGENT, "gpt2-fetch");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!settings.ca_file.empty()) {
    set(CURLOPT_CAINFO, settings.ca_file.c_str());
    set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  }
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_CONNECTTIMEOUT, static_cast<long>(settings.connect_timeout.count()));
  set(CURLOPT_LOW_SPEED_LIMIT, static_cast<long>(settings.slow_bytes_per_second));
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(settings.slow_time.count()));
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_BUFFERSIZE, 512L << 10);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_ERRORBUFFER, words.data());
  set(CURLOPT_HEADERFUNCTION, &Exchange::on_header);
  set(CURLOPT_HEADERDATA, &exchange);
  set(CURLOPT_WRITEFUNCTION, &Exchange::on_body);
  set(CURLOPT_WRITEDATA, &exchange);

  const CURLcode code = curl_easy_perform(curl);
  if (exchange.thrown) std::rethrow_exception(exchange.thrown);
  if (code == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
  const bool not_wanted = exchange.begun && !exchange.wants_body;
  if (code == CURLE_SSL_CACERT_BADFILE) {
    throw formats::UsageError(
        fmt::format("--ca-file {}: holds no certificates that can be read", settings.ca_file));
  }
  if (code != CURLE_OK && !not_wanted) {
    throw failure(curl, code, url, words[0] != '\0' ? words.data() : curl_easy_strerror(code));
  }
  exchange.begin();  // a response without a body
  return std::move(exchange.response);
}

}  // namespace

std::optional<std::string> HttpResponse::header(std::string_view name) const {
  const auto found = std::find_if(headers.rbegin(), headers.rend(),
                                  [&](const auto& header) { return header.first == name; });
  if (found == headers.rend()) return {};
  return found->second;
}

HttpResponse http_get(const HttpSettings& settings, const Url& url,
                      const std::vector<std::string>& headers, const HttpReceiver& receiver) {
  std::vector<HttpResponse> redirects;
  for (Url next = url;;) {
    auto response = get_once(settings, next, headers, receiver, redirects);
    if (!is_redirect(response.status)) return response;
    if (std::ssize(redirects) == settings.most_redirects) {
      throw NetworkError(
          fmt::format("{}: redirects more than {} times", url.shown(), settings.most_redirects),
          /*may_retry=*/false);
    }
    const auto location = response.header("location");
    if (!location) {
      throw InputError(fmt::format("{}: redirects to nowhere", response.url.shown()));
    }
    next = follow_url(response.url, *location);
    response.redirects.clear();
    redirects.push_back(std::move(response));
  }
}

}  // namespace gpt2::fetch
