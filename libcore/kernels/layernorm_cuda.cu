// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Forward a row is a warp's, backward a block's. It is read from memory once: its values wait in
// shared memory, where each lane reads again only what it wrote itself, or in registers.
#include <algorithm>
#include <string>

#include "formats/errors.h"
#include "libcore/kernels/kernels_cuda.h"
#include "libcore/kernels/launch_cuda.cuh"

namespace gpt2::kernels {
namespace {

constexpr std::int64_t kMostSharedBytes = 96 * 1024;

// Of the backward pass.
constexpr int kColumnsOfThread = 8;
template <int kWidth>
constexpr int kMostWarps = kWidth == 1 ? 16 : 20;  // whose registers fit a block
constexpr std::int64_t kLeastRows = 8;             // of a block, which has sums of its own
constexpr std::int64_t kMostThreads = 64 * 1024;   // of all blocks

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

// A thread has its columns of all rows of the block, and sums the gradients of their parameters.
template <int kWidth, class Element>
__global__ void __launch_bounds__(kMostWarps<kWidth>* kWarpLanes)
    layernorm_backward_kernel(Gradients<Element> op) {
  constexpr int kSlices = kColumnsOfThread / kWidth;
  constexpr int kRowsAtOnce = kWidth == 1 ? 1 : 2;  // what registers hold
  using Numbers = Pack<Element, kWidth>;
  using RowSums = Pack<float, 2 * kRowsAtOnce>;  // of each row: dy weight, and that times x
  SHARED_ARRAY(RowSums, of_warps, 2 * kMostWarps<kWidth>);
  const unsigned warp = threadIdx.x / kWarpLanes, warps = blockDim.x / kWarpLanes;
  const float share_of_column = 1 / static_cast<float>(op.C);
  const auto column = [&](int slice) {
    return (std::int64_t{blockDim.x} * slice + threadIdx.x) * kWidth;
  };
  float weight[kSlices][kWidth] = {}, dweight[kSlices][kWidth] = {}, dbias[kSlices][kWidth] = {};
  UNROLLED
  for (int slice = 0; slice < kSlices; ++slice) {
    if (column(slice) < op.C) load<kWidth>(op.weight, column(slice), weight[slice]);
  }
  const std::int64_t begin = blockIdx.x * op.rows_of_block;
  const std::int64_t end = begin + op.rows_of_block < op.N ? begin + op.rows_of_block : op.N;
  for (std::int64_t first = begin; first < end; first += kRowsAtOnce) {
    // Without a branch, so that all reads are under way before the first is used: beyond the last
    // row or column it is read again, and does not count.
    Numbers dy[kRowsAtOnce][kSlices], x[kRowsAtOnce][kSlices], dx[kRowsAtOnce][kSlices];
    float mean[kRowsAtOnce], rstd[kRowsAtOnce];
    UNROLLED
    for (int r = 0; r < kRowsAtOnce; ++r) {
      const std::int64_t row = first + r < end ? first + r : first;
      mean[r] = op.mean[row];
      rstd[r] = op.rstd[row];
      UNROLLED
      for (int slice = 0; slice < kSlices; ++slice) {
        const std::int64_t at = row * op.C + (column(slice) < op.C ? column(slice) : 0);
        dy[r][slice] = *as_one<const Numbers>(op.dy + at);
        x[r][slice] = *as_one<const Numbers>(op.x + at);
        dx[r][slice] = *as_one<const Numbers>(op.dresidual + at);
      }
    }
    RowSums sums{};
    UNROLLED
    for (int r = 0; r < kRowsAtOnce; ++r) {
      const float counted = first + r < end ? 1 : 0;
      UNROLLED
      for (int slice = 0; slice < kSlices; ++slice) {
        for (int k = 0; k < kWidth; ++k) {
          const float dy_here = to_float(dy[r][slice].at[k]) * counted;
          const float normalised = (to_float(x[r][slice].at[k]) - mean[r]) * rstd[r];
          dweight[slice][k] += dy_here * normalised;
          dbias[slice][k] += dy_here;
          sums.at[2 * r] += dy_here * weight[slice][k];
          sums.at[2 * r + 1] += dy_here * weight[slice][k] * normalised;
        }
      }
    }
    for (float& sum : sums.at) sum = warp_sum(sum);
    // One half is read while the other is written.
    RowSums* of_round = of_warps + (first - begin) / kRowsAtOnce % 2 * kMostWarps<kWidth>;
    if (threadIdx.x % kWarpLanes == 0) of_round[warp] = sums;
    __syncthreads();
    sums = of_round[0];
    for (unsigned other = 1; other < warps; ++other) {
      const RowSums more = of_round[other];
      for (int i = 0; i < 2 * kRowsAtOnce; ++i) sums.at[i] += more.at[i];
    }
    for (float& sum : sums.at) sum *= share_of_column;
    UNROLLED
    for (int r = 0; r < kRowsAtOnce; ++r) {
      UNROLLED
      for (int slice = 0; slice < kSlices; ++slice) {
        if (first + r >= end || column(slice) >= op.C) continue;
        float sum[kWidth];
        for (int k = 0; k < kWidth; ++k) {
          const float normalised = (to_float(x[r][slice].at[k]) - mean[r]) * rstd[r];
          sum[k] =
              to_float(dx[r][slice].at[k]) + (to_float(dy[r][slice].at[k]) * weight[slice][k] -
                                              sums.at[2 * r] - normalised * sums.at[2 * r + 1]) *
                                                 rstd[r];
        }
        store<kWidth>(sum, op.dresidual, (first + r) * op.C + column(slice));
      }
    }
  }
  UNROLLED
  for (int slice = 0; slice < kSlices; ++slice) {
    if (column(slice) >= op.C) continue;
    const std::int64_t at = 2 * blockIdx.x * op.C + column(slice);
    store<kWidth>(dweight[slice], op.partials, at);
    store<kWidth>(dbias[slice], op.partials, at + op.C);
  }
}

void check_channels(std::int64_t C, std::int64_t most) {
  if (C <= most) return;
  throw formats::UsageError("layernorm on a GPU: it takes at most " + std::to_string(most) +
                            " channels, not " + std::to_string(C));
}

// Of the backward pass over N rows of C columns.
struct BackwardGrid {
  BackwardGrid(std::int64_t N, std::int64_t C)
      : threads(kWarpLanes * blocks_for(C, kColumnsOfThread * kWarpLanes)),
        rows_of_block(std::max(kLeastRows, (N * threads + kMostThreads - 1) / kMostThreads)),
        blocks(blocks_for(N, rows_of_block)) {}
  unsigned threads;  // of a block
  std::int64_t rows_of_block;
  unsigned blocks;
};

template <class Element>
void normalise(const Normalisation<Element>& op, cudaStream_t stream) {
  if (op.N == 0) return;
  constexpr std::int64_t kWarps = 4;
  const std::int64_t row_bytes = op.C * static_cast<std::int64_t>(sizeof(float));
  check_channels(op.C, kMostSharedBytes / static_cast<std::int64_t>(sizeof(float)));
  const auto warps = static_cast<unsigned>(std::min(kWarps, kMostSharedBytes / row_bytes));
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
  return 2 * BackwardGrid(shape.B * shape.T, shape.C).blocks * shape.C *
         static_cast<std::int64_t>(sizeof(float));
}

void CudaKernels::layernorm_backward(const LayerNormBackward& op) {
  if (op.N == 0) return;
  const BackwardGrid grid(op.N, op.C);
  float* partials = workspace_.reserve(2 * std::int64_t{grid.blocks} * op.C);
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
                                       .rows_of_block = grid.rows_of_block};
    with_width<Element>(op.C, {gradients.dy, gradients.x, gradients.weight, gradients.dresidual},
                        [&](auto width) {
                          check_channels(op.C, kMostWarps<width> * kWarpLanes * kColumnsOfThread);
                          launch(layernorm_backward_kernel<width, Element>, grid.blocks,
                                 grid.threads, 0, stream(), gradients);
                        });
  });
  add_rows(partials, grid.blocks, op.C, cuda_floats(op.dweight), cuda_floats(op.dbias));
}

}  // namespace gpt2::kernels
