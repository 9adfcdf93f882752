// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Tiles of scores are matrix products; what lies between two products of a tile are the vector
// loops here.
#include <algorithm>
#include <cmath>
#include <limits>

#include "libcore/kernels/dropout_cpu.h"
#include "libcore/kernels/kernels_cpu.h"
#include "libcore/kernels/product_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libcore/kernels/attention_cpu.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, which includes this file once more for each instruction set.
#include "libcore/kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gpt2::kernels::HWY_NAMESPACE {

// scores[0, visible) become e^(score - max), the rest up to `count` 0; returns their sum.
float exponentials(float max, std::int64_t visible, std::int64_t count, float* scores) {
  const float sum = sum_of(visible, [&](auto d, std::int64_t i) {
    const auto e = exp_of(d, hn::Sub(hn::LoadU(d, scores + i), hn::Set(d, max)));
    hn::StoreU(e, d, scores + i);
    return e;
  });
  std::fill(scores + visible, scores + count, 0.0F);
  return sum;
}

float largest(const float* scores, std::int64_t count, float floor) {
  return max_of(scores, count, floor);
}

void scale_row(float factor, std::int64_t count, float* x) {
  for_each_vector(count, [&](auto d, std::int64_t i) {
    hn::StoreU(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, factor)), d, x + i);
  });
}

void multiply_row(const float* factors, std::int64_t count, float* x) {
  for_each_vector(count, [&](auto d, std::int64_t i) {
    hn::StoreU(hn::Mul(hn::LoadU(d, x + i), hn::LoadU(d, factors + i)), d, x + i);
  });
}

float product_of_rows(const float* a, const float* b, std::int64_t count) {
  return inner_product(a, b, count);
}

// One row of a tile. In: scores, and in dscores the gradient of the (dropped-out) probabilities.
// Out: the probabilities after dropout in scores, the gradient of the unscaled scores in dscores.
void backward_row(float lse, float delta, float scale, const float* factors, std::int64_t visible,
                  std::int64_t count, float* scores, float* dscores) {
  for_each_vector(visible, [&](auto d, std::int64_t i) {
    auto p = exp_of(d, hn::Sub(hn::LoadU(d, scores + i), hn::Set(d, lse)));
    auto dp = hn::LoadU(d, dscores + i);
    if (factors != nullptr) dp = hn::Mul(dp, hn::LoadU(d, factors + i));
    const auto ds = hn::Mul(hn::Mul(p, hn::Sub(dp, hn::Set(d, delta))), hn::Set(d, scale));
    if (factors != nullptr) p = hn::Mul(p, hn::LoadU(d, factors + i));
    hn::StoreU(p, d, scores + i);
    hn::StoreU(ds, d, dscores + i);
  });
  std::fill(scores + visible, scores + count, 0.0F);
  std::fill(dscores + visible, dscores + count, 0.0F);
}

}  // namespace gpt2::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gpt2::kernels {

HWY_EXPORT(exponentials);
HWY_EXPORT(largest);
HWY_EXPORT(scale_row);
HWY_EXPORT(multiply_row);
HWY_EXPORT(product_of_rows);
HWY_EXPORT(backward_row);

