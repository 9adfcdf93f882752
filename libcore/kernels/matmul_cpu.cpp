// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// All use of oneDNN is in this file: its sgemm, one thread a tile, which keeps no state between
// calls and needs no scratchpad of ours.
#include <dnnl.h>
#include <fmt/format.h>
#include <omp.h>

#include <algorithm>

#include "formats/errors.h"
#include "libcore/kernels/elementwise_cpu.h"
#include "libcore/kernels/few_rows_cpu.h"
#include "libcore/kernels/gelu_cpu.h"
#include "libcore/kernels/kernels_cpu.h"
#include "libcore/kernels/product_cpu.h"
#include "libcore/kernels/signals_blocked.h"

namespace gpt2::kernels {
namespace {

// Large tiles are packed less often; tiles of 64 x 96 still reach 75 to 95 % of the speed of 512 x
// 384 (2 cores with AVX-512, inner size 128 to 4096), so work for many threads costs little.
constexpr std::int64_t kMostTileRows = 256, kMostTileColumns = 384;
constexpr std::int64_t kLeastTileRows = 64, kLeastTileColumns = 96;
constexpr std::int64_t kTilesWanted = 24;
constexpr std::int64_t kRowMultiple = 8, kColumnMultiple = 48;  // of oneDNN's AVX-512 inner loop

// Each band of tiles packs b anew, and a transposed b takes a sixth longer: with so many rows it is
// transposed once before.
constexpr std::int64_t kRowsWorthTransposing = 512;

// Whose parts of a bias' gradient are summed first.
constexpr std::int64_t kRowsOfBlock = 128;

// The step that cuts `count` into the number of parts that steps of `most` need, but equal ones.
std::int64_t equal_step(std::int64_t count, std::int64_t most, std::int64_t multiple) {
  return std::max<std::int64_t>(1, round_up(divide_up(count, divide_up(count, most)), multiple));
}

}  // namespace

Tiling::Tiling(std::int64_t rows, std::int64_t columns) : rows_(rows), columns_(columns) {
  if (rows <= 0 || columns <= 0) {
    row_step_ = column_step_ = 1;
    rows_ = columns_ = 0;
    return;
  }
  std::int64_t most_rows = kMostTileRows, most_columns = kMostTileColumns;
  for (;;) {
    row_step_ = equal_step(rows, most_rows, kRowMultiple);
    column_step_ = equal_step(columns, most_columns, kColumnMultiple);
    if (tile_count() >= kTilesWanted) return;
    if (most_rows > kLeastTileRows && row_step_ * 3 >= column_step_ * 2) {
      most_rows /= 2;
    } else if (most_columns > kLeastTileColumns) {
      most_columns /= 2;
    } else if (most_rows > kLeastTileRows) {
      most_rows /= 2;
    } else {
      return;
    }
  }
}

Product part_of(const Product& product, const Tiling::Tile& tile) {
  Product part = product;
  const std::int64_t row = tile.rows.begin, column = tile.columns.begin;
  part.rows = tile.rows.count();
  part.columns = tile.columns.count();
  part.a += product.a_transposed ? row : row * product.a_stride;
  part.b += product.b_transposed ? column * product.b_stride : column;
  part.c += row * product.c_stride + column;
  return part;
}

void multiply(const Product& p) {
  // oneDNN's code takes the stack pointer as one more register and lets it point into its buffers:
  // a signal's handler called meanwhile would write its frame below it, into anything.
  const SignalsBlocked while_there_is_no_stack;
  omp_set_num_threads(1);  // with more, oneDNN's results would depend on how many there are
  const auto status =
      dnnl_sgemm(p.a_transposed ? 'T' : 'N', p.b_transposed ? 'T' : 'N', p.rows, p.columns, p.inner,
                 p.alpha, p.a, p.a_stride, p.b, p.b_stride, p.add ? 1.0F : 0.0F, p.c, p.c_stride);
  if (status != dnnl_success) {
    throw formats::UnavailableError(
        fmt::format("oneDNN: matrix product {} x {} x {} failed with status {}", p.rows, p.columns,
                    p.inner, static_cast<int>(status)));
  }
}

std::int64_t matmul_workspace(const PassShape& shape, bool backward, int) {
  const std::int64_t N = shape.B * shape.T, widest = std::max(3 * shape.C, shape.F);
  std::int64_t floats = 0;
  if (N <= kFewRows) {
    floats =
        std::max(few_rows_workspace(N, shape.C, widest), few_rows_workspace(N, shape.F, shape.C));
  }
  if (!backward) return floats;
  if (N >= kRowsWorthTransposing) floats = std::max(floats, shape.C * widest);
  return std::max(floats, divide_up(N, kRowsOfBlock) * round_up(widest, 16));
}

void CpuKernels::matmul_forward(const MatmulForward& op) {
  if (op.N <= kFewRows) return multiply_few_rows(team_, op, workspace_);
  const float* bias = floats_of(op.bias);
  float *y = floats_of(op.y), *pre_activation = floats_of(op.pre_activation);
  multiply_in_tiles(team_,
                    {.rows = op.N,
                     .columns = op.M,
                     .inner = op.K,
                     .a = floats_of(op.x),
                     .a_stride = op.K,
                     .b = floats_of(op.weight),
                     .b_stride = op.M,
                     .c = pre_activation != nullptr ? pre_activation : y,
                     .c_stride = op.M},
                    [&](const Tiling::Tile& tile) {
                      if (pre_activation != nullptr) {
                        add_bias_gelu(tile, bias, op.M, pre_activation, y);
                      } else if (bias != nullptr) {
                        add_bias(tile, bias, op.M, y);
                      }
                    });
}

void CpuKernels::matmul_backward_input(const MatmulBackwardInput& op) {
  const float *weight = floats_of(op.weight), *pre_activation = floats_of(op.pre_activation);
  float* dx = floats_of(op.dx);
  Product product{.rows = op.N,
                  .columns = op.K,
                  .inner = op.M,
                  .a = floats_of(op.dy),
                  .a_stride = op.M,
                  .b = weight,
                  .b_stride = op.M,
                  .b_transposed = true,
                  .c = dx,
                  .c_stride = op.K};
  if (op.N >= kRowsWorthTransposing) {
    float* transposed = workspace_.reserve(op.M * op.K);
    transpose(team_, weight, op.K, op.M, transposed);
    product.b = transposed;
    product.b_stride = op.K;
    product.b_transposed = false;
  }
  multiply_in_tiles(team_, product, [&](const Tiling::Tile& tile) {
    if (pre_activation != nullptr) multiply_by_gelu_slope(tile, pre_activation, op.K, dx);
  });
}

void CpuKernels::matmul_backward_weight(const MatmulBackwardWeight& op) {
  const float *x = floats_of(op.x), *dy = floats_of(op.dy);
  multiply_in_tiles(team_,
                    {.rows = op.K,
                     .columns = op.M,
                     .inner = op.N,
                     .a = x,
                     .a_stride = op.K,
                     .a_transposed = true,
                     .b = dy,
                     .b_stride = op.M,
                     .c = floats_of(op.dweight),
                     .c_stride = op.M,
                     .add = true},
                    [](const Tiling::Tile&) {});
  if (!op.dbias) return;
  const std::int64_t blocks = divide_up(op.N, kRowsOfBlock), stride = round_up(op.M, 16);
  float* partials = workspace_.reserve(blocks * stride);
  team_.for_each_task(blocks, [&](std::int64_t block, int) {
    const Range rows = range_of_task(block, kRowsOfBlock, op.N);
    std::fill_n(partials + block * stride, op.M, 0.0F);
    add_rows(dy + rows.begin * op.M, rows.count(), op.M, op.M, partials + block * stride);
  });
  add_partial_rows(team_, partials, blocks, op.M, stride, floats_of(op.dbias));
}

}  // namespace gpt2::kernels
