// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/device/device_cpu.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string_view>

#include "formats/errors.h"

namespace gpt2::device {
namespace {

constexpr std::size_t kAlignment = 64;  // a cache line, and the widest vector
constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

int cpus_of_affinity_mask() {
  // The kernel refuses a set smaller than its own: grow until it fits.
  for (int capacity = 1024; capacity <= 1024 * 1024; capacity *= 2) {
    cpu_set_t* set = CPU_ALLOC(capacity);
    if (set == nullptr) break;
    const std::size_t set_bytes = CPU_ALLOC_SIZE(capacity);
    const bool known = sched_getaffinity(0, set_bytes, set) == 0;
    const int count = known ? CPU_COUNT_S(set_bytes, set) : 0;
    CPU_FREE(set);
    if (known) return std::max(count, 1);
  }
  return 1;
}

// "max 100000" or "150000 100000": microseconds of CPU time in each period (Linux, cgroup v2).
int cpus_of_control_group(int without_limit) {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  double quota = 0, period = 0;
  if (!(file >> quota >> period) || quota <= 0 || period <= 0) return without_limit;
  return std::max(
      1, static_cast<int>(std::min(quota / period + 0.5, static_cast<double>(without_limit))));
}

const char* vector_unit() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return "AVX-512";
  if (__builtin_cpu_supports("avx2")) return "AVX2";
  return "SSE";
#elif defined(__aarch64__)
  return "NEON";
#else
  return "no vector unit known";
#endif
}

}  // namespace

int allowed_cpu_count() {
  const int allowed = cpus_of_affinity_mask();
  return std::min(allowed, cpus_of_control_group(allowed));
}

std::string allowed_cpu_list() {
  constexpr std::string_view kName = "Cpus_allowed_list:\t";
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(kName)) return line.substr(kName.size());
  }
  return {};
}

std::string CpuDevice::name() const {
  return fmt::format("cpu: {} thread{}, {}", threads_, threads_ == 1 ? "" : "s", vector_unit());
}

void* CpuDevice::allocate(std::size_t bytes) {
  const std::size_t alignment = bytes >= kHugePageBytes ? kHugePageBytes : kAlignment;
  void* memory = nullptr;
  if (bytes <= SIZE_MAX - alignment) {
    const std::size_t rounded = std::max(bytes + alignment - 1, alignment) / alignment * alignment;
    memory = std::aligned_alloc(alignment, rounded);
    if (memory != nullptr && alignment == kHugePageBytes) {
      madvise(memory, rounded, MADV_HUGEPAGE);  // only speed depends on it
    }
  }
  if (memory == nullptr) {
    throw formats::UnavailableError(fmt::format(
        "{}: no memory for {} more bytes; use a smaller batch, context or model", name(), bytes));
  }
  return memory;
}

void CpuDevice::free(void* memory, std::size_t) noexcept { std::free(memory); }

void CpuDevice::copy_to_device(void* to, const void* from, std::size_t bytes) {
  copy_on_device(to, from, bytes);
}
void CpuDevice::copy_to_host(void* to, const void* from, std::size_t bytes) {
  copy_on_device(to, from, bytes);
}
void CpuDevice::copy_on_device(void* to, const void* from, std::size_t bytes) {
  if (bytes != 0) std::memcpy(to, from, bytes);
}
void CpuDevice::fill_zero(void* memory, std::size_t bytes) {
  if (bytes != 0) std::memset(memory, 0, bytes);
}

}  // namespace gpt2::device
