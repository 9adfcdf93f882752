// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// When to try again after a failure of the network: ever later, or when the server says.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <random>
#include <string>

#include "libcore/fetch/http_get.h"

namespace gpt2::fetch {

struct RetrySettings {
  int tries = 6;  // in a row without success
  std::chrono::milliseconds first_wait{1000};
  std::chrono::milliseconds longest_wait{60'000};
  std::chrono::seconds patience{600};  // a server that asks for more time is not waited for
  // The clock, which tests replace.
  std::function<void(std::chrono::milliseconds)> sleep;
  std::function<std::chrono::system_clock::time_point()> now = std::chrono::system_clock::now;

  RetrySettings();
};

/// How long the response asks to wait: Retry-After (seconds or a date), else RateLimit.
std::optional<std::chrono::seconds> asked_wait(const HttpResponse& response,
                                               std::chrono::system_clock::time_point now);

/// Counts the failures of one task in a row and waits between them.
class Backoff {
 public:
  /// `tell` gets a sentence before each wait.
  Backoff(const RetrySettings& settings, std::function<void(const std::string&)> tell);
  /// Waits until the next try, or throws `error` if there is to be none.
  void wait_after(const NetworkError& error);
  /// The task got on: failures before do not count any more.
  void succeeded() { failures_ = 0; }

 private:
  const RetrySettings& settings_;
  std::function<void(const std::string&)> tell_;
  int failures_ = 0;
  std::minstd_rand random_;
};

}  // namespace gpt2::fetch
