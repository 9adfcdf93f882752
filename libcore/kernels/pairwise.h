// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The tree by which sums are joined, on hosts and on GPUs.
#pragma once

#include <cstddef>

#ifdef __CUDACC__
#define GPT2_HOST_DEVICE __host__ __device__
#else
#define GPT2_HOST_DEVICE
#endif

namespace gpt2::kernels {

/// Calls join(i, k), "i becomes i + k", for `count` things by the pairwise tree (0+1)+(2+3) ...;
/// the sum is thing 0. What is left over at one height joins at the next, as a binary counter
/// carries.
template <typename Join>
GPT2_HOST_DEVICE void join_pairwise(std::size_t count, const Join& join) {
  for (std::size_t distance = 1; distance < count; distance *= 2) {
    for (std::size_t i = 0; i + distance < count; i += 2 * distance) join(i, i + distance);
  }
}

}  // namespace gpt2::kernels
