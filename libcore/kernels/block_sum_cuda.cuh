// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// One value from all threads of a block, in an order that does not vary.
#pragma once

#include "libcore/kernels/launch_cuda.cuh"

namespace gpt2::kernels {

/// Sum over a one-dimensional block of kThreads threads, the same bits in each. `of_warps` is
/// shared memory for kThreads / 32 values; it may be used again after the block's next barrier.
template <int kThreads, class Value>
__device__ __forceinline__ Value block_sum(Value value, Value* of_warps) {
  static_assert(kThreads % kWarpLanes == 0);
  value = warp_sum(value);
  if (threadIdx.x % kWarpLanes == 0) of_warps[threadIdx.x / kWarpLanes] = value;
  __syncthreads();
  value = of_warps[0];
  for (int warp = 1; warp < kThreads / kWarpLanes; ++warp) value += of_warps[warp];
  return value;
}
/// The same for the largest value; NaN if one is.
template <int kThreads>
__device__ __forceinline__ float block_max(float value, float* of_warps) {
  value = warp_max(value);
  if (threadIdx.x % kWarpLanes == 0) of_warps[threadIdx.x / kWarpLanes] = value;
  __syncthreads();
  value = of_warps[0];
  for (int warp = 1; warp < kThreads / kWarpLanes; ++warp) {
    value = nan_or_larger(value, of_warps[warp]);
  }
  return value;
}

}  // namespace gpt2::kernels
