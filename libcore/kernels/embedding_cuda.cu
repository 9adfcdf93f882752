// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <cmath>

#include "libcore/kernels/kernels_cuda.h"
#include "libcore/kernels/launch_cuda.cuh"

namespace gpt2::kernels {
namespace {

constexpr int kThreads = 256;

template <class Element>
struct Embedding {
  const std::int32_t *tokens, *first_position;  // null: 0
  const Element *wte, *wpe;
  Element* x;
  std::int64_t rows, T, C, table_rows;
  DropoutMask mask;
};

template <int kWidth, class Element>
__global__ void embedding_forward_kernel(Embedding<Element> op) {
  const std::int64_t i = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * kWidth;
  if (i >= op.rows * op.C) return;
  const std::int64_t row = i / op.C, c = i % op.C, t = row % op.T, token = op.tokens[row];
  float x[kWidth], position[kWidth];
  if (token >= 0 && token < op.table_rows) {
    load<kWidth>(op.wte, token * op.C + c, x);
  } else {
    for (int k = 0; k < kWidth; ++k) x[k] = NAN;
  }
  const std::int64_t first_position = op.first_position == nullptr ? 0 : *op.first_position;
  load<kWidth>(op.wpe, (first_position + t) * op.C + c, position);
  for (int k = 0; k < kWidth; ++k) x[k] += position[k];
  apply_dropout<kWidth>(op.mask, row / op.T, t * op.C + c, x);
  store<kWidth>(x, op.x, i);
}

// dwpe[t] += the rows of position t, in the order of the batch.
template <int kWidth, class Element>
__global__ void position_backward_kernel(const Element* dx, float* dwpe, std::int64_t B,
                                         std::int64_t T, std::int64_t C, DropoutMask mask) {
  const std::int64_t i = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * kWidth;
  if (i >= T * C) return;
  float sum[kWidth];
  load<kWidth>(dwpe, i, sum);
  for (std::int64_t b = 0; b < B; ++b) {
    float gradient[kWidth];
    load<kWidth>(dx, b * T * C + i, gradient);
    apply_dropout<kWidth>(mask, b, i, gradient);
    for (int k = 0; k < kWidth; ++k) sum[k] += gradient[k];
  }
  store<kWidth>(sum, dwpe, i);
}

// Rows sorted by token, rows of one token in the order of the batch: a stable counting sort, one
// byte of the token at a time, each block a tile of rows.
constexpr int kDigits = 256;
constexpr int kTile = kThreads;

// counts[digit x tiles + tile]: rows of the tile with this digit.
__global__ void count_digits_kernel(const std::int32_t* tokens, const std::int32_t* order,
                                    std::int64_t rows, int shift, std::int32_t* counts) {
  SHARED_ARRAY(std::int32_t, digits, kTile);
  const std::int64_t place = std::int64_t{blockIdx.x} * kTile + threadIdx.x;
  const std::int64_t here = rows - std::int64_t{blockIdx.x} * kTile;
  const int count = here < kTile ? static_cast<int>(here) : kTile;
  if (place < rows) {
    digits[threadIdx.x] = tokens[order == nullptr ? place : order[place]] >> shift & (kDigits - 1);
  }
  __syncthreads();
  std::int32_t total = 0;
  for (int i = 0; i < count; ++i) total += digits[i] == static_cast<int>(threadIdx.x) ? 1 : 0;
  counts[std::int64_t{threadIdx.x} * gridDim.x + blockIdx.x] = total;
}

// Exclusive sums of `counts`, by one block: each thread a run of neighbours.
__global__ void exclusive_sums_kernel(std::int32_t* counts, std::int64_t count) {
  SHARED_ARRAY(std::int32_t, totals, kThreads);
  const std::int64_t run = (count + kThreads - 1) / kThreads;
  const std::int64_t begin = threadIdx.x * run;
  const std::int64_t end = begin + run < count ? begin + run : count;
  std::int32_t total = 0;
  for (std::int64_t i = begin; i < end; ++i) total += counts[i];
  totals[threadIdx.x] = total;
  __syncthreads();
  std::int32_t before = 0;
  for (unsigned i = 0; i < threadIdx.x; ++i) before += totals[i];
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int32_t here = counts[i];
    counts[i] = before;
    before += here;
  }
}

__global__ void place_by_digit_kernel(const std::int32_t* tokens, const std::int32_t* order,
                                      std::int64_t rows, int shift, const std::int32_t* begins,
                                      std::int32_t* sorted) {
  SHARED_ARRAY(std::int32_t, digits, kTile);
  const std::int64_t place = std::int64_t{blockIdx.x} * kTile + threadIdx.x;
  std::int32_t row = 0, digit = 0;
  if (place < rows) {
    row = order == nullptr ? static_cast<std::int32_t>(place) : order[place];
    digit = tokens[row] >> shift & (kDigits - 1);
    digits[threadIdx.x] = digit;
  }
  __syncthreads();
  if (place >= rows) return;
  std::int32_t rank = 0;
  for (unsigned i = 0; i < threadIdx.x; ++i) rank += digits[i] == digit ? 1 : 0;
  sorted[begins[std::int64_t{digit} * gridDim.x + blockIdx.x] + rank] = row;
}

// The block of a token's first sorted row adds all rows of that token.
template <int kWidth, class Element>
__global__ void token_backward_kernel(const std::int32_t* tokens, const std::int32_t* sorted,
                                      const Element* dx, float* dwte, std::int64_t rows,
                                      std::int64_t T, std::int64_t C, std::int64_t table_rows,
                                      DropoutMask mask) {
  const std::int64_t begin = blockIdx.x;
  const std::int64_t token = tokens[sorted[begin]];
  if (begin > 0 && tokens[sorted[begin - 1]] == token) return;
  if (token < 0 || token >= table_rows) return;
  for (std::int64_t c = static_cast<std::int64_t>(threadIdx.x) * kWidth; c < C;
       c += std::int64_t{kThreads} * kWidth) {
    float sum[kWidth];
    load<kWidth>(dwte, token * C + c, sum);
    for (std::int64_t i = begin; i < rows && tokens[sorted[i]] == token; ++i) {
      const std::int64_t row = sorted[i];
      float gradient[kWidth];
      load<kWidth>(dx, row * C + c, gradient);
      apply_dropout<kWidth>(mask, row / T, row % T * C + c, gradient);
      for (int k = 0; k < kWidth; ++k) sum[k] += gradient[k];
    }
    store<kWidth>(sum, dwte, token * C + c);
  }
}

}  // namespace

