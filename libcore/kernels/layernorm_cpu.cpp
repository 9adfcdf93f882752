// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <algorithm>
#include <cmath>

#include "libcore/kernels/dropout_cpu.h"
#include "libcore/kernels/elementwise_cpu.h"
#include "libcore/kernels/kernels_cpu.h"
#include "libcore/kernels/parallel_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libcore/kernels/layernorm_cpu.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, which includes this file once more for each instruction set.
#include "libcore/kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gpt2::kernels::HWY_NAMESPACE {

// y may be x.
void normalize_row(const float* x, const float* weight, const float* bias, std::int64_t C,
                   float epsilon, float* y, float* mean_out, float* rstd_out) {
  const auto channels = static_cast<float>(C);
  const float mean =
      sum_of(C, [&](auto d, std::int64_t i) { return hn::LoadU(d, x + i); }) / channels;
  const float variance = sum_of(C,
                                [&](auto d, std::int64_t i) {
                                  const auto centred =
                                      hn::Sub(hn::LoadU(d, x + i), hn::Set(d, mean));
                                  return hn::Mul(centred, centred);
                                }) /
                         channels;
  const float rstd = 1 / std::sqrt(variance + epsilon);
  for_each_vector(C, [&](auto d, std::int64_t i) {
    const auto centred = hn::Sub(hn::LoadU(d, x + i), hn::Set(d, mean));
    const auto normalized = hn::Mul(centred, hn::Set(d, rstd));
    hn::StoreU(hn::MulAdd(normalized, hn::LoadU(d, weight + i), hn::LoadU(d, bias + i)), d, y + i);
  });
  *mean_out = mean;
  *rstd_out = rstd;
}

// sum = residual + factors x branch; factors null: all 1. sum may be residual or branch.
void add_branch(const float* residual, const float* branch, const float* factors, std::int64_t C,
                float* sum) {
  for_each_vector(C, [&](auto d, std::int64_t i) {
    auto added = hn::LoadU(d, branch + i);
    if (factors != nullptr) added = hn::Mul(added, hn::LoadU(d, factors + i));
    hn::StoreU(hn::Add(hn::LoadU(d, residual + i), added), d, sum + i);
  });
}

// dresidual += the gradient of x; dweight and dbias (this block of rows' own) += theirs.
void backward_row(const float* dy, const float* x, const float* weight, float mean, float rstd,
                  std::int64_t C, float* dresidual, float* dweight, float* dbias) {
  const auto channels = static_cast<float>(C);
  const auto normalized = [&](auto d, std::int64_t i) {
    return hn::Mul(hn::Sub(hn::LoadU(d, x + i), hn::Set(d, mean)), hn::Set(d, rstd));
  };
  const auto scaled_dy = [&](auto d, std::int64_t i) {
    return hn::Mul(hn::LoadU(d, dy + i), hn::LoadU(d, weight + i));
  };
  const float mean_of_dy = sum_of(C, scaled_dy) / channels;
  const float mean_of_product =
      sum_of(C,
             [&](auto d, std::int64_t i) { return hn::Mul(scaled_dy(d, i), normalized(d, i)); }) /
      channels;
  for_each_vector(C, [&](auto d, std::int64_t i) {
    const auto x_hat = normalized(d, i);
    const auto dy_here = hn::LoadU(d, dy + i);
    const auto dx = hn::Mul(hn::Sub(hn::Sub(scaled_dy(d, i), hn::Set(d, mean_of_dy)),
                                    hn::Mul(x_hat, hn::Set(d, mean_of_product))),
                            hn::Set(d, rstd));
    hn::StoreU(hn::Add(hn::LoadU(d, dresidual + i), dx), d, dresidual + i);
    hn::StoreU(hn::MulAdd(dy_here, x_hat, hn::LoadU(d, dweight + i)), d, dweight + i);
    hn::StoreU(hn::Add(hn::LoadU(d, dbias + i), dy_here), d, dbias + i);
  });
}

}  // namespace gpt2::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gpt2::kernels {

HWY_EXPORT(normalize_row);
HWY_EXPORT(add_branch);
HWY_EXPORT(backward_row);

