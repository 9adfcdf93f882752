// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Matrix products of the CPU kernels: one tile on one thread, and a whole product cut into tiles.
#pragma once

#include <cstdint>

#include "libcore/kernels/parallel_cpu.h"

namespace gpt2::kernels {

/// c = alpha a b, or c += alpha a b. Row-major; a stride is the distance of two rows in memory.
struct Product {
  std::int64_t rows, columns, inner;
  const float* a;  // (rows, inner), or (inner, rows) when a_transposed
  std::int64_t a_stride;
  bool a_transposed = false;
  const float* b;  // (inner, columns), or (columns, inner) when b_transposed
  std::int64_t b_stride;
  bool b_transposed = false;
  float* c;  // (rows, columns)
  std::int64_t c_stride;
  float alpha = 1;
  bool add = false;  // to what c holds
};

/// Computes `product` on the calling thread alone: inside a task.
void multiply(const Product& product);

/// A matrix cut into tiles of nearly equal size: enough of them for many threads, large enough to
/// be fast.
class Tiling {
 public:
  Tiling(std::int64_t rows, std::int64_t columns);
  struct Tile {
    Range rows, columns;
  };
  std::int64_t tile_count() const { return divide_up(rows_, row_step_) * column_tile_count(); }
  std::int64_t column_tile_count() const { return divide_up(columns_, column_step_); }
  std::int64_t row_step() const { return row_step_; }
  std::int64_t column_step() const { return column_step_; }
  /// The tiles of one band of rows follow each other.
  Tile tile(std::int64_t task) const {
    return {range_of_task(task / column_tile_count(), row_step_, rows_),
            range_of_task(task % column_tile_count(), column_step_, columns_)};
  }

 private:
  std::int64_t rows_, columns_, row_step_, column_step_;
};

/// The part of `product` that makes `tile` of its c.
Product part_of(const Product& product, const Tiling::Tile& tile);

/// Computes `product` tile by tile on `team`, and calls finish(tile) after each, while
/// it is in the cache.
template <class Finish>
void multiply_in_tiles(ThreadTeam& team, const Product& product, const Finish& finish) {
  const Tiling tiling(product.rows, product.columns);
  team.for_each_task(tiling.tile_count(), [&](std::int64_t task, int) {
    const auto tile = tiling.tile(task);
    multiply(part_of(product, tile));
    finish(tile);
  });
}

}  // namespace gpt2::kernels
