// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/kernels/few_rows_cpu.h"

#include <algorithm>

#include "libcore/kernels/elementwise_cpu.h"
#include "libcore/kernels/gelu_cpu.h"
#include "libcore/kernels/parallel_cpu.h"
#include "libcore/kernels/product_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libcore/kernels/few_rows_cpu.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, which includes this file once more for each instruction set.
#include "libcore/kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gpt2::kernels::HWY_NAMESPACE {

// Both of the following make each sum by adding one product after the other, in the order of depth:
// they give the same bits.

// sums (N, columns) (+)= x (N, kDepth) weight (kDepth, columns). Reads long pieces of kDepth rows
// of the weights: the way to read them from memory.
template <int kDepth>
HWY_INLINE void add_row_by_row(const float* x, std::int64_t x_stride, std::int64_t N,
                               const float* weight, std::int64_t weight_stride,
                               std::int64_t columns, bool add, float* sums,
                               std::int64_t sums_stride) {
  for_each_vector(columns, [&](auto d, std::int64_t m) {
    hn::Vec<decltype(d)> w[kDepth];
    for (int k = 0; k < kDepth; ++k) w[k] = hn::LoadU(d, weight + k * weight_stride + m);
    for (std::int64_t n = 0; n < N; ++n) {
      float* at = sums + n * sums_stride + m;
      auto sum = add ? hn::LoadU(d, at) : hn::Zero(d);
      for (int k = 0; k < kDepth; ++k) {
        sum = hn::MulAdd(w[k], hn::Set(d, x[n * x_stride + k]), sum);
      }
      hn::StoreU(sum, d, at);
    }
  });
}

// sums (kN, kV vectors) = x (kN, depth) weight (depth, kV vectors), held in registers over the
// whole depth: the way to multiply many rows.
template <int kN, int kV, class D>
HWY_INLINE void multiply_in_registers(D d, const float* x, std::int64_t x_stride,
                                      std::int64_t depth, const float* weight,
                                      std::int64_t weight_stride, float* sums,
                                      std::int64_t sums_stride) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  hn::Vec<D> held[kN][kV];
  for (auto& row : held) {
    for (auto& sum : row) sum = hn::Zero(d);
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    hn::Vec<D> w[kV];
    for (int v = 0; v < kV; ++v) w[v] = hn::LoadU(d, weight + k * weight_stride + v * lanes);
    for (int n = 0; n < kN; ++n) {
      const auto factor = hn::Set(d, x[n * x_stride + k]);
      for (int v = 0; v < kV; ++v) held[n][v] = hn::MulAdd(w[v], factor, held[n][v]);
    }
  }
  for (int n = 0; n < kN; ++n) {
    for (int v = 0; v < kV; ++v) hn::StoreU(held[n][v], d, sums + n * sums_stride + v * lanes);
  }
}

// The same for any N.
template <int kV, class D>
HWY_INLINE void multiply_columns(D d, const float* x, std::int64_t x_stride, std::int64_t N,
                                 std::int64_t depth, const float* weight,
                                 std::int64_t weight_stride, float* sums,
                                 std::int64_t sums_stride) {
  std::int64_t n = 0;
  for (; n + 4 <= N; n += 4) {
    multiply_in_registers<4, kV>(d, x + n * x_stride, x_stride, depth, weight, weight_stride,
                                 sums + n * sums_stride, sums_stride);
  }
  for (; n + 2 <= N; n += 2) {
    multiply_in_registers<2, kV>(d, x + n * x_stride, x_stride, depth, weight, weight_stride,
                                 sums + n * sums_stride, sums_stride);
  }
  for (; n < N; ++n) {
    multiply_in_registers<1, kV>(d, x + n * x_stride, x_stride, depth, weight, weight_stride,
                                 sums + n * sums_stride, sums_stride);
  }
}

// sums (N, columns) = x (N, depth) weight (depth, columns).
void multiply_block(const float* x, std::int64_t x_stride, std::int64_t N, std::int64_t depth,
                    const float* weight, std::int64_t weight_stride, std::int64_t columns,
                    float* sums, std::int64_t sums_stride) {
  if (N < 4) {
    constexpr int kDepth = 8;
    std::int64_t k = 0;
    for (; k + kDepth <= depth; k += kDepth) {
      add_row_by_row<kDepth>(x + k, x_stride, N, weight + k * weight_stride, weight_stride, columns,
                             k > 0, sums, sums_stride);
    }
    for (; k < depth; ++k) {
      add_row_by_row<1>(x + k, x_stride, N, weight + k * weight_stride, weight_stride, columns,
                        k > 0, sums, sums_stride);
    }
    return;
  }
  constexpr int kV = HWY_MAX_BYTES == 64 ? 4 : 2;  // as the registers allow
  const FloatTag d;
  const auto step = static_cast<std::int64_t>(kV * hn::Lanes(d));
  std::int64_t m = 0;
  for (; m + step <= columns; m += step) {
    multiply_columns<kV>(d, x, x_stride, N, depth, weight + m, weight_stride, sums + m,
                         sums_stride);
  }
  for (; m < columns; ++m) {
    multiply_columns<1>(OneFloatTag(), x, x_stride, N, depth, weight + m, weight_stride, sums + m,
                        sums_stride);
  }
}