namespace {
constexpr std::int64_t kRowsOfTask = 16;  // forward: rows are independent
constexpr std::int64_t kRowsOfGradientBlock =
    64;  // backward: rows whose parameter gradients are summed first
}  // namespace

std::int64_t layernorm_workspace(const PassShape& shape, bool backward, int threads) {
  const std::int64_t row = round_up(shape.C, 16);  // with dropout each thread has one
  return backward
             ? std::max(threads * row, 2 * divide_up(shape.B * shape.T, kRowsOfGradientBlock) * row)
             : 0;
}

void CpuKernels::layernorm_forward(const LayerNormForward& op) {
  const float *x = floats_of(op.x), *weight = floats_of(op.weight), *bias = floats_of(op.bias);
  float *y = floats_of(op.y), *mean = floats_of(op.mean), *rstd = floats_of(op.rstd);
  team_.for_each_task(divide_up(op.N, kRowsOfTask), [&](std::int64_t task, int) {
    const Range rows = range_of_task(task, kRowsOfTask, op.N);
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      HWY_DYNAMIC_DISPATCH(normalize_row)
      (x + row * op.C, weight, bias, op.C, op.epsilon, y + row * op.C, mean + row, rstd + row);
    }
  });
}

void CpuKernels::residual_layernorm_forward(const ResidualLayerNormForward& op) {
  const std::int64_t N = op.B * op.T, C = op.C;
  const float *residual = floats_of(op.residual), *branch = floats_of(op.branch);
  const float *weight = floats_of(op.weight), *bias = floats_of(op.bias);
  float *sum = floats_of(op.sum), *y = floats_of(op.y);
  float *mean = floats_of(op.mean), *rstd = floats_of(op.rstd);
  const bool dropout = op.dropout.probability != 0;
  float* factors_of_thread =
      dropout ? workspace_.reserve(team_.threads() * round_up(C, 16)) : nullptr;
  team_.for_each_task(divide_up(N, kRowsOfTask), [&](std::int64_t task, int thread) {
    const Range rows = range_of_task(task, kRowsOfTask, N);
    float* factors = dropout ? factors_of_thread + thread * round_up(C, 16) : nullptr;
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      const std::int64_t at = row * C;
      if (dropout) fill_dropout_factors(op.dropout, row / op.T, row % op.T * C, C, factors);
      HWY_DYNAMIC_DISPATCH(add_branch)(residual + at, branch + at, factors, C, sum + at);
      HWY_DYNAMIC_DISPATCH(normalize_row)
      (sum + at, weight, bias, C, op.epsilon, y + at, mean + row, rstd + row);
    }
  });
}

void CpuKernels::layernorm_backward(const LayerNormBackward& op) {
  const std::int64_t C = op.C, blocks = divide_up(op.N, kRowsOfGradientBlock);
  const float *dy = floats_of(op.dy), *x = floats_of(op.x), *weight = floats_of(op.weight);
  const float *mean = floats_of(op.mean), *rstd = floats_of(op.rstd);
  float *dresidual = floats_of(op.dresidual), *dweight = floats_of(op.dweight),
        *dbias = floats_of(op.dbias);
  const std::int64_t stride = round_up(C, 16);
  float* partials = workspace_.reserve(2 * blocks * stride);  // for each block: dweight, dbias
  team_.for_each_task(blocks, [&](std::int64_t block, int) {
    float* dweight_part = partials + 2 * block * stride;
    float* dbias_part = dweight_part + stride;
    std::fill_n(dweight_part, C, 0.0F);
    std::fill_n(dbias_part, C, 0.0F);
    const Range rows = range_of_task(block, kRowsOfGradientBlock, op.N);
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      HWY_DYNAMIC_DISPATCH(backward_row)
      (dy + row * C, x + row * C, weight, mean[row], rstd[row], C, dresidual + row * C,
       dweight_part, dbias_part);
    }
  });
  add_partial_rows(team_, partials, blocks, C, 2 * stride, dweight);
  add_partial_rows(team_, partials + stride, blocks, C, 2 * stride, dbias);
}

}  // namespace gpt2::kernels
#endif
