// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The words that kernels are written in beside CUDA's own. No kernel is started, no shared memory
// declared and no PTX written in any other way, so that tests/emulator can run every kernel on a
// CPU: it gives the words of the first part to a C++ compiler (emulated_cuda.h).
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <type_traits>

#include "libcore/device/device_cuda.h"
#include "libcore/kernels/kernels_cuda.h"
#include "libcore/kernels/philox.h"
#include "libcore/kernels/shared_memory_cuda.h"

#ifdef __CUDACC__

/// An array in shared memory. In the emulator it is a pointer: never ask for its sizeof.
#define SHARED_ARRAY(Type, name, count) __shared__ Type name[count]
/// Before a loop whose arrays must stay in registers.
#define UNROLLED _Pragma("unroll")
/// The same where `condition` holds; elsewhere the loop is never unrolled, which saves registers.
#define UNROLLED_IF(condition) GPT2_PRAGMA(unroll((condition) ? 64 : 1))
#define GPT2_PRAGMA(text) _Pragma(#text)
/// The shared memory whose size the launch names.
#define DYNAMIC_SHARED(Type, name)                                      \
  extern __shared__ __align__(128) unsigned char gpt2_dynamic_shared[]; \
  Type* const name = reinterpret_cast<Type*>(gpt2_dynamic_shared)

namespace gpt2::kernels {

/// Queues a kernel. Throws: UnavailableError if the launch is refused.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
            cudaStream_t stream, const Arguments&... arguments) {
  if (asks_for_shared(shared_bytes)) {
    GPT2_CUDA_CHECK(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                         cudaFuncAttributeMaxDynamicSharedMemorySize,
                                         static_cast<int>(shared_bytes)));
  }
  kernel<<<grid, block, shared_bytes, stream>>>(arguments...);
  GPT2_CUDA_CHECK(cudaGetLastError());
}

/// The elements from `address` on as one Type, which must lie at a multiple of its size.
template <class Type, class Element>
__device__ __forceinline__ Type* as_one(Element* address) {
  return reinterpret_cast<Type*>(address);
}

/// Two numbers of 16 bits in one word, rounded to the nearest, the first in its low half.
template <class Element>
__device__ __forceinline__ std::uint32_t pack_pair(float first, float second) {
  if constexpr (std::is_same_v<Element, __half>) {
    const __half2 pair = __floats2half2_rn(first, second);
    return *reinterpret_cast<const std::uint32_t*>(&pair);
  } else {
    const __nv_bfloat162 pair = __floats2bfloat162_rn(first, second);
    return *reinterpret_cast<const std::uint32_t*>(&pair);
  }
}

/// The larger of two numbers; NaN if one is.
__device__ __forceinline__ float nan_or_larger(float a, float b) {
  float larger;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(larger) : "f"(a), "f"(b));
  return larger;
}
/// 2^x within 2 units in the last place; 0 below the smallest normal number.
__device__ __forceinline__ float power_of_2(float x) {
  float power;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(x));
  return power;
}

// Collectives of a warp. With g = lane / 4 and t = 2 (lane % 4), a lane holds of A (16, 16) the
// pairs at (g, t), (g + 8, t), (g, t + 8), (g + 8, t + 8); of B (16, 8) those down its columns at
// (t, g), (t + 8, g); of C and D (16, 8), in float, at (g, t) and (g + 8, t). Source: PTX ISA,
// matrix fragments for mma.m16n8k16, and ldmatrix.

/// d += a b, whose numbers are Elements.
template <class Element>
__device__ __forceinline__ void multiply_16x8x16(float (&d)[4], const std::uint32_t (&a)[4],
                                                 std::uint32_t b0, std::uint32_t b1) {
  if constexpr (std::is_same_v<Element, __half>) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
}
/// Four matrices (8, 8) of 16-bit numbers from shared memory: lane 8 i + r names row r of matrix i,
/// 16 bytes at a multiple of 16. Each lane gets the pair at (lane / 4, t) of each matrix.
__device__ __forceinline__ void load_matrices(std::uint32_t (&pairs)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(pairs[0]), "=r"(pairs[1]), "=r"(pairs[2]), "=r"(pairs[3])
               : "r"(static_cast<std::uint32_t>(__cvta_generic_to_shared(row)))
               : "memory");
}
/// The same of the transposed matrices.
__device__ __forceinline__ void load_matrices_transposed(std::uint32_t (&pairs)[4],
                                                         const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(pairs[0]), "=r"(pairs[1]), "=r"(pairs[2]), "=r"(pairs[3])
               : "r"(static_cast<std::uint32_t>(__cvta_generic_to_shared(row)))
               : "memory");
}

/// Begins to copy 16 bytes at multiples of 16 into shared memory; zeros unless `given`, and then
/// `from` is not read. What is copied is there, for this thread, after the wait for its group.
__device__ __forceinline__ void copy_async(void* to, const void* from, bool given) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"(static_cast<std::uint32_t>(__cvta_generic_to_shared(to))), "l"(from),
                 "r"(given ? 16 : 0)
               : "memory");
}
/// Makes one group of this thread's copies since the last one.
__device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
/// Waits for all groups of this thread but the newest kNewest.
template <int kNewest>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kNewest) : "memory");
}

}  // namespace gpt2::kernels

