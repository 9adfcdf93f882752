// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <algorithm>
#include <type_traits>

#include "libcore/kernels/block_sum_cuda.cuh"
#include "libcore/kernels/kernels_cuda.h"
#include "libcore/kernels/launch_cuda.cuh"

namespace gpt2::kernels {
namespace {

constexpr int kThreads = 256;
constexpr unsigned kMostShares = 16;                  // of rows
constexpr std::int64_t kElementsOfBlock = 64 * 1024;  // of a sum

template <int kWidth>
__global__ void add_kernel(float* to, const float* from, std::int64_t count) {
  const std::int64_t i = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * kWidth;
  if (i >= count) return;
  float sum[kWidth], added[kWidth];
  load<kWidth>(to, i, sum);
  load<kWidth>(from, i, added);
  for (int k = 0; k < kWidth; ++k) sum[k] += added[k];
  store<kWidth>(sum, to, i);
}

template <int kWidth>
__global__ void round_to_bf16_kernel(float* x, std::int64_t count) {
  const std::int64_t i = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * kWidth;
  if (i >= count) return;
  float values[kWidth];
  load<kWidth>(x, i, values);
  for (int k = 0; k < kWidth; ++k) values[k] = to_float(__float2bfloat16_rn(values[k]));
  store<kWidth>(values, x, i);
}

template <int kWidth, class To, class From>
__global__ void convert_kernel(To* to, const From* from, std::int64_t count) {
  const std::int64_t i = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * kWidth;
  if (i >= count) return;
  float values[kWidth];
  load<kWidth>(from, i, values);
  store<kWidth>(values, to, i);
}

// The lanes of a warp have a column each, and the warps of a block a share of the rows each.
__global__ void add_rows_kernel(const float* rows, std::int64_t row_count, std::int64_t columns,
                                float* first_sum, float* second_sum) {
  SHARED_ARRAY(float, totals, kMostShares* kWarpLanes);
  const std::int64_t column = std::int64_t{blockIdx.x} * kWarpLanes + threadIdx.x;
  float total = 0;
  if (column < columns) {
    for (std::int64_t row = threadIdx.y; row < row_count; row += blockDim.y) {
      total += rows[(row * gridDim.y + blockIdx.y) * columns + column];
    }
  }
  totals[threadIdx.y * kWarpLanes + threadIdx.x] = total;
  __syncthreads();
  if (threadIdx.y != 0 || column >= columns) return;
  for (unsigned share = 1; share < blockDim.y; ++share) {
    total += totals[share * kWarpLanes + threadIdx.x];
  }
  (blockIdx.y == 0 ? first_sum : second_sum)[column] += total;
}

// The blocks of a part, blocks_of_part of them, are neighbours.
template <bool kSquared>
__global__ void part_sums_kernel(const float* x, std::int64_t count, std::int64_t part,
                                 unsigned blocks_of_part, double* partials) {
  SHARED_ARRAY(double, of_warps, kThreads / kWarpLanes);
  const std::int64_t first = blockIdx.x / blocks_of_part * part;
  const std::int64_t part_end = first + part < count ? first + part : count;
  const std::int64_t begin = first + blockIdx.x % blocks_of_part * kElementsOfBlock;
  const std::int64_t end =
      begin + kElementsOfBlock < part_end ? begin + kElementsOfBlock : part_end;
  double sum = 0;
  for (std::int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    const auto value = static_cast<double>(x[i]);
    sum += kSquared ? value * value : value;
  }
  sum = block_sum<kThreads>(sum, of_warps);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

__global__ void join_blocks_kernel(const double* partials, unsigned parts, unsigned blocks_of_part,
                                   double* sums) {
  const unsigned part = blockIdx.x * kThreads + threadIdx.x;
  if (part >= parts) return;
  double sum = 0;
  for (unsigned block = 0; block < blocks_of_part; ++block) {
    sum += partials[std::int64_t{part} * blocks_of_part + block];
  }
  sums[part] = sum;
}

}  // namespace

void CudaKernels::add(TensorView to, TensorView from) {
  const std::int64_t count = to.element_count();
  if (count == 0) return;
  with_width<float>(count, {to.data, from.data}, [&](auto width) {
    launch(add_kernel<width>, blocks_for(count, std::int64_t{kThreads} * width), kThreads, 0,
           stream(), cuda_floats(to), cuda_floats(from), count);
  });
}

void CudaKernels::round_to_bf16(TensorView x) {
  const std::int64_t count = x.element_count();
  if (count == 0) return;
  with_width<float>(count, {x.data}, [&](auto width) {
    launch(round_to_bf16_kernel<width>, blocks_for(count, std::int64_t{kThreads} * width), kThreads,
           0, stream(), cuda_floats(x), count);
  });
}

void CudaKernels::convert(TensorView to, TensorView from) {
  const std::int64_t count = to.element_count();
  if (count == 0) return;
  const auto convert_elements = [&](auto* to_elements, const auto* from_elements) {
    using To = std::remove_pointer_t<decltype(to_elements)>;
    using From = std::remove_cvref_t<decltype(*from_elements)>;
    with_width<To>(count, {to.data, from.data}, [&](auto width) {
      launch(convert_kernel<width, To, From>, blocks_for(count, std::int64_t{kThreads} * width),
             kThreads, 0, stream(), to_elements, from_elements, count);
    });
  };
  if (from.type == device::DataType::kF32) {
    with_element(to, [&](auto element) {
      convert_elements(cuda_elements<decltype(element)>(to), cuda_floats(from));
    });
  } else {
    with_element(from, [&](auto element) {
      convert_elements(cuda_floats(to), cuda_elements<decltype(element)>(from));
    });
  }
}

void CudaKernels::add_rows(const float* rows, std::int64_t row_count, std::int64_t columns,
                           float* first_sum, float* second_sum) {
  const unsigned sums = second_sum == nullptr ? 1 : 2;
  const auto shares = static_cast<unsigned>(std::min<std::int64_t>(row_count, kMostShares));
  launch(add_rows_kernel, dim3(blocks_for(columns, kWarpLanes), sums), dim3(kWarpLanes, shares), 0,
         stream(), rows, row_count, columns, first_sum, second_sum);
}

void CudaKernels::part_sums(const PartSums& op) {
  const std::int64_t count = op.x.element_count();
  if (count == 0) return;
  const auto parts = blocks_for(count, op.part),
             blocks_of_part = blocks_for(op.part, kElementsOfBlock);
  const auto blocks = parts * blocks_of_part;
  auto* partials = reinterpret_cast<double*>(workspace_.reserve(2 * std::int64_t{blocks}));
  launch(op.squared ? part_sums_kernel<true> : part_sums_kernel<false>, blocks, kThreads, 0,
         stream(), cuda_floats(op.x), count, op.part, blocks_of_part, partials);
  launch(join_blocks_kernel, blocks_for(parts, kThreads), kThreads, 0, stream(), partials, parts,
         blocks_of_part, cuda_elements<double>(op.sums));
}

}  // namespace gpt2::kernels
