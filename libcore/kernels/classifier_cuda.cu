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

constexpr int kThreads = 256;
// Rows of a chunk: enough for the products of dx and dwte, 0.8 GB of logits for GPT-2's vocabulary.
constexpr std::int64_t kMostRowsOfChunk = 4096;
constexpr std::int64_t kStrideMultiple = 8;  // elements: rows begin at multiples of 16 bytes

// One block a row. With kGradient the logits become scale x (softmax - 1 at the target).
template <bool kGradient>
__global__ void classifier_kernel(float* logits, const std::int32_t* targets, float* losses,
                                  std::int64_t V, std::int64_t stride, float scale) {
  SHARED_ARRAY(float, of_warps_max, kThreads / kWarpLanes);
  SHARED_ARRAY(float, of_warps_sum, kThreads / kWarpLanes);
  const std::int64_t row = blockIdx.x;
  float* row_logits = logits + row * stride;
  const std::int64_t target = targets[row];
  if (target < 0) {  // the same for all threads: none of them waits at a barrier
    for (std::int64_t i = threadIdx.x; kGradient && i < V; i += kThreads) row_logits[i] = 0;
    if (threadIdx.x == 0) losses[row] = 0;
    return;
  }
  float max = -INFINITY, sum = 0;
  for (std::int64_t i = threadIdx.x; i < V; i += kThreads) {
    const float logit = row_logits[i];
    const float larger = nan_or_larger(logit, max);
    if (larger != max) {
      sum *= expf(max - larger);
      max = larger;
    }
    sum += expf(logit - max);
  }
  const float row_max = block_max<kThreads>(max, of_warps_max);
  const float row_sum = block_sum<kThreads>(sum * expf(max - row_max), of_warps_sum);
  if (threadIdx.x == 0) {
    losses[row] = target < V ? logf(row_sum) - (row_logits[target] - row_max) : NAN;
  }
  if (!kGradient) return;
  __syncthreads();  // the target's logit has been read
  const float factor = scale / row_sum;
  for (std::int64_t i = threadIdx.x; i < V; i += kThreads) {
    row_logits[i] = expf(row_logits[i] - row_max) * factor - (i == target ? scale : 0.0F);
  }
}

}  // namespace

template <class Op>
void CudaKernels::classify(const Op& op, float scale, float* dx, float* dwte) {
  const std::int64_t C = op.C, V = op.V;
  if (op.N == 0) return;
  const std::int64_t chunks = (op.N + kMostRowsOfChunk - 1) / kMostRowsOfChunk;
  const std::int64_t chunk_rows = (op.N + chunks - 1) / chunks;
  const std::int64_t stride = (V + kStrideMultiple - 1) / kStrideMultiple * kStrideMultiple;
  float* memory = workspace_.reserve(chunk_rows * stride);
  const auto matrix = [](float* data, std::int64_t row_stride, bool transposed = false) {
    return GpuMatrix{.data = data,
                     .type = device::DataType::kF32,
                     .stride = row_stride,
                     .transposed = transposed};
  };
  for (std::int64_t first = 0; first < op.N; first += chunk_rows) {
    const std::int64_t rows = std::min(chunk_rows, op.N - first);
    const auto x = matrix(cuda_floats(op.x) + first * C, C);
    const auto logits = matrix(memory, stride);
    const auto* targets = cuda_ints(op.targets) + first;
    float* losses = cuda_floats(op.losses) + first;
    products_.multiply({.rows = rows,
                        .columns = V,
                        .inner = C,
                        .a = x,
                        .b = matrix(cuda_floats(op.wte), C, true),
                        .c = logits});
    launch(dx != nullptr ? classifier_kernel<true> : classifier_kernel<false>,
           static_cast<unsigned>(rows), kThreads, 0, stream(), memory, targets, losses, V, stride,
           scale);
    if (dx == nullptr) continue;
    products_.multiply({.rows = rows,
                        .columns = C,
                        .inner = V,
                        .a = logits,
                        .b = matrix(cuda_floats(op.wte), C),
                        .c = matrix(dx + first * C, C)});
    products_.multiply({.rows = V,
                        .columns = C,
                        .inner = rows,
                        .a = matrix(memory, stride, true),
                        .b = x,
                        .c = matrix(dwte, C),
                        .add = true});
  }
}

void CudaKernels::classifier_forward(const ClassifierForward& op) {
  classify(op, 1, nullptr, nullptr);
}

void CudaKernels::classifier_forward_backward(const ClassifierForwardBackward& op) {
  classify(op, op.scale, cuda_floats(op.dx), cuda_floats(op.dwte));
}

}  // namespace gpt2::kernels