#endif

namespace gpt2::kernels {

inline constexpr int kWarpLanes = 32;

/// Sum over each kLanes neighbouring lanes of a warp, the same bits in all of them: the pairs are
/// joined in one order. All lanes of the warp take part.
template <int kLanes = kWarpLanes, class Value>
__device__ __forceinline__ Value warp_sum(Value value) {
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(0xffffffffU, value, distance);
  }
  return value;
}
/// The same for the largest value; NaN if one is.
template <int kLanes = kWarpLanes>
__device__ __forceinline__ float warp_max(float value) {
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    value = nan_or_larger(value, __shfl_xor_sync(0xffffffffU, value, distance));
  }
  return value;
}

/// Some neighbouring elements that are read or written at once.
template <class Element, int kCount>
struct alignas(sizeof(Element) * kCount < 16 ? sizeof(Element) * kCount : 16) Pack {
  Element at[kCount];
};
/// Elements of 16 bytes, the widest access.
template <class Element>
inline constexpr int kWidest = 16 / static_cast<int>(sizeof(Element));

__device__ __forceinline__ float to_float(float value) { return value; }
__device__ __forceinline__ float to_float(__nv_bfloat16 value) { return __bfloat162float(value); }
__device__ __forceinline__ float to_float(__half value) { return __half2float(value); }
/// The nearest Element, ties to even; in __half infinite from 65520 on.
template <class Element>
__device__ __forceinline__ Element from_float(float value) {
  if constexpr (std::is_same_v<Element, __half>) {
    return __float2half_rn(value);
  } else if constexpr (std::is_same_v<Element, __nv_bfloat16>) {
    return __float2bfloat16_rn(value);
  } else {
    return value;
  }
}

/// kCount neighbouring elements from `index` on, which is a multiple of kCount.
template <int kCount, class Element>
__device__ __forceinline__ void load(const Element* from, std::int64_t index, float* values) {
  const auto pack = *as_one<const Pack<Element, kCount>>(from + index);
  for (int i = 0; i < kCount; ++i) values[i] = to_float(pack.at[i]);
}
template <int kCount, class Element>
__device__ __forceinline__ void store(const float* values, Element* to, std::int64_t index) {
  Pack<Element, kCount> pack;
  for (int i = 0; i < kCount; ++i) pack.at[i] = from_float<Element>(values[i]);
  *as_one<Pack<Element, kCount>>(to + index) = pack;
}

/// Dropout, ready for a kernel: threshold and scale as the CPU twin takes them.
struct DropoutMask {
  std::uint32_t threshold = 0;  // words below it drop their element; 0: no dropout
  float scale = 1;
  std::uint32_t seed = 0, site = 0;
  std::uint64_t first_sequence = 0;
};
/// Throws: UsageError unless 0 <= probability < 1.
DropoutMask mask_of(const Dropout& dropout);

/// values[i] *= the factor of element first_element + i of row b's sequence. kCount is 1 or a
/// multiple of 4, and then first_element too.
template <int kCount>
__device__ __forceinline__ void apply_dropout(const DropoutMask& mask, std::int64_t b,
                                              std::int64_t first_element, float* values) {
  if (mask.threshold == 0) return;
  const auto sequence = mask.first_sequence + static_cast<std::uint64_t>(b);
  for (int quad = 0; quad < (kCount + 3) / 4; ++quad) {
    const auto element = static_cast<std::uint32_t>(first_element) + 4 * quad;
    const auto words =
        random_quad(mask.seed, RandomPurpose::kDropout, sequence, mask.site, element / 4);
    for (int i = 0; i < (kCount < 4 ? kCount : 4); ++i) {
      const std::uint32_t word = kCount == 1 ? words[element % 4] : words[i];
      values[4 * quad + i] *= word < mask.threshold ? 0.0F : mask.scale;
    }
  }
}

/// Calls run(Element()) with the type of numbers that `view` holds. Throws: UsageError.
template <class Run>
void with_element(const TensorView& view, const Run& run) {
  if (view.type == device::DataType::kBF16) {
    run(__nv_bfloat16());
  } else if (view.type == device::DataType::kF16) {
    run(__half());
  } else {
    cuda_elements<float>(view);
    run(float());
  }
}

/// Blocks of `threads` threads that give each of `count` items a thread.
inline unsigned blocks_for(std::int64_t count, std::int64_t threads) {
  return static_cast<unsigned>((count + threads - 1) / threads);
}

/// Calls run(std::integral_constant<int, width>()) with the widest access that rows of `columns`
/// elements at all of `addresses` allow.
template <class Element, class Run>
void with_width(std::int64_t columns, std::initializer_list<const void*> addresses,
                const Run& run) {
  bool wide = columns % kWidest<Element> == 0;
  for (const void* address : addresses) {
    wide = wide && reinterpret_cast<std::uintptr_t>(address) % 16 == 0;
  }
  if (wide) {
    run(std::integral_constant<int, kWidest<Element>>());
  } else {
    run(std::integral_constant<int, 1>());
  }
}

}  // namespace gpt2::kernels
