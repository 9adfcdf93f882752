// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// One warp a row. A row is read from memory once: its values wait in shared memory, where each lane
// reads again only what it wrote itself.
#include <algorithm>
#include <string>

#include "formats/errors.h"
#include "libcore/kernels/kernels_cuda.h"
#include "libcore/kernels/launch_cuda.cuh"

namespace gpt2::kernels {
namespace {

constexpr std::int64_t kMostSharedBytes = 96 * 1024;
constexpr std::int64_t kMostBlocks = 512;  // of the backward pass: each has sums of its own

template <class Element>
struct Normalisation {
  const Element *residual, *branch;  // branch null: x is residual
  Element* sum;                      // null when branch is
  const float *weight, *bias;
  Element* y;
  float *mean, *rstd;
  std::int64_t N, C, T;
  float epsilon;
  DropoutMask mask;
};

template <int kWidth, class Element>
__global__ void layernorm_forward_kernel(Normalisation<Element> op) {
  DYNAMIC_SHARED(float, rows);
  const std::int64_t row = std::int64_t{blockIdx.x} * blockDim.y + threadIdx.y;
  if (row >= op.N) return;
  float* x = rows + threadIdx.y * op.C;
  const auto first = static_cast<std::int64_t>(threadIdx.x) * kWidth;
  constexpr std::int64_t kStep = kWarpLanes * kWidth;
  float sum = 0;
  for (std::int64_t c = first; c < op.C; c += kStep) {
    float values[kWidth];
    load<kWidth>(op.residual, row * op.C + c, values);
    if (op.branch != nullptr) {
      float added[kWidth];
      load<kWidth>(op.branch, row * op.C + c, added);
      apply_dropout<kWidth>(op.mask, row / op.T, row % op.T * op.C + c, added);
      // As the backward pass will read it.
      for (int k = 0; k < kWidth; ++k) {
        values[k] = to_float(from_float<Element>(values[k] + added[k]));
      }
      store<kWidth>(values, op.sum, row * op.C + c);
    }
    for (int k = 0; k < kWidth; ++k) sum += values[k];
    store<kWidth>(values, x, c);
  }
  const float mean = warp_sum(sum) / static_cast<float>(op.C);
  float squares = 0;
  for (std::int64_t c = first; c < op.C; c += kStep) {
    float values[kWidth];
    load<kWidth>(x, c, values);
    for (int k = 0; k < kWidth; ++k) squares += (values[k] - mean) * (values[k] - mean);
  }
  const float variance = warp_sum(squares) / static_cast<float>(op.C);
  const float rstd = 1 / sqrtf(variance + op.epsilon);
  for (std::int64_t c = first; c < op.C; c += kStep) {
    float values[kWidth], weight[kWidth], bias[kWidth];
    load<kWidth>(x, c, values);
    load<kWidth>(op.weight, c, weight);
    load<kWidth>(op.bias, c, bias);
    for (int k = 0; k < kWidth; ++k) values[k] = (values[k] - mean) * rstd * weight[k] + bias[k];
    store<kWidth>(values, op.y, row * op.C + c);
  }
  if (threadIdx.x == 0) {
    op.mean[row] = mean;
    op.rstd[row] = rstd;
  }
}

template <class Element>
struct Gradients {
  const Element *dy, *x;
  const float *weight, *mean, *rstd;
  Element* dresidual;
  float* partials;  // of each block: dweight (C), dbias (C)
  std::int64_t N, C;
  std::int64_t rows_of_block;
};

// Each warp sums the parameter gradients of its rows in shared memory of its own; at the end the
// block joins its warps.
template <int kWidth, class Element>
__global__ void layernorm_backward_kernel(Gradients<Element> op) {
  DYNAMIC_SHARED(float, sums);  // of each warp: dweight (C), dbias (C)
  float* dweight = sums + 2 * threadIdx.y * op.C;
  float* dbias = dweight + op.C;
  const auto first = static_cast<std::int64_t>(threadIdx.x) * kWidth;
  constexpr std::int64_t kStep = kWarpLanes * kWidth;
  for (std::int64_t c = first; c < op.C; c += kStep) {
    const float zeros[kWidth] = {};
    store<kWidth>(zeros, dweight, c);
    store<kWidth>(zeros, dbias, c);
  }
  const std::int64_t begin = blockIdx.x * op.rows_of_block;
  const std::int64_t end = begin + op.rows_of_block < op.N ? begin + op.rows_of_block : op.N;
  for (std::int64_t row = begin + threadIdx.y; row < end; row += blockDim.y) {
    const float mean = op.mean[row], rstd = op.rstd[row];
    float sum_of_dy = 0, sum_of_product = 0;
    for (std::int64_t c = first; c < op.C; c += kStep) {
      float dy[kWidth], x[kWidth], weight[kWidth];
      load<kWidth>(op.dy, row * op.C + c, dy);
      load<kWidth>(op.x, row * op.C + c, x);
      load<kWidth>(op.weight, c, weight);
      for (int k = 0; k < kWidth; ++k) {
        sum_of_dy += dy[k] * weight[k];
        sum_of_product += dy[k] * weight[k] * ((x[k] - mean) * rstd);
      }
    }
    const float mean_of_dy = warp_sum(sum_of_dy) / static_cast<float>(op.C);
    const float mean_of_product = warp_sum(sum_of_product) / static_cast<float>(op.C);
    for (std::int64_t c = first; c < op.C; c += kStep) {
      float dy[kWidth], x[kWidth], weight[kWidth], dx[kWidth], dw[kWidth], db[kWidth];
      load<kWidth>(op.dy, row * op.C + c, dy);
      load<kWidth>(op.x, row * op.C + c, x);
      load<kWidth>(op.weight, c, weight);
      load<kWidth>(op.dresidual, row * op.C + c, dx);
      load<kWidth>(dweight, c, dw);
      load<kWidth>(dbias, c, db);
      for (int k = 0; k < kWidth; ++k) {
        const float normalised = (x[k] - mean) * rstd;
        dx[k] += (dy[k] * weight[k] - mean_of_dy - normalised * mean_of_product) * rstd;
        dw[k] += dy[k] * normalised;
        db[k] += dy[k];
      }
      store<kWidth>(dx, op.dresidual, row * op.C + c);
      store<kWidth>(dw, dweight, c);
      store<kWidth>(db, dbias, c);
    }
  }
  __syncthreads();
  const auto thread = static_cast<std::int64_t>(threadIdx.y) * kWarpLanes + threadIdx.x;
  for (std::int64_t i = thread; i < 2 * op.C; i += blockDim.y * kWarpLanes) {
    float total = 0;
    for (unsigned warp = 0; warp < blockDim.y; ++warp) total += sums[2 * warp * op.C + i];
    op.partials[2 * blockIdx.x * op.C + i] = total;
  }
}

// Warps of a block whose rows of `bytes_of_warp` bytes fit the shared memory.
unsigned warps_of_block(std::int64_t bytes_of_warp, std::int64_t most, std::int64_t C) {
  const std::int64_t warps = std::min(most, kMostSharedBytes / bytes_of_warp);
  if (warps == 0) {
    throw formats::UsageError("layernorm on a GPU: " + std::to_string(C) +
                              " channels are more than its shared memory holds");
  }
  return static_cast<unsigned>(warps);
}

template <class Element>
void normalise(const Normalisation<Element>& op, cudaStream_t stream) {
  if (op.N == 0) return;
  constexpr std::int64_t kWarps = 4;
  const std::int64_t row_bytes = op.C * static_cast<std::int64_t>(sizeof(float));
  const unsigned warps = warps_of_block(row_bytes, kWarps, op.C);
  with_width<Element>(
      op.C, {op.residual, op.branch, op.sum, op.weight, op.bias, op.y}, [&](auto width) {
        launch(layernorm_forward_kernel<width, Element>, blocks_for(op.N, warps),
               dim3(kWarpLanes, warps), static_cast<std::size_t>(warps * row_bytes), stream, op);
      });
}

}  // namespace

void CudaKernels::layernorm_forward(const LayerNormForward& op) {
  with_element(op.x, [&](auto element) {
    using Element = decltype(element);
    normalise<Element>({.residual = cuda_elements<Element>(op.x),
                        .branch = nullptr,
                        .sum = nullptr,
                        .weight = cuda_floats(op.weight),
                        .bias = cuda_floats(op.bias),
                        .y = cuda_elements<Element>(op.y),
                        .mean = cuda_floats(op.mean),
                        .rstd = cuda_floats(op.rstd),
                        .N = op.N,
                        .C = op.C,
                        .T = 1,
                        .epsilon = op.epsilon,
                        .mask = {}},
                       stream());
  });
}

void CudaKernels::residual_layernorm_forward(const ResidualLayerNormForward& op) {
  with_element(op.residual, [&](auto element) {
    using Element = decltype(element);
    normalise<Element>({.residual = cuda_elements<Element>(op.residual),
                        .branch = cuda_elements<Element>(op.branch),
                        .sum = cuda_elements<Element>(op.sum),
                        .weight = cuda_floats(op.weight),
                        .bias = cuda_floats(op.bias),
                        .y = cuda_elements<Element>(op.y),
                        .mean = cuda_floats(op.mean),
                        .rstd = cuda_floats(op.rstd),
                        .N = op.B * op.T,
                        .C = op.C,
                        .T = op.T,
                        .epsilon = op.epsilon,
                        .mask = mask_of(op.dropout)},
                       stream());
  });
}

std::int64_t layernorm_workspace(const PassShape& shape) {
  return 2 * std::min(shape.B * shape.T, kMostBlocks) * shape.C *
         static_cast<std::int64_t>(sizeof(float));
}

void CudaKernels::layernorm_backward(const LayerNormBackward& op) {
  if (op.N == 0) return;
  constexpr std::int64_t kWarps = 8;
  const std::int64_t sums_bytes = 2 * op.C * static_cast<std::int64_t>(sizeof(float));
  const unsigned warps = warps_of_block(sums_bytes, kWarps, op.C);
  const std::int64_t rows_of_block =
      std::max<std::int64_t>(warps, (op.N + kMostBlocks - 1) / kMostBlocks);
  const unsigned blocks = blocks_for(op.N, rows_of_block);
  float* partials = workspace_.reserve(2 * std::int64_t{blocks} * op.C);
  with_element(op.dy, [&](auto element) {
    using Element = decltype(element);
    const Gradients<Element> gradients{.dy = cuda_elements<Element>(op.dy),
                                       .x = cuda_elements<Element>(op.x),
                                       .weight = cuda_floats(op.weight),
                                       .mean = cuda_floats(op.mean),
                                       .rstd = cuda_floats(op.rstd),
                                       .dresidual = cuda_elements<Element>(op.dresidual),
                                       .partials = partials,
                                       .N = op.N,
                                       .C = op.C,
                                       .rows_of_block = rows_of_block};
    with_width<Element>(
        op.C, {gradients.dy, gradients.x, gradients.weight, gradients.dresidual}, [&](auto width) {
          launch(layernorm_backward_kernel<width, Element>, blocks, dim3(kWarpLanes, warps),
                 static_cast<std::size_t>(warps * sums_bytes), stream(), gradients);
        });
  });
  add_rows(partials, blocks, op.C, cuda_floats(op.dweight), cuda_floats(op.dbias));
}

}  // namespace gpt2::kernels
