// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Memory for large tables that are looked up all over: in huge pages, where the system has them, a
// look-up seldom waits for the address to be translated, and a table is there after one page fault.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <new>
#include <vector>

namespace gpt2::text {

template <typename T>
struct HugePageAllocator {
  using value_type = T;
  HugePageAllocator() = default;
  template <typename U>
  explicit HugePageAllocator(const HugePageAllocator<U>&) {}
  bool operator==(const HugePageAllocator&) const = default;

  /// Units: `count` is of T. Throws: std::bad_alloc.
  T* allocate(std::size_t count) {
    const std::size_t pages = (count * sizeof(T) + kPageBytes - 1) / kPageBytes;
    void* memory = std::aligned_alloc(kPageBytes, pages * kPageBytes);
    if (memory == nullptr) throw std::bad_alloc();
    // Only advice: without huge pages the memory is as any other.
    static_cast<void>(::madvise(memory, pages * kPageBytes, MADV_HUGEPAGE));
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t) { std::free(memory); }

 private:
  static constexpr std::size_t kPageBytes = std::size_t{2} << 20;
};

template <typename T>
using HugePageVector = std::vector<T, HugePageAllocator<T>>;

}  // namespace gpt2::text
