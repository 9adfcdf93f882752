// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What the vector loops of the CPU kernels share; included once for each instruction set (Highway's
// foreach_target).
#if defined(GPT2_VECTOR_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GPT2_VECTOR_MATH_INL_H_
#undef GPT2_VECTOR_MATH_INL_H_
#else
#define GPT2_VECTOR_MATH_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace gpt2::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using FloatTag = hn::ScalableTag<float>;
using OneFloatTag = hn::CappedTag<float, 1>;  // for the elements after the last whole vector

/// Calls body(tag, i) for i = 0, lanes, 2 x lanes ..., then with a tag of one lane for what is
/// left.
template <class Body>
HWY_INLINE void for_each_vector(std::int64_t count, const Body& body) {
  const FloatTag d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) body(d, i);
  const OneFloatTag one;
  for (; i < count; ++i) body(one, i);
}

/// Sum of term(tag, i) over [0, count), always in the same order.
template <class Term>
HWY_INLINE float sum_of(std::int64_t count, const Term& term) {
  const FloatTag d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto sum0 = hn::Zero(d), sum1 = sum0, sum2 = sum0, sum3 = sum0;
  std::int64_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    sum0 = hn::Add(sum0, term(d, i));
    sum1 = hn::Add(sum1, term(d, i + lanes));
    sum2 = hn::Add(sum2, term(d, i + 2 * lanes));
    sum3 = hn::Add(sum3, term(d, i + 3 * lanes));
  }
  for (; i + lanes <= count; i += lanes) sum0 = hn::Add(sum0, term(d, i));
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3))));
  const OneFloatTag one;
  for (; i < count; ++i) sum += hn::GetLane(term(one, i));
  return sum;
}

/// Sum of a[i] b[i], always in the same order.
HWY_INLINE float inner_product(const float* a, const float* b, std::int64_t count) {
  const FloatTag d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto sum0 = hn::Zero(d), sum1 = sum0, sum2 = sum0, sum3 = sum0;
  std::int64_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    const float *pa = a + i, *pb = b + i;
    sum0 = hn::MulAdd(hn::LoadU(d, pa), hn::LoadU(d, pb), sum0);
    sum1 = hn::MulAdd(hn::LoadU(d, pa + lanes), hn::LoadU(d, pb + lanes), sum1);
    sum2 = hn::MulAdd(hn::LoadU(d, pa + 2 * lanes), hn::LoadU(d, pb + 2 * lanes), sum2);
    sum3 = hn::MulAdd(hn::LoadU(d, pa + 3 * lanes), hn::LoadU(d, pb + 3 * lanes), sum3);
  }
  for (; i + lanes <= count; i += lanes) {
    sum0 = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), sum0);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3))));
  for (; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

/// Largest of values[0, count), at least `floor`.
HWY_INLINE float max_of(const float* values, std::int64_t count, float floor) {
  const FloatTag d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto max0 = hn::Set(d, floor), max1 = max0;
  std::int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    max0 = hn::Max(max0, hn::LoadU(d, values + i));
    max1 = hn::Max(max1, hn::LoadU(d, values + i + lanes));
  }
  for (; i + lanes <= count; i += lanes) max0 = hn::Max(max0, hn::LoadU(d, values + i));
  float max = hn::GetLane(hn::MaxOfLanes(d, hn::Max(max0, max1)));
  for (; i < count; ++i) max = values[i] > max ? values[i] : max;
  return max;
}

/// e^x within 2 units in the last place for x in [-87, 88], and the value at the nearer end
/// outside; a NaN stays one, so that a broken training step shows itself. Half the work of
/// Highway's Exp. Method: 2^n e^r with n = x / ln 2 rounded; the polynomial is within 3e-9 of e^r,
/// |r| <= ln 2 / 2.
template <class D, class V>
HWY_INLINE V exp_of(D d, V x) {
  const auto given = x;
  x = hn::Max(hn::Set(d, -87.3F), hn::Min(hn::Set(d, 88.3F), x));
  // Adding 1.5 x 2^23 rounds to a whole number and leaves it in the low bits: with 127 added, those
  // of the exponent of 2^n.
  const auto shift = hn::Set(d, 12582912.0F + 127.0F);
  const auto shifted = hn::MulAdd(x, hn::Set(d, 1.44269504F), shift);
  const auto n = hn::Sub(shifted, shift);
  const auto power =
      hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(hn::RebindToUnsigned<D>(), shifted)));
  auto r = hn::NegMulAdd(n, hn::Set(d, 0.693359375F), x);  // ln 2 in two parts, the first exact
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4F), r);
  auto p = hn::MulAdd(r, hn::Set(d, 0.001381454F), hn::Set(d, 0.008368745F));
  p = hn::MulAdd(p, r, hn::Set(d, 0.04166839F));
  p = hn::MulAdd(p, r, hn::Set(d, 0.16666521F));
  p = hn::MulAdd(p, r, hn::Set(d, 0.49999994F));
  p = hn::MulAdd(p, hn::Mul(r, r), hn::Add(r, hn::Set(d, 1.0F)));
  return hn::IfThenElse(hn::Eq(given, given), hn::Mul(p, power), given);
}

}  // namespace gpt2::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
