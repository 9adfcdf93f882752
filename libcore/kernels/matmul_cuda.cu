// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Products by cuBLASLt, with what follows them done at once where it can; and products of the few
// rows that decoding has.
#include <algorithm>

#include "libcore/kernels/gelu_cuda.cuh"
#include "libcore/kernels/kernels_cuda.h"
#include "libcore/kernels/launch_cuda.cuh"

namespace gpt2::kernels {
namespace {

constexpr int kThreads = 256;

// y += bias (null: none); with pre_activation: that is kept there, and y = gelu of it.
template <int kWidth, class Element>
__global__ void bias_gelu_kernel(Element* y, const Element* bias, Element* pre_activation,
                                 std::int64_t count, std::int64_t M) {
  const std::int64_t i = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * kWidth;
  if (i >= count) return;
  float values[kWidth];
  load<kWidth>(y, i, values);
  if (bias != nullptr) {
    float added[kWidth];
    load<kWidth>(bias, i % M, added);
    for (int k = 0; k < kWidth; ++k) values[k] += added[k];
  }
  if (pre_activation != nullptr) {
    store<kWidth>(values, pre_activation, i);
    for (int k = 0; k < kWidth; ++k) values[k] = gelu(values[k]);
  }
  store<kWidth>(values, y, i);
}

template <int kWidth, class Element>
__global__ void gelu_slope_kernel(Element* dx, const Element* pre_activation, std::int64_t count) {
  const std::int64_t i = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * kWidth;
  if (i >= count) return;
  float values[kWidth], x[kWidth];
  load<kWidth>(dx, i, values);
  load<kWidth>(pre_activation, i, x);
  for (int k = 0; k < kWidth; ++k) values[k] *= gelu_slope(x[k]);
  store<kWidth>(values, dx, i);
}

constexpr std::int64_t kRowsOfSum = 128;

// partials[block of rows][column]: the sum of that block's rows.
template <class Element>
__global__ void column_sums_kernel(const Element* x, std::int64_t rows, std::int64_t columns,
                                   float* partials) {
  const std::int64_t column = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (column >= columns) return;
  const std::int64_t begin = blockIdx.y * kRowsOfSum;
  const std::int64_t end = begin + kRowsOfSum < rows ? begin + kRowsOfSum : rows;
  float sum = 0;
  for (std::int64_t row = begin; row < end; ++row) sum += to_float(x[row * columns + column]);
  partials[blockIdx.y * columns + column] = sum;
}

// Few rows are as slow as the weights are read: each thread has several wide loads under way. A
// row's sum has the same order beside any others.
constexpr int kRowsAtOnce = 4;

// A block has 2 x kWidth columns of the weight, whose rows are shared out over pairs of threads.
constexpr int kLanesOfRow = 2, kShares = kThreads / kLanesOfRow, kAhead = 4;

template <int kWidth, class Element>
__global__ void few_rows_kernel(std::int64_t N, std::int64_t K, std::int64_t M, const Element* x,
                                const Element* weight, const Element* bias, Element* pre_activation,
                                Element* y) {
  constexpr int kColumns = kLanesOfRow * kWidth, kSums = kRowsAtOnce * kColumns;
  constexpr int kStride = kSums + 1;  // neighbouring shares begin in neighbouring banks
  constexpr int kParts = kThreads / kSums, kSharesOfPart = kShares / kParts;
  SHARED_ARRAY(float, sums, kShares* kStride);  // (shares, rows at once, columns)
  SHARED_ARRAY(float, parts, kThreads);         // (parts, rows at once, columns)
  const int thread = static_cast<int>(threadIdx.x);
  const int share = thread / kLanesOfRow, first_of_lane = thread % kLanesOfRow * kWidth;
  const std::int64_t first_column = std::int64_t{blockIdx.x} * kColumns;
  const std::int64_t column = first_column + first_of_lane;
  for (std::int64_t first_row = 0; first_row < N; first_row += kRowsAtOnce) {
    float totals[kRowsAtOnce][kWidth] = {};
    for (std::int64_t k = share; k < K && column < M; k += kAhead * kShares) {
      float w[kAhead][kWidth] = {};
      UNROLLED for (int ahead = 0; ahead < kAhead; ++ahead) {
        const std::int64_t at = k + ahead * kShares;
        if (at < K) load<kWidth>(weight, at * M + column, w[ahead]);
      }
      UNROLLED for (int ahead = 0; ahead < kAhead; ++ahead) {
        const std::int64_t at = k + ahead * kShares;
        UNROLLED for (int row = 0; row < kRowsAtOnce; ++row) {
          if (at >= K || first_row + row >= N) continue;
          const float value = to_float(x[(first_row + row) * K + at]);
          for (int i = 0; i < kWidth; ++i) totals[row][i] += value * w[ahead][i];
        }
      }
    }
    UNROLLED for (int row = 0; row < kRowsAtOnce; ++row) {
      if (first_row + row >= N) continue;
      for (int i = 0; i < kWidth; ++i) {
        sums[share * kStride + row * kColumns + first_of_lane + i] = totals[row][i];
      }
    }
    __syncthreads();  // all sums are there
    const int place = thread % kSums, part = thread / kSums;
    const std::int64_t row = first_row + place / kColumns, here = first_column + place % kColumns;
    if (row < N) {
      float total = 0;
      for (int i = 0; i < kSharesOfPart; ++i) {
        total += sums[(part * kSharesOfPart + i) * kStride + place];
      }
      parts[thread] = total;
    }
    __syncthreads();  // all parts are there
    if (part != 0 || row >= N || here >= M) continue;
    float total = bias != nullptr ? to_float(bias[here]) : 0;
    for (int other = 0; other < kParts; ++other) total += parts[other * kSums + place];
    if (pre_activation != nullptr) {
      pre_activation[row * M + here] = from_float<Element>(total);
      total = gelu(total);
    }
    y[row * M + here] = from_float<Element>(total);
  }
}

// A warp has one row of wte.
template <int kWidth, class Element>
__global__ void few_rows_head_kernel(const Element* x, const Element* wte, float* logits,
                                     std::int64_t N, std::int64_t C, std::int64_t V) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpLanes;
  const std::int64_t token = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) / kWarpLanes;
  if (token >= V) return;
  for (std::int64_t first_row = 0; first_row < N; first_row += kRowsAtOnce) {
    float totals[kRowsAtOnce] = {};
    for (std::int64_t c = lane * kWidth; c < C; c += kWarpLanes * kWidth) {
      float w[kWidth];
      load<kWidth>(wte, token * C + c, w);
      UNROLLED for (int row = 0; row < kRowsAtOnce; ++row) {
        if (first_row + row >= N) continue;
        float values[kWidth];
        load<kWidth>(x, (first_row + row) * C + c, values);
        for (int i = 0; i < kWidth; ++i) totals[row] += values[i] * w[i];
      }
    }
    UNROLLED for (int row = 0; row < kRowsAtOnce; ++row) {
      if (first_row + row >= N) continue;
      const float total = warp_sum(totals[row]);
      if (lane == 0) logits[(first_row + row) * V + token] = total;
    }
  }
}

