// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Attention for any head size, computed in fp32: tiles of queries and keys in shared memory, a warp
// a row.
#include <algorithm>
#include <cmath>
#include <string>

#include "formats/errors.h"
#include "libcore/kernels/attention_cuda.cuh"
#include "libcore/kernels/block_sum_cuda.cuh"
#include "libcore/kernels/kernels_cuda.h"
#include "libcore/kernels/launch_cuda.cuh"

namespace gpt2::kernels {
namespace {

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * kWarpLanes;

// Rows first .. first + kTile of (T, D) into shared memory, `stride` apart; rows past T stay as
// they are.
template <int kTile, class Element>
__device__ __forceinline__ void load_tile(float* tile, const Element* rows, std::int64_t row_stride,
                                          std::int64_t first, const Attention<Element>& op) {
  const std::int64_t count = op.T - first < kTile ? op.T - first : kTile;
  for (std::int64_t i = threadIdx.x; i < count * op.D; i += kThreads) {
    tile[i / op.D * (op.D + 1) + i % op.D] = to_float(rows[i / op.D * row_stride + i % op.D]);
  }
}

template <class Element>
__device__ __forceinline__ float product_of_rows(const float* a, const Element* b, std::int64_t D) {
  float sum = 0;
  for (std::int64_t d = 0; d < D; ++d) sum += a[d] * to_float(b[d]);
  return sum;
}

template <int kTile, class Element>
__global__ void attention_forward_kernel(Attention<Element> op) {
  DYNAMIC_SHARED(float, memory);
  const std::int64_t stride = op.D + 1;
  float* q = memory;
  float* k = q + kTile * stride;
  float* v = k + kTile * stride;
  float* out = v + kTile * stride;              // unfinished sums of the block's rows
  float* probabilities = out + kTile * stride;  // (kTile, kTile)
  const int warp = static_cast<int>(threadIdx.x) / kWarpLanes;
  const int lane = static_cast<int>(threadIdx.x) % kWarpLanes;
  const std::int64_t first_query = std::int64_t{blockIdx.x} * kTile;
  constexpr int kRows = (kTile + kWarps - 1) / kWarps;
  float row_max[kRows], row_sum[kRows];
  for (int r = 0; r < kRows; ++r) {
    row_max[r] = -INFINITY;
    row_sum[r] = 0;
  }
  load_tile<kTile>(q, op.qkv + op.packed(first_query, 0), 3 * op.C, first_query, op);
  for (std::int64_t i = threadIdx.x; i < kTile * stride; i += kThreads) out[i] = 0;

  for (std::int64_t first_key = 0; first_key <= first_query; first_key += kTile) {
    __syncthreads();  // the keys and values before have been used
    load_tile<kTile>(k, op.qkv + op.packed(first_key, 1), 3 * op.C, first_key, op);
    load_tile<kTile>(v, op.qkv + op.packed(first_key, 2), 3 * op.C, first_key, op);
    __syncthreads();
    for (int r = 0; r < kRows; ++r) {
      const int row = warp + r * kWarps;
      const std::int64_t query = first_query + row;
      if (row >= kTile || query >= op.T) continue;
      const std::int64_t left = query - first_key + 1;
      const int visible = left < kTile ? static_cast<int>(left) : kTile;
      float score = -INFINITY;
      if (lane < visible) {
        score = op.scale * product_of_rows(q + row * stride, k + lane * stride, op.D);
      }
      const float max = nan_or_larger(warp_max(score), row_max[r]);
      const float kept = expf(row_max[r] - max);
      float probability = lane < visible ? expf(score - max) : 0;
      row_sum[r] = row_sum[r] * kept + warp_sum(probability);
      row_max[r] = max;
      if (lane < visible) {
        if (op.mask.threshold != 0) probability *= op.factor(query, first_key + lane);
        probabilities[row * kTile + lane] = probability;
      }
      __syncwarp();
      for (std::int64_t d = lane; d < op.D; d += kWarpLanes) {
        float sum = out[row * stride + d] * kept;
        for (int j = 0; j < visible; ++j) {
          sum += probabilities[row * kTile + j] * v[j * stride + d];
        }
        out[row * stride + d] = sum;
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    const int row = warp + r * kWarps;
    const std::int64_t query = first_query + row;
    if (row >= kTile || query >= op.T) continue;
    for (std::int64_t d = lane; d < op.D; d += kWarpLanes) {
      op.out[op.plain(query) + d] = from_float<Element>(out[row * stride + d] / row_sum[r]);
    }
    if (lane == 0) op.lse[op.row_of_head(query)] = row_max[r] + logf(row_sum[r]);
  }
}

// delta = sum of dout x out over each head's row, by a few lanes.
constexpr int kLanesOfDelta = 8, kRowsOfDelta = kThreads / kLanesOfDelta;
template <int kWidth, class Element>
__global__ void attention_delta_kernel(Attention<Element> op, float* delta) {
  const std::int64_t t = std::int64_t{blockIdx.x} * kRowsOfDelta + threadIdx.x / kLanesOfDelta;
  const unsigned lane = threadIdx.x % kLanesOfDelta;
  float sum = 0;
  for (std::int64_t d = lane * kWidth; t < op.T && d < op.D; d += kLanesOfDelta * kWidth) {
    float out[kWidth], dout[kWidth];
    load<kWidth>(op.out, op.plain(t) + d, out);
    load<kWidth>(op.dout, op.plain(t) + d, dout);
    for (int k = 0; k < kWidth; ++k) sum += out[k] * dout[k];
  }
  sum = warp_sum<kLanesOfDelta>(sum);
  if (t < op.T && lane == 0) delta[op.row_of_head(t)] = sum;
}

// Of one query and one key: the probability after dropout, and the gradient of the unscaled score.
struct PairGradient {
  float probability, dscore;
};
template <class Element>
__device__ __forceinline__ PairGradient pair_gradient(const Attention<Element>& op, const float* q,
                                                      const float* k, const float* v,
                                                      const float* dout, float lse, float delta,
                                                      std::int64_t query, std::int64_t key) {
  const float probability = expf(op.scale * product_of_rows(q, k, op.D) - lse);
  float dprobability = product_of_rows(dout, v, op.D);
  float factor = 1;
  if (op.mask.threshold != 0) {
    factor = op.factor(query, key);
    dprobability *= factor;
  }
  return {probability * factor, probability * (dprobability - delta) * op.scale};
}

// A block owns a tile of keys and goes over the queries that see them.
template <int kTile, class Element>
__global__ void attention_backward_keys_kernel(Attention<Element> op) {
  DYNAMIC_SHARED(float, memory);
  const std::int64_t stride = op.D + 1;
  float* q = memory;
  float* k = q + kTile * stride;
  float* v = k + kTile * stride;
  float* dout = v + kTile * stride;
  float* dk = dout + kTile * stride;
  float* dv = dk + kTile * stride;
  float* probabilities = dv + kTile * stride;
  float* dscores = probabilities + kTile * kTile;
  const int warp = static_cast<int>(threadIdx.x) / kWarpLanes;
  const int lane = static_cast<int>(threadIdx.x) % kWarpLanes;
  const std::int64_t first_key = std::int64_t{blockIdx.x} * kTile;
  load_tile<kTile>(k, op.qkv + op.packed(first_key, 1), 3 * op.C, first_key, op);
  load_tile<kTile>(v, op.qkv + op.packed(first_key, 2), 3 * op.C, first_key, op);
  for (std::int64_t i = threadIdx.x; i < 2 * kTile * stride; i += kThreads) dk[i] = 0;

  for (std::int64_t first_query = first_key; first_query < op.T; first_query += kTile) {
    __syncthreads();  // the queries before have been used
    load_tile<kTile>(q, op.qkv + op.packed(first_query, 0), 3 * op.C, first_query, op);
    load_tile<kTile>(dout, op.dout + op.plain(first_query), op.C, first_query, op);
    __syncthreads();
    for (int row = warp; row < kTile; row += kWarps) {
      const std::int64_t key = first_key + row;
      if (key >= op.T) break;
      const std::int64_t query = first_query + lane;
      const std::int64_t left = op.T - first_query;
      const int end = left < kTile ? static_cast<int>(left) : kTile;
      const int begin = key > first_query ? static_cast<int>(key - first_query) : 0;
      if (lane >= begin && lane < end) {
        const auto gradient = pair_gradient(
            op, q + lane * stride, k + row * stride, v + row * stride, dout + lane * stride,
            op.lse_in[op.row_of_head(query)], op.delta[op.row_of_head(query)], query, key);
        probabilities[row * kTile + lane] = gradient.probability;
        dscores[row * kTile + lane] = gradient.dscore;
      }
      __syncwarp();
      for (std::int64_t d = lane; d < op.D; d += kWarpLanes) {
        float dk_sum = dk[row * stride + d], dv_sum = dv[row * stride + d];
        for (int i = begin; i < end; ++i) {
          dk_sum += dscores[row * kTile + i] * q[i * stride + d];
          dv_sum += probabilities[row * kTile + i] * dout[i * stride + d];
        }
        dk[row * stride + d] = dk_sum;
        dv[row * stride + d] = dv_sum;
      }
    }
  }
  for (int row = warp; row < kTile; row += kWarps) {
    if (first_key + row >= op.T) break;
    for (std::int64_t d = lane; d < op.D; d += kWarpLanes) {
      op.dqkv[op.packed(first_key + row, 1) + d] = from_float<Element>(dk[row * stride + d]);
      op.dqkv[op.packed(first_key + row, 2) + d] = from_float<Element>(dv[row * stride + d]);
    }
  }
}

// A block owns a tile of queries and goes over the keys that they see.
template <int kTile, class Element>
__global__ void attention_backward_queries_kernel(Attention<Element> op) {
  DYNAMIC_SHARED(float, memory);
  const std::int64_t stride = op.D + 1;
  float* q = memory;
  float* k = q + kTile * stride;
  float* v = k + kTile * stride;
  float* dout = v + kTile * stride;
  float* dq = dout + kTile * stride;
  float* dscores = dq + kTile * stride;
  const int warp = static_cast<int>(threadIdx.x) / kWarpLanes;
  const int lane = static_cast<int>(threadIdx.x) % kWarpLanes;
  const std::int64_t first_query = std::int64_t{blockIdx.x} * kTile;
  load_tile<kTile>(q, op.qkv + op.packed(first_query, 0), 3 * op.C, first_query, op);
  load_tile<kTile>(dout, op.dout + op.plain(first_query), op.C, first_query, op);
  for (std::int64_t i = threadIdx.x; i < kTile * stride; i += kThreads) dq[i] = 0;

  for (std::int64_t first_key = 0; first_key <= first_query; first_key += kTile) {
    __syncthreads();  // the keys before have been used
    load_tile<kTile>(k, op.qkv + op.packed(first_key, 1), 3 * op.C, first_key, op);
    load_tile<kTile>(v, op.qkv + op.packed(first_key, 2), 3 * op.C, first_key, op);
    __syncthreads();
    for (int row = warp; row < kTile; row += kWarps) {
      const std::int64_t query = first_query + row;
      if (query >= op.T) break;
      const std::int64_t left = query - first_key + 1;
      const int visible = left < kTile ? static_cast<int>(left) : kTile;
      if (lane < visible) {
        dscores[row * kTile + lane] =
            pair_gradient(op, q + row * stride, k + lane * stride, v + lane * stride,
                          dout + row * stride, op.lse_in[op.row_of_head(query)],
                          op.delta[op.row_of_head(query)], query, first_key + lane)
                .dscore;
      }
      __syncwarp();
      for (std::int64_t d = lane; d < op.D; d += kWarpLanes) {
        float sum = dq[row * stride + d];
        for (int j = 0; j < visible; ++j) sum += dscores[row * kTile + j] * k[j * stride + d];
        dq[row * stride + d] = sum;
      }
    }
  }
  for (int row = warp; row < kTile; row += kWarps) {
    if (first_query + row >= op.T) break;
    for (std::int64_t d = lane; d < op.D; d += kWarpLanes) {
      op.dqkv[op.packed(first_query + row, 0) + d] = from_float<Element>(dq[row * stride + d]);
    }
  }
}

// Calls run with the largest tile of rows whose `arrays` of (tile, D + 1) and `squares` of (tile,
// tile) fit the shared memory, and with the bytes: run(std::integral_constant<int, tile>(), bytes).
template <int kTile = kWarpLanes, class Run>
void with_tile(std::int64_t D, std::int64_t arrays, std::int64_t squares, const Run& run) {
  constexpr std::int64_t kMostSharedBytes = 96 * 1024;
  const std::int64_t bytes = (arrays * kTile * (D + 1) + squares * kTile * kTile) *
                             static_cast<std::int64_t>(sizeof(float));
  if (bytes <= kMostSharedBytes) {
    run(std::integral_constant<int, kTile>(), static_cast<std::size_t>(bytes));
  } else if constexpr (kTile > 4) {
    with_tile<kTile / 2>(D, arrays, squares, run);
  } else {
    throw formats::UsageError("attention on a GPU: heads of " + std::to_string(D) +
                              " channels are more than its shared memory holds");
  }
}

float scale_of(std::int64_t D) { return 1 / std::sqrt(static_cast<float>(D)); }

// Decoding.

template <class Element>
__global__ void fill_caches_kernel(const Element* qkv, Element* keys, Element* values,
                                   std::int64_t new_positions, std::int64_t C, std::int64_t H,
                                   std::int64_t capacity, const std::int32_t* first_position,
                                   std::int64_t count) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= count) return;
  const std::int64_t D = C / H, row = i / C, h = i % C / D, d = i % D;
  const std::int64_t b = row / new_positions, t = *first_position + row % new_positions;
  const std::int64_t to = ((b * H + h) * capacity + t) * D + d;
  keys[to] = qkv[row * 3 * C + C + i % C];
  values[to] = qkv[row * 3 * C + 2 * C + i % C];
}

// A block takes so many keys of one row and head, so that a single sequence fills a GPU. What it
// finds are D sums of values, the largest score and the sum of weights.
constexpr int kKeysOfPart = 64, kThreadsOfJoin = 64;

template <class Element>
struct CachedAttention {
  const Element* qkv;
  Element *keys, *values;
  float* parts;  // (rows at once, H, parts of the capacity, D + 2)
  Element* out;
  const std::int32_t* first_position;
  std::int64_t first_row, new_positions, C, H, D, capacity;
  float scale;

