// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/fetch/retry.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <charconv>
#include <thread>
#include <utility>

namespace gpt2::fetch {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::system_clock;

constexpr seconds kLongestAsked{86400 * 365};

/// Digits at the beginning of `text`; nothing if there are none.
std::optional<seconds> seconds_in(std::string_view text) {
  std::int64_t count = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), count);
  if (result.ec == std::errc::result_out_of_range) return kLongestAsked;
  if (result.ec != std::errc() || count < 0) return {};
  return std::min(seconds(count), kLongestAsked);
}

/// RFC 9110, section 5.6.7, in its preferred form.
std::optional<system_clock::time_point> http_date(const std::string& text) {
  std::tm time{};
  const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &time);
  if (end == nullptr || *end != '\0') return {};
  return system_clock::from_time_t(::timegm(&time));
}

}  // namespace

RetrySettings::RetrySettings()
    : sleep([](milliseconds time) { std::this_thread::sleep_for(time); }) {}

std::optional<seconds> asked_wait(const HttpResponse& response, system_clock::time_point now) {
  if (const auto after = response.header("retry-after")) {
    if (const auto wait = seconds_in(*after)) return wait;
    if (const auto date = http_date(*after)) {
      const auto wait = std::chrono::ceil<seconds>(*date - now);
      return std::clamp(wait, seconds(0), kLongestAsked);
    }
  }
  if (const auto limit = response.header("ratelimit")) {  // "resolvers";r=0;t=120
    if (const auto place = limit->find(";t="); place != std::string::npos) {
      return seconds_in(std::string_view(*limit).substr(place + 3));
    }
  }
  return {};
}

Backoff::Backoff(const RetrySettings& settings, std::function<void(const std::string&)> tell)
    : settings_(settings), tell_(std::move(tell)), random_(std::random_device{}()) {}

void Backoff::wait_after(const NetworkError& error) {
  if (!error.may_retry() || settings_.tries == 1) throw error;
  if (++failures_ >= settings_.tries) {
    throw NetworkError(fmt::format("{}; {} tries in a row failed", error.what(), failures_),
                       /*may_retry=*/false);
  }
  const auto asked = error.retry_after();
  if (asked && *asked > settings_.patience) {
    throw NetworkError(
        fmt::format("{}; the server asks to come back in {} s", error.what(), asked->count()),
        /*may_retry=*/false);
  }
  // Many clients that failed together must not come back together: half of the wait is by chance.
  auto wait = settings_.first_wait;
  for (int i = 1; i < failures_ && wait < settings_.longest_wait; ++i) wait *= 2;
  wait = std::min(wait, settings_.longest_wait);
  wait = milliseconds(
      std::uniform_int_distribution<std::int64_t>(wait.count() / 2, wait.count())(random_));
  if (asked) wait += *asked;
  tell_(fmt::format("{}; next try in {:.1f} s", error.what(),
                    std::chrono::duration<double>(wait).count()));
  settings_.sleep(wait);
}

}  // namespace gpt2::fetch
