// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// How the CPU kernels share work: numbered tasks, cut by shape alone, so that the number of threads
// and the order in which they run never reach a result.
#pragma once

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>

namespace gpt2::kernels {

constexpr std::int64_t divide_up(std::int64_t dividend, std::int64_t divisor) {
  return (dividend + divisor - 1) / divisor;
}
constexpr std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return divide_up(value, multiple) * multiple;
}

/// Calls body(task, thread) for every task in [0, task_count) on at most `threads` threads. What a
/// task does must depend on `task` alone; `thread`, below `threads`, may only pick scratch memory.
/// Throws: the first exception of a task; the tasks not yet begun are then left out.
template <class Body>
void for_each_task(int threads, std::int64_t task_count, const Body& body) {
  if (task_count <= 0) return;
  const int team = static_cast<int>(std::min<std::int64_t>(threads, task_count));
  std::exception_ptr failure;
  std::atomic<bool> failed{false};
#pragma omp parallel num_threads(team)
  {
    // oneDNN, called from a task, must see one thread; in a team of one it would take all, and its
    // results would depend on how many there are.
    omp_set_num_threads(1);
#pragma omp for schedule(dynamic, 1)
    for (std::int64_t task = 0; task < task_count; ++task) {
      if (failed.load(std::memory_order_relaxed)) continue;
      try {
        body(task, omp_get_thread_num());
      } catch (...) {
        if (!failed.exchange(true)) failure = std::current_exception();
      }
    }
  }
  if (failure) std::rethrow_exception(failure);
}

/// The part [begin, end) of [0, count) that belongs to `task` when each takes `step`.
struct Range {
  std::int64_t begin, end;
  std::int64_t count() const { return end - begin; }
};
constexpr Range range_of_task(std::int64_t task, std::int64_t step, std::int64_t count) {
  return {task * step, std::min(count, (task + 1) * step)};
}

}  // namespace gpt2::kernels
