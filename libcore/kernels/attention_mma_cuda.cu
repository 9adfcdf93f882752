// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Attention on the tensor cores: bf16 or fp16, heads of 16 to 128 channels, sums in fp32. A block
// has 64 positions, a warp 16 of them; tiles of the others come in by asynchronous copies, one
// ahead. No sum is shared between blocks, so equal calls give equal bits: the backward pass
// computes the scores once for the keys and once for the queries. Source: Dao 2023,
// FlashAttention-2, algorithms 1 and 2, without its atomic additions.
#include <bit>
#include <utility>

#include "libcore/kernels/attention_cuda.cuh"

namespace gpt2::kernels {
namespace {

constexpr int kTile = 64;  // positions
constexpr int kWarps = 4, kThreads = kWarps * kWarpLanes;
constexpr int kLanesOfRow = 4;  // that share a row of a product
constexpr float kLog2E = 1.4426950408889634F;

// Eight rows of a matrix must lie in different banks. Where eight pieces of 8 channels fill all
// banks, they change places with the row; elsewhere a row has an odd number of pieces.
template <int kHead>
constexpr bool kPiecesChangePlaces = kHead % 64 == 0;
template <int kHead>
constexpr int kStride = kPiecesChangePlaces<kHead> ? kHead : kHead + 8;
template <int kHead>
constexpr int kTileElements = kTile* kStride<kHead>;

// Where (row, column) of a tile lies; column is a multiple of 8.
template <int kHead, class Element>
__device__ __forceinline__ Element* place(Element* tile, unsigned row, unsigned column) {
  const unsigned piece = kPiecesChangePlaces<kHead> ? (column / 8) ^ (row % 8) : column / 8;
  return tile + row * kStride<kHead> + piece * 8;
}

// Rows of positions first .. first + kTile, `stride` apart; zeros from T on.
template <int kHead, class Element>
__device__ __forceinline__ void copy_tile(Element* tile, const Element* rows, std::int64_t stride,
                                          std::int64_t first, std::int64_t T) {
  constexpr unsigned kLanes = std::bit_ceil(kHead / 8U), kRows = kThreads / kLanes;  // at once
  const unsigned row = threadIdx.x / kLanes, column = threadIdx.x % kLanes * 8;
  if (column >= kHead) return;
  const unsigned left = T - first < kTile ? static_cast<unsigned>(T - first) : kTile;
  const auto elements_of_row = static_cast<unsigned>(stride);
  rows += row * elements_of_row + column;
  UNROLLED
  for (unsigned above = 0; above < kTile; above += kRows) {
    copy_async(place<kHead>(tile + above * kStride<kHead>, row, column),
               rows + above * elements_of_row, above + row < left);
  }
}

// The warp's 16 rows of a tile as the first factor of products over its channels: kept in
// registers, or, where those would not suffice, read again for every product.
template <class Element, int kHead, bool kKept>
struct Rows {
  std::uint32_t kept[kKept ? kHead / 16 : 1][4];
  Element* tile;
  int row, column;