namespace {

// A tile of scores takes 128 KiB: it stays in the second-level cache.
constexpr std::int64_t kTileQueries = 128, kTileKeys = 256;                  // forward
constexpr std::int64_t kBackwardTileQueries = 256, kBackwardTileKeys = 128;  // backward
constexpr std::int64_t kTileScores = kTileQueries * kTileKeys;
static_assert(kBackwardTileQueries * kBackwardTileKeys == kTileScores);

float scale_of(std::int64_t D) { return 1 / std::sqrt(static_cast<float>(D)); }

// How many of `key_count` keys from `first_key` on the query at `position` may see.
std::int64_t visible_keys(std::int64_t position, std::int64_t first_key, std::int64_t key_count) {
  return std::clamp<std::int64_t>(position + 1 - first_key, 0, key_count);
}

// Dropout of one head: the element of (query, key) is first_element + query x T + key.
struct HeadDropout {
  Dropout dropout;
  std::int64_t b = 0, first_element = 0, T = 0;
  explicit operator bool() const { return dropout.probability != 0; }
  void fill(std::int64_t query, std::int64_t first_key, std::int64_t count, float* factors) const {
    fill_dropout_factors(dropout, b, first_element + query * T + first_key, count, factors);
  }
};

// Some queries of one head, and all keys and values up to the last of them.
struct QueryTile {
  std::int64_t first_position, query_count, D;
  const float* queries;
  std::int64_t query_stride;
  const float *keys, *values;  // of position 0
  std::int64_t key_stride;
  float* out;
  std::int64_t out_stride;
  float* lse = nullptr;  // (query_count) or null
  HeadDropout dropout;
};

constexpr std::int64_t kForwardScratch = kTileScores + 2 * kTileQueries + kTileKeys;

// Running maximum and sum of each row; `out` holds the unfinished sums until the last tile of keys.
void attend(const QueryTile& tile, float* scratch) {
  float *scores = scratch, *row_max = scores + kTileScores, *row_sum = row_max + kTileQueries,
        *factors = row_sum + kTileQueries;
  const std::int64_t key_end = tile.first_position + tile.query_count;
  for (std::int64_t first_key = 0; first_key < key_end; first_key += kTileKeys) {
    const std::int64_t key_count = std::min(kTileKeys, key_end - first_key);
    multiply({.rows = tile.query_count,
              .columns = key_count,
              .inner = tile.D,
              .a = tile.queries,
              .a_stride = tile.query_stride,
              .b = tile.keys + first_key * tile.key_stride,
              .b_stride = tile.key_stride,
              .b_transposed = true,
              .c = scores,
              .c_stride = kTileKeys,
              .alpha = scale_of(tile.D)});
    for (std::int64_t row = 0; row < tile.query_count; ++row) {
      const std::int64_t position = tile.first_position + row;
      const std::int64_t visible = visible_keys(position, first_key, key_count);
      float* row_scores = scores + row * kTileKeys;
      const float old_max = first_key == 0 ? -std::numeric_limits<float>::infinity() : row_max[row];
      const float max = HWY_DYNAMIC_DISPATCH(largest)(row_scores, visible, old_max);
      const float sum = HWY_DYNAMIC_DISPATCH(exponentials)(max, visible, key_count, row_scores);
      if (first_key == 0) {
        row_sum[row] = sum;
      } else {
        const float correction = std::exp(old_max - max);
        row_sum[row] = row_sum[row] * correction + sum;
        HWY_DYNAMIC_DISPATCH(scale_row)(correction, tile.D, tile.out + row * tile.out_stride);
      }
      row_max[row] = max;
      if (tile.dropout) {
        tile.dropout.fill(position, first_key, visible, factors);
        HWY_DYNAMIC_DISPATCH(multiply_row)(factors, visible, row_scores);
      }
    }
    multiply({.rows = tile.query_count,
              .columns = tile.D,
              .inner = key_count,
              .a = scores,
              .a_stride = kTileKeys,
              .b = tile.values + first_key * tile.key_stride,
              .b_stride = tile.key_stride,
              .c = tile.out,
              .c_stride = tile.out_stride,
              .add = first_key != 0});
  }
  for (std::int64_t row = 0; row < tile.query_count; ++row) {
    HWY_DYNAMIC_DISPATCH(scale_row)(1 / row_sum[row], tile.D, tile.out + row * tile.out_stride);
    if (tile.lse != nullptr) tile.lse[row] = row_max[row] + std::log(row_sum[row]);
  }
}

// One head's part of AttentionBackward; all rows have the strides of the packed layout.
struct HeadGradient {
  std::int64_t T, D, qkv_stride, out_stride;
  const float *q, *k, *v, *out, *dout, *lse;
  float *dq, *dk, *dv;
  HeadDropout dropout;
};

std::int64_t backward_scratch(std::int64_t T) {
  return round_up(2 * kTileScores + kBackwardTileKeys + round_up(T, 16), 16);
}

void backpropagate(const HeadGradient& head, float* scratch) {
  const std::int64_t T = head.T, D = head.D;
  float *scores = scratch, *dscores = scores + kTileScores, *factors = dscores + kTileScores,
        *delta = factors + kBackwardTileKeys;
  for (std::int64_t t = 0; t < T; ++t) {
    delta[t] = HWY_DYNAMIC_DISPATCH(product_of_rows)(head.out + t * head.out_stride,
                                                     head.dout + t * head.out_stride, D);
  }
  for (std::int64_t first_key = 0; first_key < T; first_key += kBackwardTileKeys) {
    const std::int64_t key_count = std::min(kBackwardTileKeys, T - first_key);
    const float *k = head.k + first_key * head.qkv_stride,
                *v = head.v + first_key * head.qkv_stride;
    float *dk = head.dk + first_key * head.qkv_stride, *dv = head.dv + first_key * head.qkv_stride;
    for (std::int64_t query = first_key; query < T; query += kBackwardTileQueries) {
      const std::int64_t query_count = std::min(kBackwardTileQueries, T - query);
      const float *q = head.q + query * head.qkv_stride,
                  *dout = head.dout + query * head.out_stride;
      const Product of_scores{.rows = query_count,
                              .columns = key_count,
                              .inner = D,
                              .a = q,
                              .a_stride = head.qkv_stride,
                              .b = k,
                              .b_stride = head.qkv_stride,
                              .b_transposed = true,
                              .c = scores,
                              .c_stride = kBackwardTileKeys,
                              .alpha = scale_of(D)};
      Product of_dscores = of_scores;
      of_dscores.a = dout, of_dscores.a_stride = head.out_stride;
      of_dscores.b = v;
      of_dscores.c = dscores;
      of_dscores.alpha = 1;
      multiply(of_scores);
      multiply(of_dscores);
      for (std::int64_t row = 0; row < query_count; ++row) {
        const std::int64_t t = query + row, visible = visible_keys(t, first_key, key_count);
        if (head.dropout) head.dropout.fill(t, first_key, visible, factors);
        HWY_DYNAMIC_DISPATCH(backward_row)
        (head.lse[t], delta[t], scale_of(D), head.dropout ? factors : nullptr, visible, key_count,
         scores + row * kBackwardTileKeys, dscores + row * kBackwardTileKeys);
      }
      const Product of_dv{.rows = key_count,
                          .columns = D,
                          .inner = query_count,
                          .a = scores,
                          .a_stride = kBackwardTileKeys,
                          .a_transposed = true,
                          .b = dout,
                          .b_stride = head.out_stride,
                          .c = dv,
                          .c_stride = head.qkv_stride,
                          .add = query != first_key};
      Product of_dk = of_dv;
      of_dk.a = dscores;
      of_dk.b = q, of_dk.b_stride = head.qkv_stride;
      of_dk.c = dk;
      multiply(of_dv);
      multiply(of_dk);
      multiply({.rows = query_count,
                .columns = D,
                .inner = key_count,
                .a = dscores,
                .a_stride = kBackwardTileKeys,
                .b = k,
                .b_stride = head.qkv_stride,
                .c = head.dq + query * head.qkv_stride,
                .c_stride = head.qkv_stride,
                .add = first_key != 0});
    }
  }
}

}  // namespace

