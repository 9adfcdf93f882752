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

// Few rows: a block has 32 columns of the weight, whose rows its warps share out; a thread sums
// every row of x for one column, so a row's sum has the same order beside any others.
constexpr int kWarpsOfFew = 16;

template <class Element>
__global__ void few_rows_kernel(std::int64_t N, std::int64_t K, std::int64_t M, const Element* x,
                                const Element* weight, const Element* bias, Element* pre_activation,
                                Element* y) {
  DYNAMIC_SHARED(float, sums);  // (warps, N, lanes)
  const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
  const std::int64_t column = std::int64_t{blockIdx.x} * kWarpLanes + lane;
  float totals[kFewRows] = {};
  if (column < M) {
    for (std::int64_t k = warp; k < K; k += kWarpsOfFew) {
      const float w = to_float(weight[k * M + column]);
      for (int row = 0; row < kFewRows; ++row) {
        if (row < N) totals[row] += to_float(x[row * K + k]) * w;
      }
    }
  }
  for (int row = 0; row < kFewRows; ++row) {
    if (row < N) sums[(warp * N + row) * kWarpLanes + lane] = totals[row];
  }
  __syncthreads();
  if (column >= M) return;
  for (std::int64_t row = warp; row < N; row += kWarpsOfFew) {
    float total = bias != nullptr ? to_float(bias[column]) : 0;
    for (int part = 0; part < kWarpsOfFew; ++part) {
      total += sums[(part * N + row) * kWarpLanes + lane];
    }
    if (pre_activation != nullptr) {
      pre_activation[row * M + column] = from_float<Element>(total);
      total = gelu(total);
    }
    y[row * M + column] = from_float<Element>(total);
  }
}

// Few rows against the rows of wte: a block has kHeadRows of them, a thread one with one row of x.
constexpr int kHeadRows = 16, kHeadTile = 64;

template <class Element>
__global__ void few_rows_head_kernel(const Element* x, const Element* wte, float* logits,
                                     std::int64_t N, std::int64_t C, std::int64_t V) {
  SHARED_ARRAY(float, x_tile, kFewRows*(kHeadTile + 1));
  SHARED_ARRAY(float, wte_tile, kHeadRows*(kHeadTile + 1));
  const std::int64_t first_token = std::int64_t{blockIdx.x} * kHeadRows;
  const int thread = static_cast<int>(threadIdx.x);
  const int token = thread % kHeadRows, row = thread / kHeadRows;
  float total = 0;
  for (std::int64_t first = 0; first < C; first += kHeadTile) {
    const int here = C - first < kHeadTile ? static_cast<int>(C - first) : kHeadTile;
    __syncthreads();  // the tile before has been used
    for (int i = thread; i < kHeadRows * kHeadTile; i += kThreads) {
      const int r = i / kHeadTile, c = i % kHeadTile;
      const int at = r * (kHeadTile + 1) + c;
      wte_tile[at] =
          c < here && first_token + r < V ? to_float(wte[(first_token + r) * C + first + c]) : 0;
      x_tile[at] = c < here && r < N ? to_float(x[r * C + first + c]) : 0;
    }
    __syncthreads();
    for (int c = 0; c < here; ++c) {
      total += x_tile[row * (kHeadTile + 1) + c] * wte_tile[token * (kHeadTile + 1) + c];
    }
  }
  if (row < N && first_token + token < V) logits[row * V + first_token + token] = total;
}
static_assert(kHeadRows * kFewRows == kThreads && kHeadRows == kFewRows);

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
      launch(few_rows_kernel<Element>, blocks_for(op.M, kWarpLanes), dim3(kWarpLanes, kWarpsOfFew),
             static_cast<std::size_t>(kWarpsOfFew * op.N * kWarpLanes) * sizeof(float), stream(),
             op.N, op.K, op.M, x, weight, bias, pre_activation, y);
      return;
    }
    MatrixProduct product{.rows = op.N,
                          .columns = op.M,
                          .inner = op.K,
                          .a = matrix(op.x, op.K),
                          .b = matrix(op.weight, op.M),
                          .c = matrix(op.y, op.M)};
    // The epilogue writes two tensors: in place there is one.
    if (pre_activation != y && bias != nullptr) {
      product.epilogue = pre_activation != nullptr ? Epilogue::kBiasGelu : Epilogue::kBias;
      product.bias = bias;
      product.pre_activation = matrix(op.pre_activation, op.M);
      if (products_.multiply(product)) return;
      product.epilogue = Epilogue::kNone;
    }
    products_.multiply(product);
    if (bias == nullptr && pre_activation == nullptr) return;
    const std::int64_t count = op.N * op.M;
    with_width<Element>(op.M, {y, bias, pre_activation}, [&](auto width) {
      launch(bias_gelu_kernel<width, Element>, blocks_for(count, std::int64_t{kThreads} * width),
             kThreads, 0, stream(), y, bias, pre_activation, count, op.M);
    });
  });
}

