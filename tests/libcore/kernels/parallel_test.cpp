// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <stdexcept>
#include <string>

#include "libcore/kernels/parallel_cpu.h"

namespace gpt2::kernels {
namespace {

using namespace std::chrono_literals;

void wait_until(const std::atomic<bool>& done) {
  while (!done) std::this_thread::yield();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(thread_team)

BOOST_AUTO_TEST_CASE(does_every_task_once) {
  for (const int threads : {1, 2, 7}) {
    ThreadTeam team(threads);
    BOOST_TEST(team.threads() == threads);
    for (const int task_count : {0, 1, 2, 6, 1000}) {
      for (int repeat = 0; repeat < 300; ++repeat) {
        std::vector<int> done(task_count), threads_of(task_count);
        team.for_each_task(task_count, [&](std::int64_t task, int thread) {
          ++done[static_cast<std::size_t>(task)];
          threads_of[static_cast<std::size_t>(task)] = thread;
        });
        BOOST_REQUIRE(done == std::vector<int>(task_count, 1));
        for (const int thread : threads_of) BOOST_REQUIRE((thread >= 0 && thread < threads));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(does_tasks_at_the_same_time) {
  // Each task ends only when the other has begun.
  for (const auto asleep : {0ms, 5ms}) {
    ThreadTeam team(2);
    std::this_thread::sleep_for(asleep);
    std::atomic<bool> begun[2] = {};
    team.for_each_task(2, [&](std::int64_t task, int) {
      begun[task] = true;
      wait_until(begun[1 - task]);
    });
  }
}

BOOST_AUTO_TEST_CASE(waits_for_the_task_of_another_thread) {
  ThreadTeam team(2);
  for (int repeat = 0; repeat < 20; ++repeat) {
    std::atomic<bool> other_began{false}, other_ended{false};
    team.for_each_task(2, [&](std::int64_t, int thread) {
      if (thread == 0) return wait_until(other_began);
      other_began = true;
      std::this_thread::sleep_for(1ms);  // by now the caller has nothing to do but sleep
      other_ended = true;
    });
    BOOST_REQUIRE(other_ended);
  }
}

BOOST_AUTO_TEST_CASE(gives_the_first_error_of_a_task_and_goes_on) {
  for (const int threads : {1, 3}) {
    ThreadTeam team(threads);
    for (int repeat = 0; repeat < 100; ++repeat) {
      const auto fail = [](std::int64_t task, int) {
        if (task >= 5) throw std::runtime_error("task " + std::to_string(task));
      };
      BOOST_CHECK_THROW(team.for_each_task(50, fail), std::runtime_error);
      std::atomic<int> done{0};
      team.for_each_task(50, [&](std::int64_t, int) { ++done; });
      BOOST_REQUIRE_EQUAL(done, 50);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::kernels
