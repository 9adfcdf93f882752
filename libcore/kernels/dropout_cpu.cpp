// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/kernels/dropout_cpu.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "formats/errors.h"
#include "libcore/kernels/kernels_cpu.h"
#include "libcore/kernels/parallel_cpu.h"
#include "libcore/kernels/philox.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libcore/kernels/dropout_cpu.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, which includes this file once more for each instruction set.
#include "libcore/kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gpt2::kernels::HWY_NAMESPACE {

// Factors of the elements of some quads from first_quad on: 0 where the element's word is below
// threshold, else scale. Returns how many elements.
#if HWY_TARGET == HWY_SCALAR
constexpr std::int64_t kMostFactors = 4;
std::int64_t factors_of_quads(const Dropout& dropout, std::uint64_t sequence,
                              std::uint32_t first_quad, std::uint32_t threshold, float scale,
                              float* factors) {
  const auto words =
      random_quad(dropout.seed, RandomPurpose::kDropout, sequence, dropout.site, first_quad);
  for (const std::uint32_t word : words) *factors++ = word < threshold ? 0 : scale;
  return 4;
}
#else
using WordTag = hn::ScalableTag<std::uint32_t>;
constexpr std::int64_t kMostFactors = 4 * hn::MaxLanes(WordTag());

// High and low 32 bits of each lane of a x factor.
template <class V>
HWY_INLINE void multiply_wide(V a, V factor, V& high, V& low) {
  const WordTag d;
  const hn::Repartition<std::uint64_t, WordTag> wide;
  const auto even = hn::MulEven(a, factor);
  const auto odd = hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(wide, a))), factor);
  high = hn::OddEven(hn::BitCast(d, odd), hn::BitCast(d, hn::ShiftRight<32>(even)));
  low = hn::OddEven(hn::BitCast(d, hn::ShiftLeft<32>(odd)), hn::BitCast(d, even));
}

// philox4x32 (philox.h), lane i for quad first_quad + i.
std::int64_t factors_of_quads(const Dropout& dropout, std::uint64_t sequence,
                              std::uint32_t first_quad, std::uint32_t threshold, float scale,
                              float* factors) {
  const WordTag d;
  const FloatTag df;
  const auto multiplier0 = hn::Set(d, 0xD2511F53U), multiplier1 = hn::Set(d, 0xCD9E8D57U);
  auto c0 = hn::Iota(d, first_quad), c1 = hn::Set(d, dropout.site);
  auto c2 = hn::Set(d, static_cast<std::uint32_t>(sequence));
  auto c3 = hn::Set(d, static_cast<std::uint32_t>(sequence >> 32));
  auto k0 = hn::Set(d, dropout.seed);
  auto k1 = hn::Set(d, static_cast<std::uint32_t>(RandomPurpose::kDropout));
  for (int round = 0; round < 10; ++round) {
    auto high0 = c0, low0 = c0, high1 = c0, low1 = c0;
    multiply_wide(c0, multiplier0, high0, low0);
    multiply_wide(c2, multiplier1, high1, low1);
    c0 = hn::Xor(hn::Xor(high1, c1), k0);
    c1 = low1;
    c2 = hn::Xor(hn::Xor(high0, c3), k1);
    c3 = low0;
    k0 = hn::Add(k0, hn::Set(d, 0x9E3779B9U));
    k1 = hn::Add(k1, hn::Set(d, 0xBB67AE85U));
  }
  const auto factors_of = [&](auto words) {
    const auto dropped = hn::RebindMask(df, hn::Lt(words, hn::Set(d, threshold)));
    return hn::IfThenZeroElse(dropped, hn::Set(df, scale));
  };
  hn::StoreInterleaved4(factors_of(c0), factors_of(c1), factors_of(c2), factors_of(c3), df,
                        factors);
  return static_cast<std::int64_t>(4 * hn::Lanes(d));
}
#endif

void fill_factors(const Dropout& dropout, std::int64_t b, std::int64_t first_element,
                  std::int64_t count, float* factors) {
  HWY_ALIGN float block[kMostFactors];
  const std::uint64_t sequence = dropout.first_sequence + static_cast<std::uint64_t>(b);
  const auto threshold =
      static_cast<std::uint32_t>(std::ceil(double{dropout.probability} * 4294967296.0));
  const float scale = 1 / (1 - dropout.probability);
  std::int64_t i = -(first_element % 4);  // whole quads: the first may begin before the range does
  while (i < count) {
    const auto quad = static_cast<std::uint32_t>((first_element + i) / 4);
    const std::int64_t made = factors_of_quads(dropout, sequence, quad, threshold, scale, block);
    const std::int64_t begin = std::max<std::int64_t>(0, -i), end = std::min(made, count - i);
    std::copy(block + begin, block + end, factors + i + begin);
    i += made;
  }
}

void multiply_by(const float* factors, const float* dy, std::int64_t count, float* dx) {
  for_each_vector(count, [&](auto d, std::int64_t i) {
    hn::StoreU(hn::Mul(hn::LoadU(d, dy + i), hn::LoadU(d, factors + i)), d, dx + i);
  });
}

}  // namespace gpt2::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gpt2::kernels {

HWY_EXPORT(fill_factors);
HWY_EXPORT(multiply_by);

void fill_dropout_factors(const Dropout& dropout, std::int64_t b, std::int64_t first_element,
                          std::int64_t count, float* factors) {
  if (!(dropout.probability >= 0 && dropout.probability < 1)) {
    throw formats::UsageError(
        fmt::format("dropout: is {}, must be at least 0 and below 1", dropout.probability));
  }
  HWY_DYNAMIC_DISPATCH(fill_factors)(dropout, b, first_element, count, factors);
}

void CpuKernels::dropout_backward(const DropoutBackward& op) {
  const float* dy = floats_of(op.dy);
  float* dx = floats_of(op.dx);
  const std::int64_t C = op.C;
  if (op.dropout.probability == 0) {
    if (dx != dy) std::copy_n(dy, op.B * op.T * C, dx);
    return;
  }
  float* factors_of_thread = workspace_.reserve(team_.threads() * round_up(C, 16));
  team_.for_each_task(op.B * op.T, [&](std::int64_t row, int thread) {
    float* factors = factors_of_thread + thread * round_up(C, 16);
    fill_dropout_factors(op.dropout, row / op.T, row % op.T * C, C, factors);
    HWY_DYNAMIC_DISPATCH(multiply_by)(factors, dy + row * C, C, dx + row * C);
  });
}

}  // namespace gpt2::kernels
#endif
