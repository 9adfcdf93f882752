// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/half_precision.h"

#include <bit>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace gpt2::formats {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The value of an IEEE half, from its definition.
double value_of_half(std::uint32_t bits) {
  const double sign = bits & 0x8000 ? -1 : 1;
  const int exponent = static_cast<int>(bits >> 10 & 0x1F),
            fraction = static_cast<int>(bits & 0x3FF);
  if (exponent == 0x1F) return fraction == 0 ? sign * kInfinity : std::nan("");
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(half_precision)

BOOST_AUTO_TEST_CASE(every_half_is_exact_in_float_and_comes_back) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = float_from_half(half);
    const double expected = value_of_half(bits);
    if (std::isnan(expected)) {
      BOOST_REQUIRE(std::isnan(value));
      BOOST_REQUIRE(std::isnan(float_from_half(half_from_float(value))));
      continue;
    }
    BOOST_REQUIRE_EQUAL(static_cast<double>(value), expected);
    BOOST_REQUIRE_EQUAL(std::signbit(value), (bits & 0x8000) != 0);
    BOOST_REQUIRE_EQUAL(half_from_float(value), half);
  }
}

BOOST_AUTO_TEST_CASE(every_bfloat16_is_exact_in_float_and_comes_back) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto brain = static_cast<std::uint16_t>(bits);
    const float value = float_from_bfloat16(brain);
    BOOST_REQUIRE_EQUAL(std::bit_cast<std::uint32_t>(value), bits << 16);
    if (std::isnan(value)) {
      BOOST_REQUIRE(std::isnan(float_from_bfloat16(bfloat16_from_float(value))));
    } else {
      BOOST_REQUIRE_EQUAL(bfloat16_from_float(value), brain);
    }
  }
}

// Between two neighbours: below the middle down, above it up, at it to the even one.
BOOST_AUTO_TEST_CASE(halves_round_to_nearest_even) {
  for (std::uint32_t bits = 0; bits < 0x7BFF; ++bits) {
    const auto low = static_cast<std::uint16_t>(bits), high = static_cast<std::uint16_t>(bits + 1);
    const auto middle = static_cast<float>((value_of_half(bits) + value_of_half(bits + 1)) / 2);
    BOOST_REQUIRE_EQUAL(half_from_float(middle), bits % 2 == 0 ? low : high);
    BOOST_REQUIRE_EQUAL(half_from_float(std::nextafter(middle, 0.0F)), low);
    BOOST_REQUIRE_EQUAL(half_from_float(std::nextafter(middle, kInfinity)), high);
    BOOST_REQUIRE_EQUAL(half_from_float(-middle),
                        static_cast<std::uint16_t>(0x8000 | (bits % 2 == 0 ? low : high)));
  }
}

BOOST_AUTO_TEST_CASE(bfloat16_rounds_to_nearest_even) {
  for (std::uint32_t bits = 0; bits < 0x7F80; ++bits) {
    const auto low = static_cast<std::uint16_t>(bits), high = static_cast<std::uint16_t>(bits + 1);
    const auto middle = std::bit_cast<float>(bits << 16 | 0x8000);
    BOOST_REQUIRE_EQUAL(bfloat16_from_float(middle), bits % 2 == 0 ? low : high);
    BOOST_REQUIRE_EQUAL(bfloat16_from_float(std::bit_cast<float>(bits << 16 | 0x7FFF)), low);
    BOOST_REQUIRE_EQUAL(bfloat16_from_float(std::bit_cast<float>(bits << 16 | 0x8001)), high);
  }
}

BOOST_AUTO_TEST_CASE(what_is_too_large_for_half_is_infinity) {
  BOOST_TEST(half_from_float(65504) == 0x7BFF);
  BOOST_TEST(half_from_float(std::nextafter(65520.0F, 0.0F)) == 0x7BFF);
  BOOST_TEST(half_from_float(65520) == 0x7C00);
  BOOST_TEST(half_from_float(-1e30F) == 0xFC00);
  BOOST_TEST(half_from_float(kInfinity) == 0x7C00);
  BOOST_TEST(bfloat16_from_float(std::numeric_limits<float>::max()) == 0x7F80);
}

BOOST_AUTO_TEST_CASE(nan_stays_nan_whatever_its_payload) {
  for (const std::uint32_t bits :
       {0x7F800001U, 0x7FC00000U, 0xFF800001U, 0xFFFFFFFFU, 0x7F80FFFFU}) {
    const auto nan = std::bit_cast<float>(bits);
    BOOST_TEST(std::isnan(float_from_half(half_from_float(nan))));
    BOOST_TEST(std::isnan(float_from_bfloat16(bfloat16_from_float(nan))));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::formats