  __device__ __forceinline__ void load(Element* from, int warp, int lane) {
    tile = from;
    row = warp * 16 + lane % 16;
    column = lane / 16 * 8;
    if constexpr (kKept) {
      UNROLLED
      for (int step = 0; step < kHead / 16; ++step) {
        load_matrices(kept[step], place<kHead>(tile, row, step * 16 + column));
      }
    }
  }
  __device__ __forceinline__ void take(int step, std::uint32_t (&a)[4]) const {
    if constexpr (kKept) {
      UNROLLED
      for (int i = 0; i < 4; ++i) a[i] = kept[step][i];
    } else {
      load_matrices(a, place<kHead>(tile, row, step * 16 + column));
    }
  }
};
template <class Element, int kHead>
using RowsForward = Rows<Element, kHead, (kHead <= 96)>;
template <class Element, int kHead>
using RowsBackward = Rows<Element, kHead, (kHead <= 80)>;

// Where registers suffice for three blocks on a multiprocessor, and for loops that are unrolled.
template <int kHead, bool kDropout>
constexpr bool kIsSmall = kHead <= 64 && !kDropout;

// Positions whose scores a warp holds at once going backward.
template <int kHead>
constexpr int kPositionsAtOnce = kHead <= 96 ? 32 : 16;

// products (16, kColumns) = rows x (rows begin .. begin + kColumns of the tile)^T.
template <int kColumns, class Element, int kHead, bool kKept>
__device__ __forceinline__ void multiply_by_rows(float (&products)[kColumns / 8][4],
                                                 const Rows<Element, kHead, kKept>& rows,
                                                 Element* tile, int begin, int lane) {
  UNROLLED
  for (int n = 0; n < kColumns / 8; ++n) {
    UNROLLED
    for (int i = 0; i < 4; ++i) products[n][i] = 0;
  }
  UNROLLED
  for (int step = 0; step < kHead / 16; ++step) {
    std::uint32_t a[4];
    rows.take(step, a);
    UNROLLED
    for (int pair = 0; pair < kColumns / 16; ++pair) {
      std::uint32_t b[4];
      load_matrices(b, place<kHead>(tile + (begin + pair * 16) * kStride<kHead>,
                                    lane / 16 * 8 + lane % 8, step * 16 + lane / 8 % 2 * 8));
      multiply_16x8x16<Element>(products[2 * pair], a, b[0], b[1]);
      multiply_16x8x16<Element>(products[2 * pair + 1], a, b[2], b[3]);
    }
  }
}

// sums (16, kHead) += values (16, kRows), rounded to Elements, x rows begin .. begin + kRows of the
// tile.
template <int kRows, int kHead, class Element>
__device__ __forceinline__ void add_weighted_rows(float (&sums)[kHead / 8][4],
                                                  const float (&values)[kRows / 8][4],
                                                  Element* tile, int begin, int lane) {
  UNROLLED
  for (int step = 0; step < kRows / 16; ++step) {
    const auto& left = values[2 * step];
    const auto& right = values[2 * step + 1];
    const std::uint32_t a[4] = {
        pack_pair<Element>(left[0], left[1]), pack_pair<Element>(left[2], left[3]),
        pack_pair<Element>(right[0], right[1]), pack_pair<Element>(right[2], right[3])};
    UNROLLED
    for (int pair = 0; pair < kHead / 16; ++pair) {
      std::uint32_t b[4];
      load_matrices_transposed(b, place<kHead>(tile + (begin + step * 16) * kStride<kHead>,
                                               lane % 16, pair * 16 + lane / 16 * 8));
      multiply_16x8x16<Element>(sums[2 * pair], a, b[0], b[1]);
      multiply_16x8x16<Element>(sums[2 * pair + 1], a, b[2], b[3]);
    }
  }
}

// The factor of dropout of one pair; apart, so that the loops around it stay in registers.
__device__ __noinline__ float dropout_factor(DropoutMask mask, std::int64_t b,
                                             std::int64_t element) {
  float one = 1;
  apply_dropout<1>(mask, b, element, &one);
  return one;
}
template <class Element>
__device__ __forceinline__ float factor_of(const Attention<Element>& op, std::int64_t query,
                                           std::int64_t key) {
  return dropout_factor(op.mask, blockIdx.z, (blockIdx.y * op.T + query) * op.T + key);
}

// The warp's rows of a result, x factor, to positions `first_row` and `first_row` + 8 of (T, ...).
template <int kHead, class Element>
__device__ __forceinline__ void store_rows(const float (&sums)[kHead / 8][4], float factor_above,
                                           float factor_below, Element* above, Element* below,
                                           int lane) {
  UNROLLED
  for (int n = 0; n < kHead / 8; ++n) {
    const int column = n * 8 + lane % 4 * 2;
    if (above != nullptr) {
      *as_one<std::uint32_t>(above + column) =
          pack_pair<Element>(sums[n][0] * factor_above, sums[n][1] * factor_above);
    }
    if (below != nullptr) {
      *as_one<std::uint32_t>(below + column) =
          pack_pair<Element>(sums[n][2] * factor_below, sums[n][3] * factor_below);
    }
  }
}

// Of scores within the tile on the diagonal, (queries, keys begin ..) or (keys, queries begin ..):
// -infinity where the key comes after the query.
template <bool kRowsAreKeys, int kColumns>
__device__ __forceinline__ void hide_later_keys(float (&scores)[kColumns / 8][4], int row,
                                                int begin, int lane) {
  const int difference = row - begin - lane % 4 * 2;  // row - column of the first score
  UNROLLED
  for (int n = 0; n < kColumns / 8; ++n) {
    UNROLLED
    for (int i = 0; i < 4; ++i) {
      const int here = difference + i / 2 * 8 - n * 8 - i % 2;
      if (kRowsAreKeys ? here > 0 : here < 0) scores[n][i] = -INFINITY;
    }
  }
}

/// Begins the copy of a tile of keys and of their values, which come after them.
template <int kHead, class Element>
__device__ void copy_keys_and_values(const Attention<Element>& op, int tile, Element* to) {
  const std::int64_t first = std::int64_t{tile} * kTile;
  copy_tile<kHead>(to, op.qkv + op.packed(first, 1), 3 * op.C, first, op.T);
  copy_tile<kHead>(to + kTileElements<kHead>, op.qkv + op.packed(first, 2), 3 * op.C, first, op.T);
  commit_copies();
}

template <class Element, int kHead, bool kDropout>
__global__ void __launch_bounds__(kThreads, kIsSmall<kHead, kDropout> ? 3 : 2)
    attention_forward_mma_kernel(Attention<Element> op) {
  DYNAMIC_SHARED(Element, memory);  // queries; keys and values, twice
  Element *k = memory + kTileElements<kHead>, *next = k + 2 * kTileElements<kHead>;
  const int warp = static_cast<int>(threadIdx.x) / kWarpLanes;
  const int lane = static_cast<int>(threadIdx.x) % kWarpLanes;
  // The tiles with the most keys begin first.
  const int last_tile = static_cast<int>(gridDim.x - 1 - blockIdx.x);
  const std::int64_t first_query = std::int64_t{last_tile} * kTile;
  const int row = warp * 16 + lane / 4;  // of the tile; and row + 8
  copy_tile<kHead>(memory, op.qkv + op.packed(first_query, 0), 3 * op.C, first_query, op.T);
  copy_keys_and_values<kHead>(op, 0, k);

  const float scale = op.scale * kLog2E;
  RowsForward<Element, kHead> queries;
  float out[kHead / 8][4] = {};
  float row_max[2] = {-INFINITY, -INFINITY}, row_sum[2] = {0, 0};
  for (int tile = 0; tile <= last_tile; ++tile) {
    wait_for_copies<0>();
    __syncthreads();  // the tile is there, and the one before has been used
    if (tile < last_tile) copy_keys_and_values<kHead>(op, tile + 1, next);
    if (tile == 0) queries.load(memory, warp, lane);
    float scores[kTile / 8][4];
    multiply_by_rows<kTile>(scores, queries, k, 0, lane);
    if (tile == last_tile) hide_later_keys<false, kTile>(scores, row, 0, lane);
    UNROLLED
    for (int half = 0; half < 2; ++half) {
      float max = row_max[half];
      UNROLLED
      for (int n = 0; n < kTile / 8; ++n) {
        UNROLLED
        for (int i = 0; i < 2; ++i) max = nan_or_larger(scores[n][half * 2 + i], max);
      }
      max = warp_max<kLanesOfRow>(max);
      const float kept = power_of_2((row_max[half] - max) * scale), shift = max * scale;
      row_max[half] = max;
      row_sum[half] *= kept;
      UNROLLED
      for (int n = 0; n < kTile / 8; ++n) {
        UNROLLED
        for (int i = 0; i < 2; ++i) {
          float& score = scores[n][half * 2 + i];
          score = power_of_2(fmaf(score, scale, -shift));
          row_sum[half] += score;
          if (kDropout) {
            score *= factor_of(op, first_query + row + half * 8,
                               std::int64_t{tile} * kTile + n * 8 + lane % 4 * 2 + i);
          }
        }
      }
      UNROLLED
      for (int n = 0; n < kHead / 8; ++n) {
        UNROLLED
        for (int i = 0; i < 2; ++i) out[n][half * 2 + i] *= kept;
      }
    }
    add_weighted_rows<kTile, kHead>(out, scores, k + kTileElements<kHead>, 0, lane);
    std::swap(k, next);
  }
  const float above = warp_sum<kLanesOfRow>(row_sum[0]), below = warp_sum<kLanesOfRow>(row_sum[1]);
  const auto to = [&](std::int64_t position) {
    return position < op.T ? op.out + op.plain(position) : nullptr;
  };
  store_rows<kHead>(out, 1 / above, 1 / below, to(first_query + row), to(first_query + row + 8),
                    lane);
  if (lane % 4 == 0 && first_query + row < op.T) {
    op.lse[op.row_of_head(first_query + row)] = row_max[0] * op.scale + logf(above);
  }
  if (lane % 4 == 0 && first_query + row + 8 < op.T) {
    op.lse[op.row_of_head(first_query + row + 8)] = row_max[1] * op.scale + logf(below);
  }
}

// Of a pair: `score` becomes the probability after dropout, `dprobability` the gradient of the
// score, unscaled. lse in powers of 2.
template <bool kDropout, class Element>
__device__ __forceinline__ void differentiate(const Attention<Element>& op, float& score,
                                              float& dprobability, float lse, float delta,
                                              std::int64_t query, std::int64_t key) {
  const float probability = power_of_2(fmaf(score, op.scale * kLog2E, -lse));
  score = probability;
  if (kDropout) {
    const float factor = factor_of(op, query, key);
    score *= factor;
    dprobability *= factor;
  }
  dprobability = probability * (dprobability - delta);
}

// A block owns 64 keys and goes over the queries that see them.
template <class Element, int kHead, bool kDropout>
__global__ void __launch_bounds__(kThreads, 2)
    attention_backward_keys_mma_kernel(Attention<Element> op) {
  constexpr int kPart = kPositionsAtOnce<kHead>;
  DYNAMIC_SHARED(Element, memory);  // keys, values; queries and dout, twice
  SHARED_ARRAY(float, lse, 2 * kTile);
  SHARED_ARRAY(float, delta, 2 * kTile);
  Element *q = memory + 2 * kTileElements<kHead>, *next = q + 2 * kTileElements<kHead>;
  const int thread = static_cast<int>(threadIdx.x);
  const int warp = thread / kWarpLanes, lane = thread % kWarpLanes;
  const int first_tile = static_cast<int>(blockIdx.x);
  const std::int64_t first_key = std::int64_t{first_tile} * kTile;
  const int row = warp * 16 + lane / 4;  // of the tile; and row + 8
  const auto copy_queries = [&](int tile, Element* to) {
    const std::int64_t first = std::int64_t{tile} * kTile;
    copy_tile<kHead>(to, op.qkv + op.packed(first, 0), 3 * op.C, first, op.T);
    copy_tile<kHead>(to + kTileElements<kHead>, op.dout + op.plain(first), op.C, first, op.T);
    commit_copies();
    if (thread < kTile) {
      const bool given = first + thread < op.T;
      const std::int64_t at = op.row_of_head(first) + thread;
      lse[tile % 2 * kTile + thread] = given ? op.lse_in[at] * kLog2E : INFINITY;
      delta[tile % 2 * kTile + thread] = given ? op.delta[at] : 0;
    }
  };
  copy_tile<kHead>(memory, op.qkv + op.packed(first_key, 1), 3 * op.C, first_key, op.T);
  copy_tile<kHead>(memory + kTileElements<kHead>, op.qkv + op.packed(first_key, 2), 3 * op.C,
                   first_key, op.T);
  copy_queries(first_tile, q);

  RowsBackward<Element, kHead> keys, values;
  float dk[kHead / 8][4] = {}, dv[kHead / 8][4] = {};
  for (int tile = first_tile; tile < static_cast<int>(gridDim.x); ++tile) {
    wait_for_copies<0>();
    __syncthreads();  // the tile is there, and the one before has been used
    if (tile + 1 < static_cast<int>(gridDim.x)) copy_queries(tile + 1, next);
    if (tile == first_tile) {
      keys.load(memory, warp, lane);
      values.load(memory + kTileElements<kHead>, warp, lane);
    }
    const int half = tile % 2 * kTile;  // of lse and delta
    UNROLLED_IF((kIsSmall<kHead, kDropout>))
    for (int begin = 0; begin < kTile; begin += kPart) {
      float scores[kPart / 8][4], dprobabilities[kPart / 8][4];  // (keys, queries)
      multiply_by_rows<kPart>(scores, keys, q, begin, lane);
      if (tile == first_tile) hide_later_keys<true, kPart>(scores, row, begin, lane);
      multiply_by_rows<kPart>(dprobabilities, values, q + kTileElements<kHead>, begin, lane);
      UNROLLED
      for (int n = 0; n < kPart / 8; ++n) {
        UNROLLED
        for (int i = 0; i < 4; ++i) {
          const int column = begin + n * 8 + lane % 4 * 2 + i % 2;
          differentiate<kDropout>(op, scores[n][i], dprobabilities[n][i], lse[half + column],
                                  delta[half + column], std::int64_t{tile} * kTile + column,
                                  first_key + row + i / 2 * 8);
        }
      }
      add_weighted_rows<kPart, kHead>(dv, scores, q + kTileElements<kHead>, begin, lane);
      add_weighted_rows<kPart, kHead>(dk, dprobabilities, q, begin, lane);
    }
    std::swap(q, next);
  }
  const auto to = [&](int row_of_tile, int part) {
    const std::int64_t key = first_key + row_of_tile;
    return key < op.T ? op.dqkv + op.packed(key, part) : nullptr;
  };
  store_rows<kHead>(dk, op.scale, op.scale, to(row, 1), to(row + 8, 1), lane);
  store_rows<kHead>(dv, 1, 1, to(row, 2), to(row + 8, 2), lane);
}

// A block owns 64 queries and goes over the keys that they see.
template <class Element, int kHead, bool kDropout>
__global__ void __launch_bounds__(kThreads, kIsSmall<kHead, kDropout> ? 3 : 2)
    attention_backward_queries_mma_kernel(Attention<Element> op) {
  constexpr int kPart = kPositionsAtOnce<kHead>;
  DYNAMIC_SHARED(Element, memory);  // queries, dout; keys and values, twice
  Element *k = memory + 2 * kTileElements<kHead>, *next = k + 2 * kTileElements<kHead>;
  const int warp = static_cast<int>(threadIdx.x) / kWarpLanes;
  const int lane = static_cast<int>(threadIdx.x) % kWarpLanes;
  const int last_tile = static_cast<int>(gridDim.x - 1 - blockIdx.x);
  const std::int64_t first_query = std::int64_t{last_tile} * kTile;
  const int row = warp * 16 + lane / 4;  // of the tile; and row + 8
  copy_tile<kHead>(memory, op.qkv + op.packed(first_query, 0), 3 * op.C, first_query, op.T);
  copy_tile<kHead>(memory + kTileElements<kHead>, op.dout + op.plain(first_query), op.C,
                   first_query, op.T);
  copy_keys_and_values<kHead>(op, 0, k);

  float lse[2], delta[2];
  UNROLLED
  for (int half = 0; half < 2; ++half) {
    const std::int64_t query = first_query + row + half * 8;
    lse[half] = query < op.T ? op.lse_in[op.row_of_head(query)] * kLog2E : INFINITY;
    delta[half] = query < op.T ? op.delta[op.row_of_head(query)] : 0;
  }
  RowsBackward<Element, kHead> queries, dout;
  float dq[kHead / 8][4] = {};
  for (int tile = 0; tile <= last_tile; ++tile) {
    wait_for_copies<0>();
    __syncthreads();  // the tile is there, and the one before has been used
    if (tile < last_tile) copy_keys_and_values<kHead>(op, tile + 1, next);
    if (tile == 0) {
      queries.load(memory, warp, lane);
      dout.load(memory + kTileElements<kHead>, warp, lane);
    }
    UNROLLED_IF((kIsSmall<kHead, kDropout>))
    for (int begin = 0; begin < kTile; begin += kPart) {
      float scores[kPart / 8][4], dprobabilities[kPart / 8][4];  // (queries, keys)
      multiply_by_rows<kPart>(scores, queries, k, begin, lane);
      if (tile == last_tile) hide_later_keys<false, kPart>(scores, row, begin, lane);
      multiply_by_rows<kPart>(dprobabilities, dout, k + kTileElements<kHead>, begin, lane);
      UNROLLED
      for (int n = 0; n < kPart / 8; ++n) {
        UNROLLED
        for (int i = 0; i < 4; ++i) {
          const std::int64_t key =
              std::int64_t{tile} * kTile + begin + n * 8 + lane % 4 * 2 + i % 2;
          differentiate<kDropout>(op, scores[n][i], dprobabilities[n][i], lse[i / 2], delta[i / 2],
                                  first_query + row + i / 2 * 8, key);
        }
      }
      add_weighted_rows<kPart, kHead>(dq, dprobabilities, k, begin, lane);
    }
    std::swap(k, next);
  }
  const auto to = [&](int row_of_tile) {
    const std::int64_t query = first_query + row_of_tile;
    return query < op.T ? op.dqkv + op.packed(query, 0) : nullptr;
  };
  store_rows<kHead>(dq, op.scale, op.scale, to(row), to(row + 8), lane);
}

template <class Element>
dim3 grid_of(const Attention<Element>& op, std::int64_t B) {
  return {blocks_for(op.T, kTile), static_cast<unsigned>(op.H), static_cast<unsigned>(B)};
}
template <class Element, int kHead>
constexpr std::size_t bytes_of_tiles(int count) {
  return count * kTileElements<kHead> * sizeof(Element);
}

// Calls run(head, dropout) with std::integral_constants: channels of a head, and whether there is
// dropout. False if there are no kernels for such heads.
template <class Element, class Run>
bool with_head(const Attention<Element>& op, const Run& run) {
  const auto with = [&](auto head) {
    if (op.mask.threshold == 0) {
      run(head, std::false_type());
    } else {
      run(head, std::true_type());
    }
    return true;
  };
  switch (op.D) {
    case 16:
      return with(std::integral_constant<int, 16>());
    case 32:
      return with(std::integral_constant<int, 32>());
    case 64:
      return with(std::integral_constant<int, 64>());
    case 80:
      return with(std::integral_constant<int, 80>());
    case 96:
      return with(std::integral_constant<int, 96>());
    case 128:
      return with(std::integral_constant<int, 128>());
    default:
      return false;
  }
}

template <class Element>
bool fits(const Attention<Element>& op) {
  const auto places =
      reinterpret_cast<std::uintptr_t>(op.qkv) | reinterpret_cast<std::uintptr_t>(op.out) |
      reinterpret_cast<std::uintptr_t>(op.dout) | reinterpret_cast<std::uintptr_t>(op.dqkv);
  return places % 16 == 0;
}

}  // namespace

template <class Element>
bool attention_forward_on_tensor_cores(const Attention<Element>& op, std::int64_t B,
                                       cudaStream_t stream) {
  return fits(op) && with_head(op, [&](auto head, auto dropout) {
           launch(attention_forward_mma_kernel<Element, head, dropout>, grid_of(op, B), kThreads,
                  bytes_of_tiles<Element, head>(5), stream, op);
         });
}

template <class Element>
bool attention_backward_on_tensor_cores(const Attention<Element>& op, std::int64_t B,
                                        cudaStream_t stream) {
  return fits(op) && with_head(op, [&](auto head, auto dropout) {
           launch(attention_backward_keys_mma_kernel<Element, head, dropout>, grid_of(op, B),
                  kThreads, bytes_of_tiles<Element, head>(6), stream, op);
           launch(attention_backward_queries_mma_kernel<Element, head, dropout>, grid_of(op, B),
                  kThreads, bytes_of_tiles<Element, head>(6), stream, op);
         });
}

template bool attention_forward_on_tensor_cores(const Attention<__nv_bfloat16>&, std::int64_t,
                                                cudaStream_t);
template bool attention_forward_on_tensor_cores(const Attention<__half>&, std::int64_t,
                                                cudaStream_t);
template bool attention_backward_on_tensor_cores(const Attention<__nv_bfloat16>&, std::int64_t,
                                                 cudaStream_t);
template bool attention_backward_on_tensor_cores(const Attention<__half>&, std::int64_t,
                                                 cudaStream_t);

}  // namespace gpt2::kernels
