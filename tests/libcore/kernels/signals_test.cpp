// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <ucontext.h>

#include <array>
#include <atomic>

#include "tests/libcore/kernels/kernel_fixture.h"

namespace gpt2::kernels {
namespace {

std::uintptr_t stack_begin, stack_end;
std::atomic<int> signals, signals_off_the_stack;

/// Where the stack pointer of the interrupted code points: a handler without a stack of its own
/// would write there.
std::uintptr_t interrupted_stack_pointer(const void* context) {
  const auto& registers = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return static_cast<std::uintptr_t>(registers.gregs[REG_RSP]);
#else
  return registers.sp;
#endif
}

extern "C" void look_at_stack(int /*signal*/, siginfo_t* /*info*/, void* context) {
  const auto pointer = interrupted_stack_pointer(context);
  ++signals;
  if (pointer < stack_begin || pointer > stack_end) ++signals_off_the_stack;
}

void find_stack_of_this_thread() {
  pthread_attr_t attributes;
  void* begin = nullptr;
  std::size_t size = 0;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &begin, &size);
  pthread_attr_destroy(&attributes);
  stack_begin = reinterpret_cast<std::uintptr_t>(begin);
  stack_end = stack_begin + size;
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(handlers_of_signals_find_a_stack, Backend) {
  find_stack_of_this_thread();
  static std::array<char, 65536> handlers_stack;
  const stack_t stack{.ss_sp = handlers_stack.data(), .ss_flags = 0, .ss_size = 65536};
  stack_t stack_before;
  BOOST_REQUIRE(sigaltstack(&stack, &stack_before) == 0);
  struct sigaction action = {}, action_before = {};
  action.sa_sigaction = look_at_stack;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  BOOST_REQUIRE(sigaction(SIGALRM, &action, &action_before) == 0);
  const itimerval often{.it_interval = {0, 100}, .it_value = {0, 100}}, never{};
  BOOST_REQUIRE(setitimer(ITIMER_REAL, &often, nullptr) == 0);

  constexpr std::int64_t N = 64, K = 256, M = 192;
  const auto x = upload(random_floats(N * K, 1)), weight = upload(random_floats(K * M, 2));
  const auto dy = upload(random_floats(N * M, 3)), y = poisoned({N, M}), dx = poisoned({N, K});
  const auto dweight = upload(std::vector<float>(K * M));
  for (int turn = 0; turn < 100 || signals < 100; ++turn) {
    kernels().matmul_forward({.x = x, .weight = weight, .y = y, .N = N, .K = K, .M = M});
    kernels().matmul_backward_input({.dy = dy, .weight = weight, .dx = dx, .N = N, .K = K, .M = M});
    kernels().matmul_backward_weight(
        {.x = x, .dy = dy, .dweight = dweight, .N = N, .K = K, .M = M});
  }

  setitimer(ITIMER_REAL, &never, nullptr);
  sigaction(SIGALRM, &action_before, nullptr);
  sigaltstack(&stack_before, nullptr);
  BOOST_TEST(signals_off_the_stack == 0);
}

}  // namespace gpt2::kernels
