// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What the kernels of attention share, the plain ones and those of the tensor cores.
#pragma once

#include "libcore/kernels/launch_cuda.cuh"

namespace gpt2::kernels {

/// One attention, forward or backward. Its kernels have a block for each tile of positions (x),
/// head (y) and sequence (z).
template <class Element>
struct Attention {
  const Element *qkv, *dout;
  const float *lse_in, *delta;
  Element *out, *dqkv;
  float* lse;
  std::int64_t T, C, H, D;
  float scale;
  DropoutMask mask;

  // Of position t of the block's sequence and head; part: 0 Q, 1 K, 2 V.
  __device__ std::int64_t packed(std::int64_t t, int part) const {
    return ((blockIdx.z * T + t) * 3 + part) * C + blockIdx.y * D;
  }
  __device__ std::int64_t plain(std::int64_t t) const {
    return (blockIdx.z * T + t) * C + blockIdx.y * D;
  }
  __device__ std::int64_t row_of_head(std::int64_t t) const {
    return (std::int64_t{blockIdx.z} * H + blockIdx.y) * T + t;
  }
  // The factor of dropout of one probability.
  __device__ float factor(std::int64_t query, std::int64_t key) const {
    float one = 1;
    apply_dropout<1>(mask, blockIdx.z, (blockIdx.y * T + query) * T + key, &one);
    return one;
  }
};

/// out and lse; dqkv, of delta = the sum of dout x out over each head's row. False, and nothing
/// done, unless the tensor cores' kernels take it: heads of 16, 32, 64, 80, 96 or 128 channels in
/// bf16 or fp16, rows at multiples of 16 bytes. Stream: queued.
template <class Element>
bool attention_forward_on_tensor_cores(const Attention<Element>& op, std::int64_t B,
                                       cudaStream_t stream);
template <class Element>
bool attention_backward_on_tensor_cores(const Attention<Element>& op, std::int64_t B,
                                        cudaStream_t stream);

}  // namespace gpt2::kernels