GpuMatrix matrix(const TensorView& view, std::int64_t stride, bool transposed = false) {
  return {.data = view.data, .type = view.type, .stride = stride, .transposed = transposed};
}

}  // namespace

std::int64_t matmul_workspace(const PassShape& shape) {
  return blocks_for(shape.B * shape.T, kRowsOfSum) * std::max(3 * shape.C, shape.F) *
         static_cast<std::int64_t>(sizeof(float));
}

void CudaKernels::matmul_forward(const MatmulForward& op) {
  if (op.N == 0 || op.M == 0) return;
  with_element(op.x, [&](auto element) {
    using Element = decltype(element);
    const Element *x = cuda_elements<Element>(op.x), *weight = cuda_elements<Element>(op.weight),
                  *bias = cuda_elements<Element>(op.bias);
    Element *y = cuda_elements<Element>(op.y),
            *pre_activation = cuda_elements<Element>(op.pre_activation);
    if (op.N <= kFewRows) {
      with_width<Element>(op.M, {weight}, [&](auto width) {
        launch(few_rows_kernel<width, Element>, blocks_for(op.M, std::int64_t{kLanesOfRow} * width),
               kThreads, 0, stream(), op.N, op.K, op.M, x, weight, bias, pre_activation, y);
      });
      return;
    }
    const MatrixProduct product{.rows = op.N,
                                .columns = op.M,
                                .inner = op.K,
                                .a = matrix(op.x, op.K),
                                .b = matrix(op.weight, op.M),
                                .c = matrix(op.y, op.M)};
    const auto in_parts = [&] {
      products_.multiply(product);
      if (bias == nullptr && pre_activation == nullptr) return;
      const std::int64_t count = op.N * op.M;
      with_width<Element>(op.M, {y, bias, pre_activation}, [&](auto width) {
        launch(bias_gelu_kernel<width, Element>, blocks_for(count, std::int64_t{kThreads} * width),
               kThreads, 0, stream(), y, bias, pre_activation, count, op.M);
      });
    };
    // The epilogue writes two tensors: in place there is one.
    if (pre_activation == y || bias == nullptr) return in_parts();
    MatrixProduct at_once = product;
    at_once.epilogue = pre_activation != nullptr ? Epilogue::kBiasGelu : Epilogue::kBias;
    at_once.bias = bias;
    at_once.pre_activation = matrix(op.pre_activation, op.M);
    products_.multiply(at_once, in_parts);
  });
}

