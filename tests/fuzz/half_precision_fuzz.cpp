// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Every four bytes are a float: its half and its bfloat16 are the nearest there are, ties to even,
// found here by trying both neighbours in double.
#include <bit>
#include <cmath>

#include "formats/byte_codec.h"
#include "formats/half_precision.h"
#include "tests/fuzz/fuzz_target.h"

namespace gpt2::fuzz {
namespace {

using namespace formats;

struct Type {
  std::uint16_t (*round)(float);
  float (*widen)(std::uint16_t);
  std::uint16_t infinity;  // bits above it are no numbers
  double beyond;           // what the number after the largest would be
};
constexpr Type kHalf{half_from_float, float_from_half, 0x7C00, 0x1p16};
constexpr Type kBfloat16{bfloat16_from_float, float_from_bfloat16, 0x7F80, 0x1p128};

void check_rounding(const Type& type, float value) {
  const std::uint16_t bits = type.round(value);
  if (std::isnan(value)) {
    require(std::isnan(type.widen(bits)), "a NaN stays a NaN");
    return;
  }
  require((bits & 0x8000) == (std::signbit(value) ? 0x8000 : 0), "the sign stays");
  const auto magnitude = static_cast<std::uint16_t>(bits & 0x7FFF);
  require(magnitude <= type.infinity, "a number does not become a NaN");
  if (std::isinf(value)) {
    require(magnitude == type.infinity, "infinity stays");
    return;
  }
  const auto number = [&](unsigned place) {
    return place == type.infinity
               ? type.beyond
               : static_cast<double>(type.widen(static_cast<std::uint16_t>(place)));
  };
  const double exact = std::abs(static_cast<double>(value));
  const double error = std::abs(number(magnitude) - exact);
  const auto check_neighbour = [&](unsigned place) {
    const double other = std::abs(number(place) - exact);
    require(error < other || (error == other && magnitude % 2 == 0),
            "the nearest is taken, and of two the even one");
  };
  if (magnitude > 0) check_neighbour(magnitude - 1U);
  if (magnitude < type.infinity) check_neighbour(magnitude + 1U);
  require(magnitude == type.infinity || type.round(type.widen(bits)) == bits,
          "what is rounded stays");
}

}  // namespace

void check(std::string_view input) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(input.data());
  for (std::size_t place = 0; place + 4 <= input.size(); place += 4) {
    const auto value = std::bit_cast<float>(load_u32(bytes + place));
    check_rounding(kHalf, value);
    check_rounding(kBfloat16, value);
  }
}

}  // namespace gpt2::fuzz