std::int64_t attention_workspace(const PassShape& shape, bool backward, int threads) {
  return threads * (backward ? std::max(backward_scratch(shape.T), round_up(kForwardScratch, 16))
                             : round_up(kForwardScratch, 16));
}

void CpuKernels::attention_forward(const AttentionForward& op) {
  const std::int64_t T = op.T, C = op.C, D = op.C / op.H;
  const float* qkv = floats_of(op.qkv);
  float *out = floats_of(op.out), *lse = floats_of(op.lse);
  const std::int64_t tiles = divide_up(T, kTileQueries);
  const std::int64_t scratch_floats = round_up(kForwardScratch, 16);
  float* scratch = workspace_.reserve(team_.threads() * scratch_floats);
  team_.for_each_task(tiles * op.B * op.H, [&](std::int64_t task, int thread) {
    // The last queries see the most keys: those tiles first, so that no thread is left alone with
    // one at the end.
    const std::int64_t head = task % (op.B * op.H), b = head / op.H, h = head % op.H;
    const Range queries = range_of_task(tiles - 1 - task / (op.B * op.H), kTileQueries, T);
    const float* q = qkv + b * T * 3 * C + h * D;
    attend({.first_position = queries.begin,
            .query_count = queries.count(),
            .D = D,
            .queries = q + queries.begin * 3 * C,
            .query_stride = 3 * C,
            .keys = q + C,
            .values = q + 2 * C,
            .key_stride = 3 * C,
            .out = out + (b * T + queries.begin) * C + h * D,
            .out_stride = C,
            .lse = lse + head * T + queries.begin,
            .dropout = {op.dropout, b, h * T * T, T}},
           scratch + thread * scratch_floats);
  });
}