void CudaKernels::matmul_backward_input(const MatmulBackwardInput& op) {
  const std::int64_t count = op.N * op.K;
  if (count == 0) return;
  with_element(op.dy, [&](auto element) {
    using Element = decltype(element);
    const Element* pre_activation = cuda_elements<Element>(op.pre_activation);
    Element* dx = cuda_elements<Element>(op.dx);
    const MatrixProduct product{.rows = op.N,
                                .columns = op.K,
                                .inner = op.M,
                                .a = matrix(op.dy, op.M),
                                .b = matrix(op.weight, op.M, true),
                                .c = matrix(op.dx, op.K)};
    if (pre_activation == nullptr) return products_.multiply(product);
    MatrixProduct at_once = product;
    at_once.epilogue = Epilogue::kGeluSlope;
    at_once.pre_activation = matrix(op.pre_activation, op.K);
    products_.multiply(at_once, [&] {
      products_.multiply(product);
      with_width<Element>(count, {dx, pre_activation}, [&](auto width) {
        launch(gelu_slope_kernel<width, Element>, blocks_for(count, std::int64_t{kThreads} * width),
               kThreads, 0, stream(), dx, pre_activation, count);
      });
    });
  });
}

void CudaKernels::matmul_backward_weight(const MatmulBackwardWeight& op) {
  if (op.M == 0 || op.N == 0) return;
  const MatrixProduct product{.rows = op.K,
                              .columns = op.M,
                              .inner = op.N,
                              .a = matrix(op.x, op.K, true),
                              .b = matrix(op.dy, op.M),
                              .c = matrix(op.dweight, op.M),
                              .add = true};
  if (!op.dbias) return products_.multiply(product);
  const unsigned blocks = blocks_for(op.N, kRowsOfSum);
  float* partials = workspace_.reserve(std::int64_t{blocks} * op.M);
  MatrixProduct at_once = product;
  at_once.epilogue = Epilogue::kColumnSums;
  at_once.column_sums = partials;
  const bool was_at_once = products_.multiply(at_once, [&] {
    products_.multiply(product);
    with_element(op.dy, [&](auto element) {
      launch(column_sums_kernel<decltype(element)>, dim3(blocks_for(op.M, kThreads), blocks),
             kThreads, 0, stream(), cuda_elements<decltype(element)>(op.dy), op.N, op.M, partials);
    });
    add_rows(partials, blocks, op.M, cuda_floats(op.dbias));
  });
  if (was_at_once) add_rows(partials, 1, op.M, cuda_floats(op.dbias));
}

void CudaKernels::head_forward(const HeadForward& op) {
  if (op.N == 0 || op.V == 0) return;
  if (op.N <= kFewRows) {
    with_element(op.x, [&](auto element) {
      using Element = decltype(element);
      const Element *x = cuda_elements<Element>(op.x), *wte = cuda_elements<Element>(op.wte);
      with_width<Element>(op.C, {x, wte}, [&](auto width) {
        launch(few_rows_head_kernel<width, Element>, blocks_for(op.V * kWarpLanes, kThreads),
               kThreads, 0, stream(), x, wte, cuda_floats(op.logits), op.N, op.C, op.V);
      });
    });
    return;
  }
  products_.multiply({.rows = op.N,
                      .columns = op.V,
                      .inner = op.C,
                      .a = matrix(op.x, op.C),
                      .b = matrix(op.wte, op.C, true),
                      .c = matrix(op.logits, op.V)});
}

}  // namespace gpt2::kernels