void CudaKernels::matmul_backward_input(const MatmulBackwardInput& op) {
  const std::int64_t count = op.N * op.K;
  if (count == 0) return;
  with_element(op.dy, [&](auto element) {
    using Element = decltype(element);
    const Element* pre_activation = cuda_elements<Element>(op.pre_activation);
    Element* dx = cuda_elements<Element>(op.dx);
    MatrixProduct product{.rows = op.N,
                          .columns = op.K,
                          .inner = op.M,
                          .a = matrix(op.dy, op.M),
                          .b = matrix(op.weight, op.M, true),
                          .c = matrix(op.dx, op.K)};
    if (pre_activation != nullptr) {
      product.epilogue = Epilogue::kGeluSlope;
      product.pre_activation = matrix(op.pre_activation, op.K);
      if (products_.multiply(product)) return;
      product.epilogue = Epilogue::kNone;
    }
    products_.multiply(product);
    if (pre_activation == nullptr) return;
    with_width<Element>(count, {dx, pre_activation}, [&](auto width) {
      launch(gelu_slope_kernel<width, Element>, blocks_for(count, std::int64_t{kThreads} * width),
             kThreads, 0, stream(), dx, pre_activation, count);
    });
  });
}

void CudaKernels::matmul_backward_weight(const MatmulBackwardWeight& op) {
  if (op.M == 0 || op.N == 0) return;
  MatrixProduct product{.rows = op.K,
                        .columns = op.M,
                        .inner = op.N,
                        .a = matrix(op.x, op.K, true),
                        .b = matrix(op.dy, op.M),
                        .c = matrix(op.dweight, op.M),
                        .add = true};
  if (!op.dbias) {
    products_.multiply(product);
    return;
  }
  const unsigned blocks = blocks_for(op.N, kRowsOfSum);
  float* partials = workspace_.reserve(std::int64_t{blocks} * op.M);
  product.epilogue = Epilogue::kColumnSums;
  product.column_sums = partials;
  if (products_.multiply(product)) {
    add_rows(partials, 1, op.M, op.M, cuda_floats(op.dbias));
    return;
  }
  product.epilogue = Epilogue::kNone;
  product.column_sums = nullptr;
  products_.multiply(product);
  with_element(op.dy, [&](auto element) {
    launch(column_sums_kernel<decltype(element)>, dim3(blocks_for(op.M, kThreads), blocks),
           kThreads, 0, stream(), cuda_elements<decltype(element)>(op.dy), op.N, op.M, partials);
  });
  add_rows(partials, blocks, op.M, op.M, cuda_floats(op.dbias));
}

void CudaKernels::head_forward(const HeadForward& op) {
  if (op.N == 0 || op.V == 0) return;
  if (op.N <= kFewRows) {
    with_element(op.x, [&](auto element) {
      using Element = decltype(element);
      launch(few_rows_head_kernel<Element>, blocks_for(op.V, kHeadRows), kThreads, 0, stream(),
             cuda_elements<Element>(op.x), cuda_elements<Element>(op.wte), cuda_floats(op.logits),
             op.N, op.C, op.V);
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