// logits[n][v] = x[n] times row v of wte, for kRows rows and kVectors rows of x.
template <int kN, int kV>
HWY_INLINE void multiply_rows(const float* x, std::int64_t C, const float* wte, float* logits,
                              std::int64_t logits_stride) {
  const FloatTag d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  hn::Vec<FloatTag> sums[kN][kV];
  for (auto& row : sums) {
    for (auto& sum : row) sum = hn::Zero(d);
  }
  std::int64_t c = 0;
  for (; c + lanes <= C; c += lanes) {
    hn::Vec<FloatTag> w[kV];
    for (int v = 0; v < kV; ++v) w[v] = hn::LoadU(d, wte + v * C + c);
    for (int n = 0; n < kN; ++n) {
      const auto x_n = hn::LoadU(d, x + n * C + c);
      for (int v = 0; v < kV; ++v) sums[n][v] = hn::MulAdd(w[v], x_n, sums[n][v]);
    }
  }
  for (int n = 0; n < kN; ++n) {
    for (int v = 0; v < kV; ++v) {
      float sum = hn::GetLane(hn::SumOfLanes(d, sums[n][v]));
      for (auto rest = c; rest < C; ++rest) sum += wte[v * C + rest] * x[n * C + rest];
      logits[n * logits_stride + v] = sum;
    }
  }
}

template <int kN>
HWY_INLINE void multiply_rows_of(const float* x, std::int64_t C, const float* wte,
                                 std::int64_t rows, float* logits, std::int64_t logits_stride) {
  constexpr int kV = kN == 1 ? 8 : 4;
  std::int64_t v = 0;
  for (; v + kV <= rows; v += kV) {
    multiply_rows<kN, kV>(x, C, wte + v * C, logits + v, logits_stride);
  }
  for (; v < rows; ++v) multiply_rows<kN, 1>(x, C, wte + v * C, logits + v, logits_stride);
}

// logits (N, rows) = x (N, C) times `rows` rows of wte.
void multiply_head(const float* x, std::int64_t N, std::int64_t C, const float* wte,
                   std::int64_t rows, float* logits, std::int64_t logits_stride) {
  constexpr std::int64_t kRowsInCache = 16;
  for (std::int64_t first = 0; first < rows; first += kRowsInCache) {
    const auto count = HWY_MIN(kRowsInCache, rows - first);
    std::int64_t n = 0;
    for (; n + 4 <= N; n += 4) {
      multiply_rows_of<4>(x + n * C, C, wte + first * C, count, logits + n * logits_stride + first,
                          logits_stride);
    }
    for (; n < N; ++n) {
      multiply_rows_of<1>(x + n * C, C, wte + first * C, count, logits + n * logits_stride + first,
                          logits_stride);
    }
  }
}

}  // namespace gpt2::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gpt2::kernels {

HWY_EXPORT(multiply_block);
HWY_EXPORT(multiply_head);

namespace {

// Of the shape alone, as sums are made block by block.
constexpr std::int64_t kDepthOfBlock = 96;
// These change no result: what is multiplied or added is not cut.
constexpr std::int64_t kTasksOfThread = 4, kLeastColumnsOfTask = 256, kColumnsOfSum = 256;
constexpr std::int64_t kHeadRowsOfTask = 64;

}  // namespace

std::int64_t few_rows_workspace(std::int64_t N, std::int64_t K, std::int64_t M) {
  return divide_up(K, kDepthOfBlock) * N * round_up(M, 16);
}

void multiply_few_rows(ThreadTeam& team, const MatmulForward& op, Workspace& workspace) {
  const float *x = floats_of(op.x), *weight = floats_of(op.weight), *bias = floats_of(op.bias);
  float *y = floats_of(op.y), *pre_activation = floats_of(op.pre_activation);
  const std::int64_t N = op.N, K = op.K, M = op.M, stride = round_up(M, 16);
  const std::int64_t blocks = divide_up(K, kDepthOfBlock);
  // Whole rows of the weights, unless there are too few blocks for all threads.
  const std::int64_t column_step = std::max(
      kLeastColumnsOfTask, divide_up(M, divide_up(kTasksOfThread * team.threads(), blocks)));
  const std::int64_t column_tasks = divide_up(M, column_step);
  float* sums = workspace.reserve(few_rows_workspace(N, K, M));
  team.for_each_task(blocks * column_tasks, [&](std::int64_t task, int) {
    const std::int64_t block = task / column_tasks;
    const Range depth = range_of_task(block, kDepthOfBlock, K);
    const Range columns = range_of_task(task % column_tasks, column_step, M);
    HWY_DYNAMIC_DISPATCH(multiply_block)
    (x + depth.begin, K, N, depth.count(), weight + depth.begin * M + columns.begin, M,
     columns.count(), sums + block * N * stride + columns.begin, stride);
  });
  float* product = pre_activation != nullptr ? pre_activation : y;
  team.for_each_task(divide_up(M, kColumnsOfSum), [&](std::int64_t task, int) {
    const Tiling::Tile tile{{0, N}, range_of_task(task, kColumnsOfSum, M)};
    const std::int64_t begin = tile.columns.begin, count = tile.columns.count();
    for (std::int64_t n = 0; n < N; ++n) {
      const float* row_sums = sums + n * stride + begin;
      std::copy_n(row_sums, count, product + n * M + begin);
      add_rows(row_sums + N * stride, blocks - 1, count, N * stride, product + n * M + begin);
    }
    if (pre_activation != nullptr) {
      add_bias_gelu(tile, bias, M, pre_activation, y);
    } else if (bias != nullptr) {
      add_bias(tile, bias, M, y);
    }
  });
}

void head_of_few_rows(ThreadTeam& team, const HeadForward& op) {
  const float *x = floats_of(op.x), *wte = floats_of(op.wte);
  float* logits = floats_of(op.logits);
  team.for_each_task(divide_up(op.V, kHeadRowsOfTask), [&](std::int64_t task, int) {
    const Range rows = range_of_task(task, kHeadRowsOfTask, op.V);
    HWY_DYNAMIC_DISPATCH(multiply_head)
    (x, op.N, op.C, wte + rows.begin * op.C, rows.count(), logits + rows.begin, op.V);
  });
}

}  // namespace gpt2::kernels
#endif