  __device__ std::int64_t row() const { return first_row + blockIdx.x; }
  __device__ std::int64_t key_count() const { return *first_position + row() % new_positions + 1; }
  // Of the block's row and head.
  __device__ float* part(std::int64_t number) const {
    const std::int64_t most = (capacity + kKeysOfPart - 1) / kKeysOfPart;
    return parts + ((blockIdx.x * H + blockIdx.y) * most + number) * (D + 2);
  }
};

// Scores by a thread a key, then sums by a thread a few channels and a share of the keys. A single
// new position is put into the caches by the block that has it among its keys.
template <int kWidth, class Element>
__global__ void attention_cached_kernel(CachedAttention<Element> op) {
  const std::int64_t first_key = std::int64_t{blockIdx.z} * kKeysOfPart;
  const std::int64_t left = op.key_count() - first_key;
  if (left <= 0) return;
  DYNAMIC_SHARED(float, sums);  // (kThreads x kWidth), then q (D)
  SHARED_ARRAY(float, weights, kKeysOfPart);
  SHARED_ARRAY(float, of_warps_max, kWarps);
  SHARED_ARRAY(float, of_warps_sum, kWarps);
  const int thread = static_cast<int>(threadIdx.x);
  const int key_count = left < kKeysOfPart ? static_cast<int>(left) : kKeysOfPart;
  const std::int64_t b = op.row() / op.new_positions;
  const std::int64_t cache = ((b * op.H + blockIdx.y) * op.capacity + first_key) * op.D;
  Element *keys = op.keys + cache, *values = op.values + cache;
  const Element* qkv = op.qkv + op.row() * 3 * op.C + blockIdx.y * op.D;
  const bool has_newest = op.new_positions == 1 && left <= kKeysOfPart;
  float* q = sums + kThreads * kWidth;
  for (std::int64_t d = thread; d < op.D; d += kThreads) {
    q[d] = to_float(qkv[d]);
    if (!has_newest) continue;
    keys[(key_count - 1) * op.D + d] = qkv[op.C + d];
    values[(key_count - 1) * op.D + d] = qkv[2 * op.C + d];
  }
  __syncthreads();
  float score = -INFINITY;
  if (thread < key_count) {
    score = 0;
    for (std::int64_t d = 0; d < op.D; d += kWidth) {
      float key[kWidth];
      load<kWidth>(keys, thread * op.D + d, key);
      for (int k = 0; k < kWidth; ++k) score += q[d + k] * key[k];
    }
    score *= op.scale;
  }
  const float max = block_max<kThreads>(score, of_warps_max);
  const float weight = thread < key_count ? expf(score - max) : 0;
  if (thread < key_count) weights[thread] = weight;
  const float sum = block_sum<kThreads>(weight, of_warps_sum);  // its barrier shows the weights too

  float* part = op.part(blockIdx.z);
  if (thread == 0) {
    part[op.D] = max;
    part[op.D + 1] = sum;
  }
  const std::int64_t wide = op.D / kWidth < kThreads ? op.D / kWidth : kThreads;  // at once
  const std::int64_t shares = kThreads / wide, share = thread / wide;
  for (std::int64_t first = 0; first < op.D; first += wide * kWidth) {
    const std::int64_t d = first + thread % wide * kWidth;
    float totals[kWidth] = {};
    if (share < shares && d < op.D) {
      for (std::int64_t key = share; key < key_count; key += shares) {
        float value[kWidth];
        load<kWidth>(values, key * op.D + d, value);
        for (int k = 0; k < kWidth; ++k) totals[k] += weights[key] * value[k];
      }
    }
    for (int k = 0; k < kWidth; ++k) sums[thread * kWidth + k] = totals[k];
    __syncthreads();
    for (std::int64_t i = thread; i < wide * kWidth && first + i < op.D; i += kThreads) {
      float total = sums[i];
      for (std::int64_t other = 1; other < shares; ++other) {
        total += sums[other * wide * kWidth + i];
      }
      part[first + i] = total;
    }
    __syncthreads();  // the sums have been used
  }
}

// The parts of a row and head, in their order; a thread a channel.
template <class Element>
__global__ void join_parts_kernel(CachedAttention<Element> op) {
  const std::int64_t count = (op.key_count() + kKeysOfPart - 1) / kKeysOfPart;
  float max = -INFINITY;
  for (std::int64_t i = 0; i < count; ++i) max = nan_or_larger(op.part(i)[op.D], max);
  for (std::int64_t d = threadIdx.x; d < op.D; d += blockDim.x) {
    float total = 0, sum = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      const float* part = op.part(i);
      const float kept = expf(part[op.D] - max);
      total += part[d] * kept;
      sum += part[op.D + 1] * kept;
    }
    op.out[op.row() * op.C + blockIdx.y * op.D + d] = from_float<Element>(total / sum);
  }
}

std::int64_t floats_of_parts(std::int64_t H, std::int64_t D, std::int64_t capacity) {
  return H * blocks_for(capacity, kKeysOfPart) * (D + 2);
}
// Of a prompt not all rows are taken at once, which bounds their parts.
std::int64_t rows_at_once(std::int64_t rows, std::int64_t floats_of_row) {
  constexpr std::int64_t kMostFloats = 1 << 18;
  return std::clamp<std::int64_t>(kMostFloats / floats_of_row, 1, rows);
}

}  // namespace

