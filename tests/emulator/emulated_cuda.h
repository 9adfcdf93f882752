// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What a kernel sees in place of the CUDA language and of the wrappers in launch_cuda.cuh, in the
// same words. A kernel file is compiled as C++ by a file that includes this one first.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include <bit>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <tuple>
#include <type_traits>

#include "libcore/kernels/shared_memory_cuda.h"
#include "tests/emulator/emulator.h"

#define threadIdx (::gpt2::emulator::thread_index)
#define blockIdx (::gpt2::emulator::block_index)
#define blockDim (::gpt2::emulator::block_size)
#define gridDim (::gpt2::emulator::grid_size)

#define SHARED_ARRAY(Type, name, count)                                 \
  static const char name##_site = 0;                                    \
  Type* const name = static_cast<Type*>(::gpt2::emulator::shared_array( \
      &name##_site, sizeof(Type) * static_cast<std::size_t>(count)))
#define UNROLLED
#define UNROLLED_IF(condition)
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

namespace gpt2::emulator {

/// What a lane reads of its row is its own access; the warp only shares it out.
template <bool kTransposed>
void share_out_rows(std::uint32_t (&pairs)[4], const void* address, std::source_location where) {
  const auto* row = static_cast<const std::uint16_t*>(address);
  if (!is_shared(row, 16) || reinterpret_cast<std::uintptr_t>(row) % 16 != 0) {
    fail([] { return "a row of a matrix is not 16 bytes of shared memory at a multiple of 16"; });
  }
  std::uint32_t own[5];  // the row, and which eighth of the banks it lies in
  for (int i = 0; i < 4; ++i) {
    own[i] = row[2 * i] | static_cast<std::uint32_t>(row[2 * i + 1]) << 16;
  }
  own[4] = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(row) / 16 % 8);
  warp_collective(
      0xffffffffU, own, 5, pairs, 4,
      [](WarpExchange& warp) {
        for (unsigned first = 0; first < kWarpLanes; first += 8) {
          unsigned eighths = 0;
          for (unsigned r = 0; r < 8; ++r) eighths |= 1U << warp.in[first + r][4];
          bank_conflicts += 8 - static_cast<unsigned>(std::popcount(eighths));
        }
        const auto element = [&](unsigned matrix, unsigned r, unsigned c) {
          return warp.in[8 * matrix + r][c / 2] >> 16 * (c % 2) & 0xffffU;
        };
        for (unsigned lane = 0; lane < kWarpLanes; ++lane) {
          const unsigned g = lane / 4, t = 2 * (lane % 4);
          for (unsigned i = 0; i < 4; ++i) {
            warp.out[lane][i] = kTransposed ? element(i, t, g) | element(i, t + 1, g) << 16
                                            : element(i, g, t) | element(i, g, t + 1) << 16;
          }
        }
      },
      where, false);
}

}  // namespace gpt2::emulator

namespace gpt2::kernels {

template <class Type, class Element>
Type* as_one(Element* address) {
  if (reinterpret_cast<std::uintptr_t>(address) % alignof(Type) != 0) {
    emulator::fail([] { return "an access does not lie at a multiple of its size"; });
  }
  return reinterpret_cast<Type*>(address);
}

inline float nan_or_larger(float a, float b) { return a > b || a != a ? a : b; }
inline float power_of_2(float x) {
  const float power = std::exp2(x);
  return power < FLT_MIN ? 0 : power;
}
template <class Element>
std::uint32_t pack_pair(float first, float second) {
  if constexpr (std::is_same_v<Element, __half>) {
    return __float2half_rn(first).bits | static_cast<std::uint32_t>(__float2half_rn(second).bits)
                                             << 16;
  } else {
    return __float2bfloat16_rn(first).bits |
           static_cast<std::uint32_t>(__float2bfloat16_rn(second).bits) << 16;
  }
}
template <class Element>
void multiply_16x8x16(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                      std::uint32_t b1,
                      std::source_location where = std::source_location::current()) {
  std::uint32_t in[10] = {a[0], a[1], a[2], a[3], b0, b1};
  std::memcpy(in + 6, d, sizeof d);
  emulator::warp_collective(
      0xffffffffU, in, 10, d, 4,
      [](emulator::WarpExchange& warp) {
        const auto half = [](std::uint32_t pair, unsigned which) {
          const auto bits = static_cast<std::uint16_t>(pair >> 16 * which);
          if constexpr (std::is_same_v<Element, __half>) return double{__half2float({bits})};
          return double{__bfloat162float({bits})};
        };
        double a_of[16][16], b_of[16][8];
        for (unsigned lane = 0; lane < emulator::kWarpLanes; ++lane) {
          const unsigned g = lane / 4, t = 2 * (lane % 4);
          const auto* words = warp.in[lane];
          for (unsigned k = 0; k < 2; ++k) {
            a_of[g][t + k] = half(words[0], k);
            a_of[g + 8][t + k] = half(words[1], k);
            a_of[g][t + 8 + k] = half(words[2], k);
            a_of[g + 8][t + 8 + k] = half(words[3], k);
            b_of[t + k][g] = half(words[4], k);
            b_of[t + 8 + k][g] = half(words[5], k);
          }
        }
        for (unsigned lane = 0; lane < emulator::kWarpLanes; ++lane) {
          const unsigned g = lane / 4, t = 2 * (lane % 4);
          for (unsigned i = 0; i < 4; ++i) {
            const unsigned row = g + 8 * (i / 2), column = t + i % 2;
            double sum = std::bit_cast<float>(warp.in[lane][6 + i]);
            for (unsigned k = 0; k < 16; ++k) sum += a_of[row][k] * b_of[k][column];
            warp.out[lane][i] = std::bit_cast<std::uint32_t>(static_cast<float>(sum));
          }
        }
      },
      where, false);
}
inline void load_matrices(std::uint32_t (&pairs)[4], const void* row,
                          std::source_location where = std::source_location::current()) {
  emulator::share_out_rows<false>(pairs, row, where);
}
inline void load_matrices_transposed(std::uint32_t (&pairs)[4], const void* row,
                                     std::source_location where = std::source_location::current()) {
  emulator::share_out_rows<true>(pairs, row, where);
}
/// Until the wait the destination holds NaNs: who reads it too early sees them.
inline void copy_async(void* to, const void* from, bool given) {
  if (!emulator::is_shared(to, 16) || reinterpret_cast<std::uintptr_t>(to) % 16 != 0 ||
      reinterpret_cast<std::uintptr_t>(from) % 16 != 0) {
    emulator::fail([] {
      return "an asynchronous copy is not of 16 bytes at multiples of 16 to shared memory";
    });
  }
  for (int i = 0; i < 4; ++i) static_cast<std::uint32_t*>(to)[i] = 0xffffffffU;
  emulator::begin_copy(to, given ? from : nullptr);
}
inline void commit_copies() { emulator::end_group_of_copies(); }
template <int kNewest>
void wait_for_copies() {
  for (emulator::PendingCopy copy{}; emulator::next_copy(kNewest, copy);) {
    const auto* from = static_cast<const std::uint32_t*>(copy.from);
    for (int i = 0; i < 4; ++i) {
      static_cast<std::uint32_t*>(copy.to)[i] = from == nullptr ? 0 : from[i];
    }
  }
}

/// Every thread gets its own copy of the parameters, as on a GPU.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
            cudaStream_t, const Arguments&... arguments) {
  const std::tuple<std::decay_t<Parameters>...> parameters(arguments...);
  emulator::queue([=] {
    emulator::run_grid(
        {grid.x, grid.y, grid.z}, {block.x, block.y, block.z}, shared_bytes,
        asks_for_shared(shared_bytes) ? emulator::kMostSharedBytes : kSharedWithoutAsking,
        [&] { std::apply(kernel, parameters); });
  });
}

}  // namespace gpt2::kernels
