// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/kernels/elementwise_cpu.h"

#include <algorithm>
#include <vector>

#include "libcore/kernels/kernels_cpu.h"
#include "libcore/kernels/parallel_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libcore/kernels/elementwise_cpu.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, which includes this file once more for each instruction set.
#include "libcore/kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gpt2::kernels::HWY_NAMESPACE {

void add_to(const float* from, std::int64_t count, float* to) {
  for_each_vector(count, [&](auto d, std::int64_t i) {
    hn::StoreU(hn::Add(hn::LoadU(d, to + i), hn::LoadU(d, from + i)), d, to + i);
  });
}

// bf16 is the upper half of a float. A NaN must not become infinite by the carry of a rounding.
void round_to_bf16(std::int64_t count, float* x) {
  for_each_vector(count, [&](auto d, std::int64_t i) {
    const hn::RebindToUnsigned<decltype(d)> bits;
    const auto value = hn::LoadU(d, x + i);
    const auto word = hn::BitCast(bits, value);
    const auto odd = hn::And(hn::ShiftRight<16>(word), hn::Set(bits, 1));
    const auto nearest = hn::Add(word, hn::Add(odd, hn::Set(bits, 0x7FFF)));
    const auto quiet = hn::Or(value, hn::BitCast(d, hn::Set(bits, 0x00400000)));
    const auto kept = hn::IfThenElse(hn::IsNaN(value), quiet, hn::BitCast(d, nearest));
    hn::StoreU(hn::And(kept, hn::BitCast(d, hn::Set(bits, 0xFFFF0000))), d, x + i);
  });
}

template <bool kSquared>
double block_sum(const float* x, std::int64_t count) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> half;  // as many floats as d has doubles
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto sum0 = hn::Zero(d), sum1 = sum0;
  std::int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    const auto x0 = hn::PromoteTo(d, hn::LoadU(half, x + i));
    const auto x1 = hn::PromoteTo(d, hn::LoadU(half, x + i + lanes));
    sum0 = kSquared ? hn::MulAdd(x0, x0, sum0) : hn::Add(x0, sum0);
    sum1 = kSquared ? hn::MulAdd(x1, x1, sum1) : hn::Add(x1, sum1);
  }
  double sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1)));
  for (; i < count; ++i) sum += kSquared ? double{x[i]} * double{x[i]} : double{x[i]};
  return sum;
}
double block_sum_of(const float* x, std::int64_t count, bool squared) {
  return squared ? block_sum<true>(x, count) : block_sum<false>(x, count);
}

// to[k][i] = from[i][k] for 4 x 4 elements.
HWY_INLINE void transpose_4x4(const float* from, std::int64_t from_stride, float* to,
                              std::int64_t to_stride) {
#if HWY_TARGET == HWY_SCALAR
  for (std::int64_t i = 0; i < 4; ++i) {
    for (std::int64_t k = 0; k < 4; ++k) to[k * to_stride + i] = from[i * from_stride + k];
  }
#else
  const hn::FixedTag<float, 4> d;
  const auto r0 = hn::LoadU(d, from), r1 = hn::LoadU(d, from + from_stride),
             r2 = hn::LoadU(d, from + 2 * from_stride), r3 = hn::LoadU(d, from + 3 * from_stride);
  const auto low01 = hn::InterleaveLower(d, r0, r1), low23 = hn::InterleaveLower(d, r2, r3);
  const auto high01 = hn::InterleaveUpper(d, r0, r1), high23 = hn::InterleaveUpper(d, r2, r3);
  hn::StoreU(hn::ConcatLowerLower(d, low23, low01), d, to);
  hn::StoreU(hn::ConcatUpperUpper(d, low23, low01), d, to + to_stride);
  hn::StoreU(hn::ConcatLowerLower(d, high23, high01), d, to + 2 * to_stride);
  hn::StoreU(hn::ConcatUpperUpper(d, high23, high01), d, to + 3 * to_stride);
#endif
}

// Some columns of `from`, all rows: a cache line of `to` is filled before the next is begun.
void transpose_columns(const float* from, std::int64_t rows, std::int64_t columns,
                       std::int64_t begin, std::int64_t end, float* to) {
  constexpr std::int64_t kLine = 16;
  const std::int64_t even_rows = rows / kLine * kLine, even_end = begin + (end - begin) / 4 * 4;
  for (std::int64_t row = 0; row < even_rows; row += kLine) {
    for (std::int64_t column = begin; column < even_end; column += 4) {
      for (std::int64_t i = row; i < row + kLine; i += 4) {
        transpose_4x4(from + i * columns + column, columns, to + column * rows + i, rows);
      }
    }
  }
  for (std::int64_t column = begin; column < end; ++column) {
    for (std::int64_t row = column < even_end ? even_rows : 0; row < rows; ++row) {
      to[column * rows + row] = from[row * columns + column];
    }
  }
}

}  // namespace gpt2::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gpt2::kernels {