void CudaKernels::attention_forward(const AttentionForward& op) {
  if (op.B == 0 || op.T == 0) return;
  const std::int64_t D = op.C / op.H;
  with_element(op.qkv, [&](auto element) {
    using Element = decltype(element);
    const Attention<Element> attention{.qkv = cuda_elements<Element>(op.qkv),
                                       .dout = nullptr,
                                       .lse_in = nullptr,
                                       .delta = nullptr,
                                       .out = cuda_elements<Element>(op.out),
                                       .dqkv = nullptr,
                                       .lse = cuda_floats(op.lse),
                                       .T = op.T,
                                       .C = op.C,
                                       .H = op.H,
                                       .D = D,
                                       .scale = scale_of(D),
                                       .mask = mask_of(op.dropout)};
    if constexpr (!std::is_same_v<Element, float>) {
      if (attention_forward_on_tensor_cores(attention, op.B, stream())) return;
    }
    with_tile(D, 4, 1, [&](auto tile, std::size_t bytes) {
      const dim3 grid(blocks_for(op.T, tile), static_cast<unsigned>(op.H),
                      static_cast<unsigned>(op.B));
      launch(attention_forward_kernel<tile, Element>, grid, kThreads, bytes, stream(), attention);
    });
  });
}

std::int64_t attention_workspace(const PassShape& shape, bool backward) {
  const std::int64_t rows = shape.B * shape.T;
  const std::int64_t of_row = floats_of_parts(shape.H, shape.C / shape.H, shape.T);
  return (backward ? rows * shape.H : rows_at_once(rows, of_row) * of_row) *
         static_cast<std::int64_t>(sizeof(float));
}