void CpuKernels::attention_backward(const AttentionBackward& op) {
  const std::int64_t T = op.T, C = op.C, D = op.C / op.H;
  const float *qkv = floats_of(op.qkv), *out = floats_of(op.out), *dout = floats_of(op.dout);
  const float* lse = floats_of(op.lse);
  float* dqkv = floats_of(op.dqkv);
  const std::int64_t scratch_floats = backward_scratch(T);
  float* scratch = workspace_.reserve(team_.threads() * scratch_floats);
  team_.for_each_task(op.B * op.H, [&](std::int64_t head, int thread) {
    const std::int64_t b = head / op.H, h = head % op.H;
    const std::int64_t at_qkv = b * T * 3 * C + h * D, at_out = b * T * C + h * D;
    backpropagate({.T = T,
                   .D = D,
                   .qkv_stride = 3 * C,
                   .out_stride = C,
                   .q = qkv + at_qkv,
                   .k = qkv + at_qkv + C,
                   .v = qkv + at_qkv + 2 * C,
                   .out = out + at_out,
                   .dout = dout + at_out,
                   .lse = lse + head * T,
                   .dq = dqkv + at_qkv,
                   .dk = dqkv + at_qkv + C,
                   .dv = dqkv + at_qkv + 2 * C,
                   .dropout = {op.dropout, b, h * T * T, T}},
                  scratch + thread * scratch_floats);
  });
}

void CpuKernels::attention_cached(const AttentionCached& op) {
  const std::int64_t C = op.C, D = op.C / op.H, n = op.new_positions;
  const std::int64_t first_position = *ints_of(op.first_position);
  const float* qkv = floats_of(op.qkv);
  float *out = floats_of(op.out), *key_cache = floats_of(op.key_cache),
        *value_cache = floats_of(op.value_cache);
  const std::int64_t scratch_floats = round_up(kForwardScratch, 16);
  float* scratch = workspace_.reserve(team_.threads() * scratch_floats);
  team_.for_each_task(op.B * op.H, [&](std::int64_t head, int thread) {
    const std::int64_t b = head / op.H, h = head % op.H;
    const float* q = qkv + b * n * 3 * C + h * D;
    float* keys = key_cache + head * op.capacity * D;
    float* values = value_cache + head * op.capacity * D;
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t position = first_position + i;
      std::copy_n(q + i * 3 * C + C, D, keys + position * D);
      std::copy_n(q + i * 3 * C + 2 * C, D, values + position * D);
    }
    for (std::int64_t first = 0; first < n; first += kTileQueries) {
      attend({.first_position = first_position + first,
              .query_count = std::min(kTileQueries, n - first),
              .D = D,
              .queries = q + first * 3 * C,
              .query_stride = 3 * C,
              .keys = keys,
              .values = values,
              .key_stride = D,
              .out = out + (b * n + first) * C + h * D,
              .out_stride = C},
             scratch + thread * scratch_floats);
    }
  });
}

}  // namespace gpt2::kernels
#endif
