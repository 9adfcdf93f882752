// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/kernels/gelu_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libcore/kernels/gelu_cpu.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, which includes this file once more for each instruction set.
#include "libcore/kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gpt2::kernels::HWY_NAMESPACE {

// gelu(x) = x (1 + tanh(u)) / 2 = x sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3).
constexpr float kTwiceRoot = 1.5957691216057308F;  // 2 sqrt(2 / pi)
constexpr float kCubic = 0.044715F;

// e^(-2u); sigmoid(2u) = 1 / (1 + it).
template <class D, class V>
HWY_INLINE V exp_minus_2u(D d, V x) {
  const auto x_squared = hn::Mul(x, x);
  const auto inner = hn::MulAdd(hn::Set(d, kCubic), x_squared, hn::Set(d, 1.0F));
  const auto minus_2u = hn::Mul(hn::Mul(x, hn::Set(d, -kTwiceRoot)), inner);
  return exp_of(d, minus_2u);
}

void add_bias_row(const float* bias, std::int64_t count, float* y) {
  for_each_vector(count, [&](auto d, std::int64_t i) {
    hn::StoreU(hn::Add(hn::LoadU(d, y + i), hn::LoadU(d, bias + i)), d, y + i);
  });
}

void add_bias_gelu_row(const float* bias, std::int64_t count, float* pre_activation, float* y) {
  for_each_vector(count, [&](auto d, std::int64_t i) {
    auto x = hn::LoadU(d, pre_activation + i);
    if (bias != nullptr) {
      x = hn::Add(x, hn::LoadU(d, bias + i));
      hn::StoreU(x, d, pre_activation + i);
    }
    const auto divisor = hn::Add(hn::Set(d, 1.0F), exp_minus_2u(d, x));
    hn::StoreU(hn::Div(x, divisor), d, y + i);
  });
}

// gelu'(x) = s (1 + x (1 - s) (2u)'), s = sigmoid(2u); 1 - s = s e^(-2u) loses nothing where s is
// near 1.
void multiply_by_gelu_slope_row(const float* pre_activation, std::int64_t count, float* dx) {
  for_each_vector(count, [&](auto d, std::int64_t i) {
    const auto one = hn::Set(d, 1.0F);
    const auto x = hn::LoadU(d, pre_activation + i);
    const auto e = exp_minus_2u(d, x);
    const auto s = hn::Div(one, hn::Add(one, e));
    const auto slope_of_2u =
        hn::MulAdd(hn::Set(d, 3 * kCubic * kTwiceRoot), hn::Mul(x, x), hn::Set(d, kTwiceRoot));
    const auto share = hn::MulAdd(hn::Mul(hn::Mul(e, s), x), slope_of_2u, one);
    hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(d, dx + i), s), share), d, dx + i);
  });
}

}  // namespace gpt2::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gpt2::kernels {

HWY_EXPORT(add_bias_row);
HWY_EXPORT(add_bias_gelu_row);
HWY_EXPORT(multiply_by_gelu_slope_row);

void add_bias(const Tiling::Tile& tile, const float* bias, std::int64_t stride, float* y) {
  const auto [begin, end] = tile.columns;
  for (std::int64_t row = tile.rows.begin; row < tile.rows.end; ++row) {
    HWY_DYNAMIC_DISPATCH(add_bias_row)(bias + begin, end - begin, y + row * stride + begin);
  }
}

void add_bias_gelu(const Tiling::Tile& tile, const float* bias, std::int64_t stride,
                   float* pre_activation, float* y) {
  const auto [begin, end] = tile.columns;
  for (std::int64_t row = tile.rows.begin; row < tile.rows.end; ++row) {
    const std::int64_t at = row * stride + begin;
    HWY_DYNAMIC_DISPATCH(add_bias_gelu_row)
    (bias == nullptr ? nullptr : bias + begin, end - begin, pre_activation + at, y + at);
  }
}

void multiply_by_gelu_slope(const Tiling::Tile& tile, const float* pre_activation,
                            std::int64_t stride, float* dx) {
  const auto [begin, end] = tile.columns;
  for (std::int64_t row = tile.rows.begin; row < tile.rows.end; ++row) {
    const std::int64_t at = row * stride + begin;
    HWY_DYNAMIC_DISPATCH(multiply_by_gelu_slope_row)(pre_activation + at, end - begin, dx + at);
  }
}

}  // namespace gpt2::kernels
#endif
