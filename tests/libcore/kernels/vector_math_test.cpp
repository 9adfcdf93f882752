// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/libcore/kernels/vector_math_test.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, which includes this file once more for each instruction set.
#include "libcore/kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gpt2::kernels::HWY_NAMESPACE {

void exponentials_of(const float* x, std::int64_t count, float* y) {
  for_each_vector(
      count, [&](auto d, std::int64_t i) { hn::StoreU(exp_of(d, hn::LoadU(d, x + i)), d, y + i); });
}

}  // namespace gpt2::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <boost/test/unit_test.hpp>

namespace gpt2::kernels {

HWY_EXPORT(exponentials_of);

namespace {

std::vector<float> exponentials(const std::vector<float>& x) {
  std::vector<float> y(x.size());
  HWY_DYNAMIC_DISPATCH(exponentials_of)(x.data(), static_cast<std::int64_t>(x.size()), y.data());
  return y;
}

/// Runs `check` on every instruction set that this machine has.
template <class Check>
void for_each_instruction_set(const Check& check) {
  for (const auto target : hwy::SupportedAndGeneratedTargets()) {
    BOOST_TEST_CONTEXT(hwy::TargetName(target)) {
      hwy::SetSupportedTargetsForTest(target);
      check();
    }
  }
  hwy::SetSupportedTargetsForTest(0);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vector_math)

BOOST_AUTO_TEST_CASE(exponentials_are_within_two_units_in_the_last_place) {
  std::vector<float> x;
  for (float value = -87; value <= 88; value += 0.00117F) x.push_back(value);
  for_each_instruction_set([&] {
    const auto y = exponentials(x);
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double expected = std::exp(double{x[i]});
      const auto rounded = static_cast<float>(expected);
      const double unit = double{std::nextafter(rounded, HUGE_VALF)} - double{rounded};
      worst = std::max(worst, std::abs(double{y[i]} - expected) / unit);
    }
    BOOST_TEST(worst <= 2);
  });
}

BOOST_AUTO_TEST_CASE(exponentials_at_the_ends) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for_each_instruction_set([&] {
    const auto y = exponentials({0, -0.0F, 1000, kInfinity, -1000, -kInfinity,
                                 std::numeric_limits<float>::quiet_NaN(), -std::nanf("77")});
    BOOST_TEST(y[0] == 1);
    BOOST_TEST(y[1] == 1);
    for (const int large : {2, 3}) BOOST_TEST((y[large] > 2e38F && std::isfinite(y[large])));
    for (const int small : {4, 5}) BOOST_TEST((y[small] >= 0 && y[small] < 2e-38F));
    BOOST_TEST((std::isnan(y[6]) && std::isnan(y[7])));
  });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::kernels
#endif
