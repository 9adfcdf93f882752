// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "formats/errors.h"
#include "libcore/kernels/few_rows_cpu.h"
#include "libcore/kernels/kernels_cpu.h"
#include "libcore/kernels/product_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libcore/kernels/classifier_cpu.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, which includes this file once more for each instruction set.
#include "libcore/kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gpt2::kernels::HWY_NAMESPACE {

// Largest logit, and the sum of e^(logit - largest).
void piece_statistics(const float* logits, std::int64_t count, float* largest, float* sum) {
  const float max = max_of(logits, count, -std::numeric_limits<float>::infinity());
  *largest = max;
  *sum = sum_of(count, [&](auto d, std::int64_t i) {
    return exp_of(d, hn::Sub(hn::LoadU(d, logits + i), hn::Set(d, max)));
  });
}

// logits become factor x e^(logit - max).
void scaled_exponentials(float max, float factor, std::int64_t count, float* logits) {
  for_each_vector(count, [&](auto d, std::int64_t i) {
    const auto e = exp_of(d, hn::Sub(hn::LoadU(d, logits + i), hn::Set(d, max)));
    hn::StoreU(hn::Mul(e, hn::Set(d, factor)), d, logits + i);
  });
}

}  // namespace gpt2::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gpt2::kernels {

HWY_EXPORT(piece_statistics);
HWY_EXPORT(scaled_exponentials);

namespace {

// Rows whose logits are held at once: 100 MB for 50,257 tokens; fewer would read and write dwte
// more often.
constexpr std::int64_t kMostRowsOfChunk = 512;

struct PieceStatistics {
  float largest, sum;  // sum of e^(logit - largest)
};

// Of a whole row: the pieces joined in their order.
struct RowStatistics {
  float largest;
  double sum;
};
RowStatistics join(const PieceStatistics* pieces, std::int64_t count) {
  float largest = pieces[0].largest;
  for (std::int64_t i = 1; i < count; ++i) largest = std::max(largest, pieces[i].largest);
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    sum += double{pieces[i].sum} * std::exp(double{pieces[i].largest} - double{largest});
  }
  return {largest, sum};
}

float loss_of(const RowStatistics& row, float target_logit) {
  return static_cast<float>(std::log(row.sum) - (double{target_logit} - double{row.largest}));
}

/// Of the losses alone: each thread has the logits of a tile; then statistics and target logits.
struct LossMemory {
  LossMemory(std::int64_t row_count, std::int64_t V, int threads)
      : N(row_count),
        tiling(N, V),
        pieces(tiling.column_tile_count()),
        tile_floats(round_up(tiling.row_step() * tiling.column_step(), 16)),
        tiles_floats(threads * tile_floats),
        statistics_floats(round_up(2 * N * pieces, 16)) {}
  std::int64_t floats() const { return tiles_floats + statistics_floats + N; }
  std::int64_t N;
  Tiling tiling;
  std::int64_t pieces, tile_floats, tiles_floats, statistics_floats;
};

/// With gradients: the logits of a chunk of rows, and their statistics. N > 0.
struct ChunkMemory {
  ChunkMemory(std::int64_t N, std::int64_t V)
      : rows(divide_up(N, divide_up(N, kMostRowsOfChunk))),
        stride(round_up(V, 16)),
        most_pieces(Tiling(rows, V).column_tile_count()) {}
  std::int64_t floats() const { return rows * stride + 2 * rows * most_pieces; }
  std::int64_t rows, stride, most_pieces;
};

void check_targets(const std::int32_t* targets, std::int64_t N, std::int64_t V) {
  for (std::int64_t row = 0; row < N; ++row) {
    if (targets[row] >= V) {
      throw formats::UsageError(
          fmt::format("target {} at position {} of the batch is outside of the vocabulary of {}",
                      targets[row], row, V));
    }
  }
}

Product product_of_logits(const float* x, const float* wte, std::int64_t rows, std::int64_t C,
                          std::int64_t V, float* logits, std::int64_t stride) {
  return {.rows = rows,
          .columns = V,
          .inner = C,
          .a = x,
          .a_stride = C,
          .b = wte,
          .b_stride = C,
          .b_transposed = true,
          .c = logits,
          .c_stride = stride};
}

}  // namespace

std::int64_t classifier_workspace(const PassShape& shape, bool backward, int threads) {
  const std::int64_t N = shape.B * shape.T;
  return backward ? ChunkMemory(N, shape.V).floats() : LossMemory(N, shape.V, threads).floats();
}

void CpuKernels::head_forward(const HeadForward& op) {
  if (op.N <= kFewRows) return head_of_few_rows(team_, op);
  multiply_in_tiles(team_,
                    product_of_logits(floats_of(op.x), floats_of(op.wte), op.N, op.C, op.V,
                                      floats_of(op.logits), op.V),
                    [](const Tiling::Tile&) {});
}