void CudaKernels::attention_backward(const AttentionBackward& op) {
  if (op.B == 0 || op.T == 0) return;
  const std::int64_t D = op.C / op.H, rows = op.B * op.H * op.T;
  float* delta = workspace_.reserve(rows);
  const auto grid = [&](std::int64_t tile) {
    return dim3(blocks_for(op.T, tile), static_cast<unsigned>(op.H), static_cast<unsigned>(op.B));
  };
  with_element(op.qkv, [&](auto element) {
    using Element = decltype(element);
    const Attention<Element> attention{.qkv = cuda_elements<Element>(op.qkv),
                                       .dout = cuda_elements<Element>(op.dout),
                                       .lse_in = cuda_floats(op.lse),
                                       .delta = delta,
                                       .out = cuda_elements<Element>(op.out),
                                       .dqkv = cuda_elements<Element>(op.dqkv),
                                       .lse = nullptr,
                                       .T = op.T,
                                       .C = op.C,
                                       .H = op.H,
                                       .D = D,
                                       .scale = scale_of(D),
                                       .mask = mask_of(op.dropout)};
    with_width<Element>(D, {attention.out, attention.dout}, [&](auto width) {
      launch(attention_delta_kernel<width, Element>, grid(kRowsOfDelta), kThreads, 0, stream(),
             attention, delta);
    });
    if constexpr (!std::is_same_v<Element, float>) {
      if (attention_backward_on_tensor_cores(attention, op.B, stream())) return;
    }
    with_tile(D, 6, 2, [&](auto tile, std::size_t bytes) {
      launch(attention_backward_keys_kernel<tile, Element>, grid(tile), kThreads, bytes, stream(),
             attention);
    });
    with_tile(D, 5, 1, [&](auto tile, std::size_t bytes) {
      launch(attention_backward_queries_kernel<tile, Element>, grid(tile), kThreads, bytes,
             stream(), attention);
    });
  });
}

