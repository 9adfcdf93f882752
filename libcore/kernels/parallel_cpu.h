// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// How work on a CPU is shared: numbered tasks, cut by shape alone, so that the number of threads
// and the order in which they run never reach a result.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

namespace gpt2::kernels {

constexpr std::int64_t divide_up(std::int64_t dividend, std::int64_t divisor) {
  return (dividend + divisor - 1) / divisor;
}
constexpr std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return divide_up(value, multiple) * multiple;
}

/// The part [begin, end) of [0, count) that belongs to `task` when each takes `step`.
struct Range {
  std::int64_t begin, end;
  std::int64_t count() const { return end - begin; }
};
constexpr Range range_of_task(std::int64_t task, std::int64_t step, std::int64_t count) {
  return {task * step, std::min(count, (task + 1) * step)};
}

/// Threads for work that is cut into tasks. The calling thread takes tasks too, and waits for those
/// that were begun, never for a thread that took none: on a busy machine, one that is not let run
/// delays nobody, and small work is done before others are awake.
class ThreadTeam {
 public:
  /// The calling thread and `threads` - 1 more, which sleep while there is nothing to do.
  /// Throws: UnavailableError if the system has no more threads.
  explicit ThreadTeam(int threads);
  ~ThreadTeam() { end(); }
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;
  int threads() const { return static_cast<int>(others_.size()) + 1; }

  /// Calls body(task, thread) for every task in [0, task_count), 2^31 at most. What a task does
  /// must depend on `task` alone; `thread`, below threads(), may only pick scratch memory. Not from
  /// inside a task, nor from two threads at once.
  /// Throws: the first exception of a task; tasks not yet begun are then left out.
  template <class Body>
  void for_each_task(std::int64_t task_count, const Body& body) {
    run(task_count, {[](const void* erased, std::int64_t task, int thread) {
                       (*static_cast<const Body*>(erased))(task, thread);
                     },
                     &body});
  }

 private:
  struct Work {
    void (*call)(const void* body, std::int64_t task, int thread);
    const void* body;
  };
  void run(std::int64_t task_count, const Work& work);
  void take_tasks(int thread);
  void serve(int thread);
  void end();

  std::vector<std::thread> others_;
  // Read by a thread only while a task that it took is unfinished.
  Work work_{};
  std::int32_t task_count_ = 0;
  std::exception_ptr failure_;
  std::atomic<bool> failed_{false};
  // Each on its own cache line.
  alignas(64) std::atomic<std::int32_t> untaken_{0};  // kEnd: the threads leave
  alignas(64) std::atomic<std::int32_t> unfinished_{0};
};

}  // namespace gpt2::kernels
