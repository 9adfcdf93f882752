// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tests/emulator/racing_kernels.h"

#include "tests/emulator/emulated_cuda.h"

namespace gpt2::emulator {

void neighbours(float* out, int barriers) {
  SHARED_ARRAY(float, values, 64);
  values[threadIdx.x] = 1;
  if (barriers > 0) __syncthreads();
  const float next = values[(threadIdx.x + 1) % 64];
  if (barriers > 1) __syncthreads();
  values[threadIdx.x] = next;
  out[threadIdx.x] = values[threadIdx.x];
}
void neighbours_in_a_warp(float* out, int barriers) {
  SHARED_ARRAY(float, values, 32);
  values[threadIdx.x] = 1;
  if (barriers > 0) __syncwarp();
  out[threadIdx.x] = values[(threadIdx.x + 1) % 32];
}
void read_before_written(float* out, int) {
  SHARED_ARRAY(float, values, 64);
  out[threadIdx.x] = values[threadIdx.x];
}
void all_to_one(float* out, int) { out[0] = 1; }
void each_to_its_own(float* out, int) { out[blockIdx.x * blockDim.x + threadIdx.x] = 1; }

}  // namespace gpt2::emulator
