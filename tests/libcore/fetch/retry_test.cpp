// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/fetch/retry.h"

#include <boost/test/unit_test.hpp>

namespace gpt2::fetch {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// A clock that only notes how long it was asked to sleep.
struct Clock {
  RetrySettings settings;
  std::vector<milliseconds> waits;
  std::vector<std::string> told;
  Clock() {
    settings.sleep = [this](milliseconds time) { waits.push_back(time); };
  }
  Backoff backoff() {
    return {settings, [this](const std::string& text) { told.push_back(text); }};
  }
};

std::optional<std::int64_t> wait_of(const std::string& name, const std::string& value) {
  HttpResponse response;
  response.headers.emplace_back(name, value);
  // Thu, 01 Jan 2026 00:00:00 GMT
  const auto wait = asked_wait(response, std::chrono::system_clock::from_time_t(1767225600));
  if (!wait) return {};
  return wait->count();
}

const NetworkError kFailure("no answer", /*may_retry=*/true);

}  // namespace

BOOST_FIXTURE_TEST_SUITE(retry, Clock)

BOOST_AUTO_TEST_CASE(waits_grow_to_a_bound_and_half_of_each_is_chance) {
  settings.tries = 12;
  auto backoff = this->backoff();
  for (int i = 0; i < 11; ++i) backoff.wait_after(kFailure);
  BOOST_REQUIRE(waits.size() == 11U);
  auto most = 1000ms;
  for (const auto wait : waits) {
    BOOST_TEST((wait >= most / 2 && wait <= most), wait.count());
    most = std::min(2 * most, 60'000ms);
  }
  BOOST_CHECK_THROW(backoff.wait_after(kFailure), NetworkError);
  BOOST_TEST(told.size() == 11U);
  BOOST_TEST(told.front().starts_with("no answer; next try in "));
}

BOOST_AUTO_TEST_CASE(success_between_starts_the_count_again) {
  settings.tries = 2;
  auto backoff = this->backoff();
  for (int i = 0; i < 5; ++i) {
    backoff.wait_after(kFailure);
    backoff.succeeded();
  }
  backoff.wait_after(kFailure);
  BOOST_CHECK_THROW(backoff.wait_after(kFailure), NetworkError);
}

BOOST_AUTO_TEST_CASE(what_another_try_cannot_cure_is_thrown_at_once) {
  BOOST_CHECK_THROW(backoff().wait_after(NetworkError("untrusted", /*may_retry=*/false)),
                    NetworkError);
  BOOST_TEST(waits.empty());
}

BOOST_AUTO_TEST_CASE(server_is_given_the_time_it_asks_for_within_our_patience) {
  auto backoff = this->backoff();
  backoff.wait_after(NetworkError("busy", true, 120s));
  BOOST_TEST((waits.front() >= 120s && waits.front() <= 121s));
  BOOST_CHECK_THROW(backoff.wait_after(NetworkError("busy", true, 601s)), NetworkError);
  BOOST_TEST(waits.size() == 1U);
}

BOOST_AUTO_TEST_CASE(asked_wait_is_read_as_seconds_as_a_date_and_from_ratelimit) {
  BOOST_TEST(wait_of("retry-after", "120").value() == 120);
  BOOST_TEST(wait_of("retry-after", "Thu, 01 Jan 2026 00:01:00 GMT").value() == 60);
  BOOST_TEST(wait_of("retry-after", "Wed, 31 Dec 2025 23:59:00 GMT").value() == 0);
  BOOST_TEST(wait_of("ratelimit", "\"resolvers\";r=0;t=42").value() == 42);
  BOOST_TEST(wait_of("retry-after", "99999999999999999999").value() > 600);
  for (const auto* value : {"", "soon", "-5", "Thu, 01 Foo 2026 00:01:00 GMT"}) {
    BOOST_TEST(!wait_of("retry-after", value), value);
  }
  BOOST_TEST(!wait_of("ratelimit", "\"api\";r=0"));
  BOOST_TEST(!wait_of("date", "Thu, 01 Jan 2026 00:01:00 GMT"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::fetch