void CudaKernels::embedding_forward(const EmbeddingForward& op) {
  const std::int64_t rows = op.B * op.T, count = rows * op.C;
  if (count == 0) return;
  with_element(op.x, [&](auto element) {
    using Element = decltype(element);
    const Embedding<Element> embedding{.tokens = cuda_ints(op.tokens),
                                       .first_position = cuda_ints(op.first_position),
                                       .wte = cuda_elements<Element>(op.wte),
                                       .wpe = cuda_elements<Element>(op.wpe),
                                       .x = cuda_elements<Element>(op.x),
                                       .rows = rows,
                                       .T = op.T,
                                       .C = op.C,
                                       .table_rows = op.wte.sizes[0],
                                       .mask = mask_of(op.dropout)};
    with_width<Element>(op.C, {embedding.wte, embedding.wpe, embedding.x}, [&](auto width) {
      launch(embedding_forward_kernel<width, Element>,
             blocks_for(count, std::int64_t{kThreads} * width), kThreads, 0, stream(), embedding);
    });
  });
}

std::int64_t embedding_workspace(const PassShape& shape) {
  const std::int64_t rows = shape.B * shape.T;
  return (std::int64_t{kDigits} * blocks_for(rows, kTile) + 2 * rows) *
         static_cast<std::int64_t>(sizeof(std::int32_t));
}

void CudaKernels::embedding_backward(const EmbeddingBackward& op) {
  const std::int64_t rows = op.B * op.T;
  if (rows == 0 || op.C == 0) return;
  const std::int32_t* tokens = cuda_ints(op.tokens);
  float *dwte = cuda_floats(op.dwte), *dwpe = cuda_floats(op.dwpe);
  const auto mask = mask_of(op.dropout);

  const unsigned tiles = blocks_for(rows, kTile);
  const std::int64_t count = std::int64_t{kDigits} * tiles;
  auto* counts = reinterpret_cast<std::int32_t*>(workspace_.reserve(count + 2 * rows));
  std::int32_t* sorted = counts + count;
  std::int32_t* before = sorted + rows;
  const std::int32_t* order = nullptr;  // the rows as they come
  for (int shift = 0; shift < 32 && (op.dwte.sizes[0] - 1) >> shift > 0; shift += 8) {
    launch(count_digits_kernel, tiles, kThreads, 0, stream(), tokens, order, rows, shift, counts);
    launch(exclusive_sums_kernel, 1, kThreads, 0, stream(), counts, count);
    launch(place_by_digit_kernel, tiles, kThreads, 0, stream(), tokens, order, rows, shift, counts,
           sorted);
    order = sorted;
    std::swap(sorted, before);
  }
  with_element(op.dx, [&](auto element) {
    using Element = decltype(element);
    const Element* dx = cuda_elements<Element>(op.dx);
    with_width<Element>(op.C, {dx, dwte, dwpe}, [&](auto width) {
      launch(token_backward_kernel<width, Element>, static_cast<unsigned>(rows), kThreads, 0,
             stream(), tokens, order, dx, dwte, rows, op.T, op.C, op.dwte.sizes[0], mask);
      launch(position_backward_kernel<width, Element>,
             blocks_for(op.T * op.C, std::int64_t{kThreads} * width), kThreads, 0, stream(), dx,
             dwpe, op.B, op.T, op.C, mask);
    });
  });
}

}  // namespace gpt2::kernels