void CpuKernels::classifier_forward(const ClassifierForward& op) {
  const float *x = floats_of(op.x), *wte = floats_of(op.wte);
  const std::int32_t* targets = ints_of(op.targets);
  float* losses = floats_of(op.losses);
  check_targets(targets, op.N, op.V);
  const LossMemory layout(op.N, op.V, team_.threads());
  const auto& tiling = layout.tiling;
  const std::int64_t pieces = layout.pieces, tile_floats = layout.tile_floats;
  float* memory = workspace_.reserve(layout.floats());
  auto* statistics = reinterpret_cast<PieceStatistics*>(memory + layout.tiles_floats);
  float* target_logits = memory + layout.tiles_floats + layout.statistics_floats;
  team_.for_each_task(tiling.tile_count(), [&](std::int64_t task, int thread) {
    const auto [rows, columns] = tiling.tile(task);
    float* logits = memory + thread * tile_floats;
    multiply(product_of_logits(x + rows.begin * op.C, wte + columns.begin * op.C, rows.count(),
                               op.C, columns.count(), logits, tiling.column_step()));
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      const float* row_logits = logits + (row - rows.begin) * tiling.column_step();
      auto& piece = statistics[row * pieces + task % pieces];
      HWY_DYNAMIC_DISPATCH(piece_statistics)
      (row_logits, columns.count(), &piece.largest, &piece.sum);
      if (targets[row] >= columns.begin && targets[row] < columns.end) {
        target_logits[row] = row_logits[targets[row] - columns.begin];
      }
    }
  });
  for (std::int64_t row = 0; row < op.N; ++row) {
    losses[row] =
        targets[row] < 0 ? 0 : loss_of(join(statistics + row * pieces, pieces), target_logits[row]);
  }
}

void CpuKernels::classifier_forward_backward(const ClassifierForwardBackward& op) {
  const std::int64_t C = op.C, V = op.V;
  const float *all_x = floats_of(op.x), *wte = floats_of(op.wte);
  const std::int32_t* all_targets = ints_of(op.targets);
  float *all_losses = floats_of(op.losses), *all_dx = floats_of(op.dx), *dwte = floats_of(op.dwte);
  check_targets(all_targets, op.N, V);
  if (op.N == 0) return;
  const ChunkMemory layout(op.N, V);
  const std::int64_t chunk_rows = layout.rows, stride = layout.stride;
  float* logits = workspace_.reserve(layout.floats());
  auto* statistics = reinterpret_cast<PieceStatistics*>(logits + chunk_rows * stride);
  for (std::int64_t first = 0; first < op.N; first += chunk_rows) {
    const std::int64_t rows_here = std::min(chunk_rows, op.N - first);
    const float* x = all_x + first * C;
    float* dx = all_dx + first * C;

    const Tiling tiling(rows_here, V);
    const std::int64_t pieces = tiling.column_tile_count();
    const Product of_logits = product_of_logits(x, wte, rows_here, C, V, logits, stride);
    team_.for_each_task(tiling.tile_count(), [&](std::int64_t task, int) {
      const auto tile = tiling.tile(task);
      multiply(part_of(of_logits, tile));
      for (std::int64_t row = tile.rows.begin; row < tile.rows.end; ++row) {
        auto& piece = statistics[row * pieces + task % pieces];
        HWY_DYNAMIC_DISPATCH(piece_statistics)
        (logits + row * stride + tile.columns.begin, tile.columns.count(), &piece.largest,
         &piece.sum);
      }
    });

    team_.for_each_task(rows_here, [&](std::int64_t row, int) {
      float* row_logits = logits + row * stride;
      const std::int32_t target = all_targets[first + row];
      if (target < 0) {
        all_losses[first + row] = 0;
        std::fill_n(row_logits, V, 0.0F);
        return;
      }
      const RowStatistics whole = join(statistics + row * pieces, pieces);
      all_losses[first + row] = loss_of(whole, row_logits[target]);
      HWY_DYNAMIC_DISPATCH(scaled_exponentials)
      (whole.largest, static_cast<float>(op.scale / whole.sum), V, row_logits);
      row_logits[target] -= op.scale;
    });

    // Both products read the gradient of the logits: one pool of tasks keeps all threads busy to
    // the end.
    const Product of_dx{.rows = rows_here,
                        .columns = C,
                        .inner = V,
                        .a = logits,
                        .a_stride = stride,
                        .b = wte,
                        .b_stride = C,
                        .c = dx,
                        .c_stride = C};
    const Product of_dwte{.rows = V,
                          .columns = C,
                          .inner = rows_here,
                          .a = logits,
                          .a_stride = stride,
                          .a_transposed = true,
                          .b = x,
                          .b_stride = C,
                          .c = dwte,
                          .c_stride = C,
                          .add = true};
    const Tiling dx_tiling(of_dx.rows, of_dx.columns), dwte_tiling(of_dwte.rows, of_dwte.columns);
    const std::int64_t dx_tiles = dx_tiling.tile_count();
    team_.for_each_task(dx_tiles + dwte_tiling.tile_count(), [&](std::int64_t task, int) {
      if (task < dx_tiles) {
        multiply(part_of(of_dx, dx_tiling.tile(task)));
      } else {
        multiply(part_of(of_dwte, dwte_tiling.tile(task - dx_tiles)));
      }
    });
  }
}

}  // namespace gpt2::kernels
#endif