void CudaKernels::attention_cached(const AttentionCached& op) {
  const std::int64_t D = op.C / op.H, rows = op.B * op.new_positions, count = rows * op.C;
  if (count == 0) return;
  const std::int64_t floats_of_row = floats_of_parts(op.H, D, op.capacity);
  const std::int64_t at_once = rows_at_once(rows, floats_of_row);
  float* parts = workspace_.reserve(at_once * floats_of_row);
  with_element(op.qkv, [&](auto element) {
    using Element = decltype(element);
    Element *keys = cuda_elements<Element>(op.key_cache),
            *values = cuda_elements<Element>(op.value_cache);
    CachedAttention<Element> attention{.qkv = cuda_elements<Element>(op.qkv),
                                       .keys = keys,
                                       .values = values,
                                       .parts = parts,
                                       .out = cuda_elements<Element>(op.out),
                                       .first_position = cuda_ints(op.first_position),
                                       .first_row = 0,
                                       .new_positions = op.new_positions,
                                       .C = op.C,
                                       .H = op.H,
                                       .D = D,
                                       .capacity = op.capacity,
                                       .scale = scale_of(D)};
    if (op.new_positions > 1) {
      launch(fill_caches_kernel<Element>, blocks_for(count, kThreads), kThreads, 0, stream(),
             attention.qkv, keys, values, op.new_positions, op.C, op.H, op.capacity,
             attention.first_position, count);
    }
    with_width<Element>(D, {keys, values}, [&](auto width) {
      for (; attention.first_row < rows; attention.first_row += at_once) {
        const auto here = static_cast<unsigned>(std::min(at_once, rows - attention.first_row));
        const auto heads = static_cast<unsigned>(op.H);
        launch(attention_cached_kernel<width, Element>,
               dim3(here, heads, blocks_for(op.capacity, kKeysOfPart)), kThreads,
               static_cast<std::size_t>(kThreads * width + D) * sizeof(float), stream(), attention);
        launch(join_parts_kernel<Element>, dim3(here, heads), kThreadsOfJoin, 0, stream(),
               attention);
      }
    });
  });
}

}  // namespace gpt2::kernels
