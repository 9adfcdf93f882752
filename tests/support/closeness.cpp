// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tests/support/closeness.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>

namespace gpt2::support {
namespace {

double largest_magnitude(std::span<const double> values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

}  // namespace

void check_close(std::string_view name, std::span<const float> actual,
                 std::span<const double> expected, double tolerance) {
  BOOST_REQUIRE_MESSAGE(
      actual.size() == expected.size(),
      fmt::format("{}: {} elements, expected {}", name, actual.size(), expected.size()));
  const double allowed = tolerance * largest_magnitude(expected);
  std::size_t worst = 0, wrong = 0;
  double worst_error = -1;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double error = std::abs(double{actual[i]} - expected[i]);
    const bool is_wrong = !(error <= allowed);  // a NaN is wrong
    wrong += is_wrong ? 1 : 0;
    if (is_wrong && !(error <= worst_error)) {
      worst = i;
      worst_error = error;
    }
  }
  BOOST_CHECK_MESSAGE(
      wrong == 0,
      fmt::format("{}: {} of {} elements differ, the worst at {}: {}, expected {} within {}", name,
                  wrong, actual.size(), worst, actual.empty() ? 0 : actual[worst],
                  expected.empty() ? 0 : expected[worst], allowed));
}

double relative_difference(std::span<const double> actual, std::span<const double> expected) {
  BOOST_REQUIRE_EQUAL(actual.size(), expected.size());
  double worst = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    worst = std::max(worst, std::abs(actual[i] - expected[i]));
  }
  return worst / largest_magnitude(expected);
}

void check_same_bits_for_any_thread_count(
    const std::function<std::vector<std::vector<float>>(Backend&)>& run) {
  Backend one_thread(1);
  const auto expected = run(one_thread);
  // A GPU has no threads to choose: there the same once more, which the emulator runs in another
  // order.
  const std::vector<int> counts = test_device() == "cpu" ? std::vector{2, 3, 7} : std::vector{1};
  for (const int threads : counts) {
    Backend backend(threads);
    const auto actual = run(backend);
    BOOST_REQUIRE_EQUAL(actual.size(), expected.size());
    for (std::size_t tensor = 0; tensor < expected.size(); ++tensor) {
      BOOST_REQUIRE_EQUAL(actual[tensor].size(), expected[tensor].size());
      const bool same = std::memcmp(actual[tensor].data(), expected[tensor].data(),
                                    expected[tensor].size() * sizeof(float)) == 0;
      BOOST_CHECK_MESSAGE(
          same, fmt::format("output {} of {} threads differs from that of one", tensor, threads));
    }
  }
}

}  // namespace gpt2::support
