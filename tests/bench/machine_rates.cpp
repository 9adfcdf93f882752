// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tests/bench/machine_rates.h"

#include <hwy/aligned_allocator.h>
#include <omp.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/bench/machine_rates.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace gpt2::bench::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
constexpr std::size_t kFmaChains = 10;

// Enough chains to hide the latency of two units. Each begins elsewhere, from memory: equal chains
// the compiler would make one. Returns the operations done.
double run_fma_chains(long rounds, float* starts) {
  const hn::ScalableTag<float> d;
  const auto factor = hn::Set(d, 0.5F), term = hn::Set(d, 0.25F);
  auto a0 = hn::Set(d, starts[0]), a1 = hn::Set(d, starts[1]), a2 = hn::Set(d, starts[2]),
       a3 = hn::Set(d, starts[3]), a4 = hn::Set(d, starts[4]), a5 = hn::Set(d, starts[5]),
       a6 = hn::Set(d, starts[6]), a7 = hn::Set(d, starts[7]), a8 = hn::Set(d, starts[8]),
       a9 = hn::Set(d, starts[9]);
  for (long round = 0; round < rounds; ++round) {
    a0 = hn::MulAdd(a0, factor, term);
    a1 = hn::MulAdd(a1, factor, term);
    a2 = hn::MulAdd(a2, factor, term);
    a3 = hn::MulAdd(a3, factor, term);
    a4 = hn::MulAdd(a4, factor, term);
    a5 = hn::MulAdd(a5, factor, term);
    a6 = hn::MulAdd(a6, factor, term);
    a7 = hn::MulAdd(a7, factor, term);
    a8 = hn::MulAdd(a8, factor, term);
    a9 = hn::MulAdd(a9, factor, term);
  }
  const auto sum = a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9;
  starts[0] = hn::GetLane(hn::SumOfLanes(d, sum));
  return 2.0 * kFmaChains * static_cast<double>(hn::Lanes(d)) * static_cast<double>(rounds);
}

void scale(float* x, std::size_t count) {
  const hn::ScalableTag<float> d;
  const auto factor = hn::Set(d, -1.0F);
  for (std::size_t i = 0; i < count; i += hn::Lanes(d)) {
    hn::Store(hn::Mul(hn::Load(d, x + i), factor), d, x + i);
  }
}

}  // namespace gpt2::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gpt2::bench {

HWY_EXPORT(run_fma_chains);
HWY_EXPORT(scale);

double fma_rate(int threads) {
  double best_seconds = std::numeric_limits<double>::infinity(), operations = 0;
  constexpr std::size_t kFloatsOfThread = 16;  // a cache line, and more than there are chains
  std::vector<float> starts(static_cast<std::size_t>(threads) * kFloatsOfThread);
  for (int repeat = 0; repeat < 5; ++repeat) {
    operations = 0;
    std::iota(starts.begin(), starts.end(), 1.0F);
    const double begin = omp_get_wtime();
#pragma omp parallel num_threads(threads) reduction(+ : operations)
    operations += HWY_DYNAMIC_DISPATCH(run_fma_chains)(
        10'000'000, &starts[static_cast<std::size_t>(omp_get_thread_num()) * kFloatsOfThread]);
    best_seconds = std::min(best_seconds, omp_get_wtime() - begin);
  }
  return operations / best_seconds;
}

double memory_rate(int threads) {
  constexpr std::size_t kFloatsOfThread = std::size_t{32} << 20;
  const auto memory =
      hwy::AllocateAligned<float>(kFloatsOfThread * static_cast<std::size_t>(threads));
  double best_seconds = std::numeric_limits<double>::infinity();
  for (int repeat = 0; repeat < 6; ++repeat) {  // the first touches the pages
    const double begin = omp_get_wtime();
#pragma omp parallel num_threads(threads)
    {
      float* part = memory.get() + static_cast<std::size_t>(omp_get_thread_num()) * kFloatsOfThread;
      if (repeat == 0) std::fill_n(part, kFloatsOfThread, 1.0F);
      HWY_DYNAMIC_DISPATCH(scale)(part, kFloatsOfThread);
    }
    best_seconds = std::min(best_seconds, omp_get_wtime() - begin);
  }
  return 2.0 * sizeof(float) * kFloatsOfThread * threads / best_seconds;
}

double copy_rate(device::Device& device) {
  constexpr std::size_t kBytes = std::size_t{1} << 30;
  const device::DeviceBuffer from(device, kBytes), to(device, kBytes);
  device.fill_zero(from.data(), kBytes);
  double best_seconds = std::numeric_limits<double>::infinity();
  for (int repeat = 0; repeat < 6; ++repeat) {
    device.synchronize();
    const double begin = omp_get_wtime();
    device.copy_on_device(to.data(), from.data(), kBytes);
    device.synchronize();
    best_seconds = std::min(best_seconds, omp_get_wtime() - begin);
  }
  return 2.0 * kBytes / best_seconds;
}

}  // namespace gpt2::bench
#endif
