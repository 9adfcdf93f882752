// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The head, the loss and their gradient, a chunk of rows at a time: a chunk's logits are the only
// ones that live, and they become their own gradient.
#include <algorithm>

#include "libcore/kernels/block_sum_cuda.cuh"
#include "libcore/kernels/kernels_cuda.h"
#include "libcore/kernels/launch_cuda.cuh"

namespace gpt2::kernels {
namespace {

// Few and large blocks: the rows under way stay in the L2 cache until they are read again.
constexpr int kThreads = 512, kBlocksOfProcessor = 2;
// Rows of a chunk: dwte is read and written for each. In bf16 0.8 GB of logits of GPT-2's
// vocabulary.
constexpr std::int64_t kMostRowsOfChunk = 8192;
// Elements: the products of GPT-2's vocabulary have 50304 columns, which tensor cores take in
// tiles.
constexpr std::int64_t kStrideMultiple = 64;

// e^x as 2^(x log2 e): where a rounding of the exponent counts, x is far below 0 and e^x small.
__device__ __forceinline__ float exponential(float x) {
  return power_of_2(x * 1.4426950408889634F);
}

// One block a row. With kGradient the logits become scale x (softmax - 1 at the target), and those
// from V to the stride zeros.
template <bool kGradient, class Element>
__global__ void __launch_bounds__(kThreads, kBlocksOfProcessor)
    classifier_kernel(Element* logits, const std::int32_t* targets, float* losses, int V,
                      int stride, float scale) {
  constexpr int kWidth = kWidest<Element>;
  SHARED_ARRAY(float, of_warps_max, kThreads / kWarpLanes);
  SHARED_ARRAY(float, of_warps_sum, kThreads / kWarpLanes);
  const std::int64_t row = blockIdx.x;
  Element* row_logits = logits + row * stride;
  const int target = targets[row], first = static_cast<int>(threadIdx.x) * kWidth;
  if (target < 0) {  // the same for all threads: none of them waits at a barrier
    const float zeros[kWidth] = {};
    for (int i = first; kGradient && i < stride; i += kThreads * kWidth) {
      store<kWidth>(zeros, row_logits, i);
    }
    if (threadIdx.x == 0) losses[row] = 0;
    return;
  }
  float max = -INFINITY, sum = 0;
  for (int i = first; i < V; i += kThreads * kWidth) {
    float values[kWidth], larger = max;
    load<kWidth>(row_logits, i, values);
    UNROLLED for (int k = 0; k < kWidth; ++k) {
      if (i + k >= V) values[k] = -INFINITY;
      larger = nan_or_larger(values[k], larger);
    }
    if (larger != max) sum *= exponential(max - larger);
    max = larger;
    UNROLLED for (int k = 0; k < kWidth; ++k) sum += exponential(values[k] - max);
  }
  const float row_max = block_max<kThreads>(max, of_warps_max);
  const float row_sum = block_sum<kThreads>(sum * exponential(max - row_max), of_warps_sum);
  if (threadIdx.x == 0) {
    losses[row] = target < V ? logf(row_sum) - (to_float(row_logits[target]) - row_max) : NAN;
  }
  if (!kGradient) return;
  __syncthreads();  // the target's logit has been read
  const float factor = scale / row_sum;
  for (int i = first; i < stride; i += kThreads * kWidth) {
    float values[kWidth];
    load<kWidth>(row_logits, i, values);
    UNROLLED for (int k = 0; k < kWidth; ++k) {
      const float gradient =
          exponential(values[k] - row_max) * factor - (i + k == target ? scale : 0.0F);
      values[k] = i + k < V ? gradient : 0;
    }
    store<kWidth>(values, row_logits, i);
  }
}

struct Chunk {
  std::int64_t rows, stride;
};
Chunk chunk_of(std::int64_t N, std::int64_t V) {
  const std::int64_t chunks = (N + kMostRowsOfChunk - 1) / kMostRowsOfChunk;
  return {.rows = (N + chunks - 1) / chunks,
          .stride = (V + kStrideMultiple - 1) / kStrideMultiple * kStrideMultiple};
}
std::int64_t chunk_bytes(std::int64_t N, std::int64_t V, device::DataType type) {
  const auto chunk = chunk_of(N, V);
  return chunk.rows * chunk.stride * static_cast<std::int64_t>(bytes_of(type));
}

}  // namespace

std::int64_t classifier_workspace(const PassShape& shape, device::DataType type) {
  return chunk_bytes(shape.B * shape.T, shape.V, type);
}

template <class Op>
void CudaKernels::classify(const Op& op, float scale, const TensorView& dx,
                           const TensorView& dwte) {
  const std::int64_t C = op.C, V = op.V;
  if (op.N == 0) return;
  // Where a gradient follows, the logits become it and have its type; a loss alone is taken of
  // logits in float.
  const auto type = dx ? op.x.type : device::DataType::kF32;
  const auto [chunk_rows, stride] = chunk_of(op.N, V);
  void* memory = workspace_.reserve((chunk_bytes(op.N, V, type) + 3) / 4);
  const auto rows_of = [&](const TensorView& view, std::int64_t row_count, std::int64_t first = 0) {
    return GpuMatrix{
        .data = view.part(first * C, {row_count, C}).data, .type = view.type, .stride = C};
  };
  const auto transposed = [](GpuMatrix matrix) {
    matrix.transposed = true;
    return matrix;
  };
  const GpuMatrix logits{.data = memory, .type = type, .stride = stride};
  // Rows of wte beyond the vocabulary are zeros, which change no sum.
  std::int64_t columns = std::min(stride, op.wte.element_count() / C);
  if (dwte) columns = std::min(columns, dwte.element_count() / C);
  for (std::int64_t first = 0; first < op.N; first += chunk_rows) {
    const std::int64_t rows = std::min(chunk_rows, op.N - first);
    const auto x = rows_of(op.x, rows, first);
    const auto* targets = cuda_ints(op.targets) + first;
    float* losses = cuda_floats(op.losses) + first;
    products_.multiply({.rows = rows,
                        .columns = columns,
                        .inner = C,
                        .a = x,
                        .b = transposed(rows_of(op.wte, columns)),
                        .c = logits});
    with_element(TensorView(memory, type, {rows, stride}), [&](auto element) {
      using Element = decltype(element);
      launch(dx ? classifier_kernel<true, Element> : classifier_kernel<false, Element>,
             static_cast<unsigned>(rows), kThreads, 0, stream(), static_cast<Element*>(memory),
             targets, losses, static_cast<int>(V), static_cast<int>(stride), scale);
    });
    if (!dx) continue;
    products_.multiply({.rows = rows,
                        .columns = C,
                        .inner = columns,
                        .a = logits,
                        .b = rows_of(op.wte, columns),
                        .c = rows_of(dx, rows, first)});
    products_.multiply({.rows = columns,
                        .columns = C,
                        .inner = rows,
                        .a = transposed(logits),
                        .b = x,
                        .c = rows_of(dwte, columns),
                        .add = true});
  }
}

void CudaKernels::classifier_forward(const ClassifierForward& op) { classify(op, 1, {}, {}); }

void CudaKernels::classifier_forward_backward(const ClassifierForwardBackward& op) {
  classify(op, op.scale, op.dx, op.dwte);
}

}  // namespace gpt2::kernels
