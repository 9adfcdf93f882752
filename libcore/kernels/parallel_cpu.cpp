// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/kernels/parallel_cpu.h"

#include <fmt/format.h>
#include <hwy/cache_control.h>

#include <chrono>
#include <system_error>
#include <utility>

#include "formats/errors.h"
#include "libcore/kernels/signals_blocked.h"

namespace gpt2::kernels {
namespace {

constexpr std::int32_t kEnd = -1;

// Within a training step the next work comes after some microseconds, and to wake a thread takes
// tens of them. Longer waits must not take the time of other processes.
constexpr std::chrono::microseconds kWatchfulTime{50};

/// Returns once `value` is not `old`: watches it for a while, then sleeps.
void wait_while(const std::atomic<std::int32_t>& value, std::int32_t old) {
  constexpr int kLooksBetweenTimes = 32;
  const auto end = std::chrono::steady_clock::now() + kWatchfulTime;
  do {
    for (int look = 0; look < kLooksBetweenTimes; ++look) {
      if (value.load(std::memory_order_acquire) != old) return;
      hwy::Pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

ThreadTeam::ThreadTeam(int threads) {
  const SignalsBlocked inherited_by_the_threads;  // signals are for the threads of the tool
  try {
    for (int thread = 1; thread < threads; ++thread) {
      others_.emplace_back([this, thread] { serve(thread); });
    }
  } catch (const std::system_error& error) {
    end();
    throw formats::UnavailableError(fmt::format("cpu: cannot start {} threads ({}); use fewer",
                                                threads, error.code().message()));
  }
}

void ThreadTeam::end() {
  untaken_ = kEnd;
  untaken_.notify_all();
  for (auto& thread : others_) thread.join();
}

void ThreadTeam::run(std::int64_t task_count, const Work& work) {
  if (others_.empty() || task_count <= 1) {
    for (std::int64_t task = 0; task < task_count; ++task) work.call(work.body, task, 0);
    return;
  }
  work_ = work;
  task_count_ = static_cast<std::int32_t>(task_count);
  failed_ = false;
  unfinished_ = task_count_;
  untaken_ = task_count_;  // publishes the above
  if (task_count > std::ssize(others_)) {
    untaken_.notify_all();
  } else {
    for (std::int32_t other = 1; other < task_count; ++other) untaken_.notify_one();
  }
  take_tasks(0);
  while (const auto unfinished = unfinished_.load(std::memory_order_acquire)) {
    wait_while(unfinished_, unfinished);
  }
  if (failed_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadTeam::take_tasks(int thread) {
  auto untaken = untaken_.load(std::memory_order_acquire);
  while (untaken > 0) {
    if (!untaken_.compare_exchange_weak(untaken, untaken - 1, std::memory_order_acquire)) continue;
    if (!failed_.load(std::memory_order_relaxed)) {
      try {
        work_.call(work_.body, task_count_ - untaken, thread);
      } catch (...) {
        if (!failed_.exchange(true)) failure_ = std::current_exception();
      }
    }
    if (unfinished_.fetch_sub(1) == 1 && thread != 0) unfinished_.notify_one();
    untaken = untaken_.load(std::memory_order_acquire);
  }
}

void ThreadTeam::serve(int thread) {
  while (untaken_.load(std::memory_order_acquire) != kEnd) {
    take_tasks(thread);
    wait_while(untaken_, 0);
  }
}

}  // namespace gpt2::kernels
