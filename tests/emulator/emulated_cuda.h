// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What a kernel sees in place of the CUDA language and of the wrappers in launch_cuda.cuh, in the
// same words. A kernel file is compiled as C++ by a file that includes this one first.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <tuple>
#include <type_traits>

#include "tests/emulator/emulator.h"

#define threadIdx (::gpt2::emulator::thread_index)
#define blockIdx (::gpt2::emulator::block_index)
#define blockDim (::gpt2::emulator::block_size)
#define gridDim (::gpt2::emulator::grid_size)

#define SHARED_ARRAY(Type, name, count)                                 \
  static const char name##_site = 0;                                    \
  Type* const name = static_cast<Type*>(::gpt2::emulator::shared_array( \
      &name##_site, sizeof(Type) * static_cast<std::size_t>(count)))
#define DYNAMIC_SHARED(Type, name) \
  Type* const name = static_cast<Type*>(::gpt2::emulator::dynamic_shared())

inline void __syncthreads(std::source_location where = std::source_location::current()) {
  gpt2::emulator::block_barrier(where);
}
inline void __syncwarp(std::uint32_t mask = 0xffffffffU,
                       std::source_location where = std::source_location::current()) {
  gpt2::emulator::warp_collective(mask, nullptr, 0, nullptr, 0, nullptr, where, true);
}

namespace gpt2::emulator {

/// A value of at most 8 bytes from the lane that `source` names; like a shuffle, it orders no
/// memory.
template <class Value>
Value value_of_lane(std::uint32_t mask, Value value, std::uint32_t source,
                    std::source_location where) {
  static_assert(std::is_trivially_copyable_v<Value> && sizeof(Value) <= 8);
  std::uint32_t in[3] = {source, 0, 0}, out[2];
  std::memcpy(in + 1, &value, sizeof value);
  warp_collective(
      mask, in, 3, out, 2,
      [](WarpExchange& warp) {
        for (unsigned lane = 0; lane < kWarpLanes; ++lane) {
          const auto* from = warp.in[warp.in[lane][0] % kWarpLanes];
          warp.out[lane][0] = from[1];
          warp.out[lane][1] = from[2];
        }
      },
      where, false);
  std::memcpy(&value, out, sizeof value);
  return value;
}
inline unsigned lane_of_thread() {
  const auto& at = thread_index;
  return (at.x + block_size.x * (at.y + block_size.y * at.z)) % kWarpLanes;
}

}  // namespace gpt2::emulator

template <class Value>
Value __shfl_xor_sync(std::uint32_t mask, Value value, int lane_mask,
                      std::source_location where = std::source_location::current()) {
  return gpt2::emulator::value_of_lane(
      mask, value, gpt2::emulator::lane_of_thread() ^ static_cast<unsigned>(lane_mask), where);
}
template <class Value>
Value __shfl_sync(std::uint32_t mask, Value value, int lane,
                  std::source_location where = std::source_location::current()) {
  return gpt2::emulator::value_of_lane(mask, value, static_cast<unsigned>(lane), where);
}

inline float rsqrtf(float x) { return 1 / std::sqrt(x); }

namespace gpt2::kernels {

/// Every thread gets its own copy of the parameters, as on a GPU.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
            cudaStream_t, const Arguments&... arguments) {
  const std::tuple<std::decay_t<Parameters>...> parameters(arguments...);
  emulator::run_grid({grid.x, grid.y, grid.z}, {block.x, block.y, block.z}, shared_bytes,
                     [&] { std::apply(kernel, parameters); });
}

}  // namespace gpt2::kernels