HWY_EXPORT(add_to);
HWY_EXPORT(round_to_bf16);
HWY_EXPORT(block_sum_of);
HWY_EXPORT(transpose_columns);

namespace {
constexpr std::int64_t kElementsOfTask = 64 * 1024;
constexpr std::int64_t kColumnsOfTask = 256;
}  // namespace

void add_rows(const float* rows, std::int64_t row_count, std::int64_t columns, std::int64_t stride,
              float* sum) {
  for (std::int64_t row = 0; row < row_count; ++row) {
    HWY_DYNAMIC_DISPATCH(add_to)(rows + row * stride, columns, sum);
  }
}

void add_partial_rows(ThreadTeam& team, const float* rows, std::int64_t row_count,
                      std::int64_t columns, std::int64_t stride, float* sum) {
  team.for_each_task(divide_up(columns, kColumnsOfTask), [&](std::int64_t task, int) {
    const Range part = range_of_task(task, kColumnsOfTask, columns);
    add_rows(rows + part.begin, row_count, part.count(), stride, sum + part.begin);
  });
}

void transpose(ThreadTeam& team, const float* from, std::int64_t rows, std::int64_t columns,
               float* to) {
  constexpr std::int64_t kColumnsOfTransposition = 64;
  team.for_each_task(divide_up(columns, kColumnsOfTransposition), [&](std::int64_t task, int) {
    const Range part = range_of_task(task, kColumnsOfTransposition, columns);
    HWY_DYNAMIC_DISPATCH(transpose_columns)(from, rows, columns, part.begin, part.end, to);
  });
}

void CpuKernels::add(TensorView to, TensorView from) {
  float* sum = floats_of(to);
  const float* added = floats_of(from);
  const std::int64_t count = to.element_count();
  team_.for_each_task(divide_up(count, kElementsOfTask), [&](std::int64_t task, int) {
    const Range part = range_of_task(task, kElementsOfTask, count);
    HWY_DYNAMIC_DISPATCH(add_to)(added + part.begin, part.count(), sum + part.begin);
  });
}

void CpuKernels::round_to_bf16(TensorView x) {
  float* values = floats_of(x);
  const std::int64_t count = x.element_count();
  team_.for_each_task(divide_up(count, kElementsOfTask), [&](std::int64_t task, int) {
    const Range part = range_of_task(task, kElementsOfTask, count);
    HWY_DYNAMIC_DISPATCH(round_to_bf16)(part.count(), values + part.begin);
  });
}

void CpuKernels::convert(TensorView to, TensorView from) {
  float* copies = floats_of(to);
  const float* values = floats_of(from);
  const std::int64_t count = to.element_count();
  team_.for_each_task(divide_up(count, kElementsOfTask), [&](std::int64_t task, int) {
    const Range part = range_of_task(task, kElementsOfTask, count);
    std::copy_n(values + part.begin, part.count(), copies + part.begin);
  });
}

void CpuKernels::part_sums(const PartSums& op) {
  const float* values = floats_of(op.x);
  const std::int64_t count = op.x.element_count(), part = op.part, parts = divide_up(count, part),
                     tasks_of_part = divide_up(part, kElementsOfTask);
  std::vector<double> partials(static_cast<std::size_t>(parts * tasks_of_part));
  team_.for_each_task(std::ssize(partials), [&](std::int64_t task, int) {
    const std::int64_t first = task / tasks_of_part * part;
    const std::int64_t part_count = std::min(part, count - first);
    const std::int64_t begin = std::min(part_count, task % tasks_of_part * kElementsOfTask);
    partials[static_cast<std::size_t>(task)] = HWY_DYNAMIC_DISPATCH(block_sum_of)(
        values + first + begin, std::min(kElementsOfTask, part_count - begin), op.squared);
  });
  double* sums = doubles_of(op.sums);
  std::fill_n(sums, parts, 0.0);
  for (std::size_t i = 0; i < partials.size(); ++i) {
    sums[i / static_cast<std::size_t>(tasks_of_part)] += partials[i];
  }
}

}  // namespace gpt2::kernels
#endif
