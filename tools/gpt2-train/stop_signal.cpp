// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/gpt2-train/stop_signal.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string_view>

namespace gpt2::tools {
namespace {

// A handler may run on any thread, so these are atomics; lock-free ones are safe in handlers.
std::atomic<int> received = 0;
std::atomic<bool> announced = false;
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

extern "C" void remember_signal(int signal) {
  constexpr std::string_view kWords = "\ngpt2-train: finishing this step, then saving\n";
  const int errno_before = errno;
  received = signal;
  if (announced) {
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, kWords.data(), kWords.size());
  }
  errno = errno_before;
}

}  // namespace

void catch_stop_signals(bool announce) {
  announced = announce;
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) {
    struct sigaction action = {};
    action.sa_handler = remember_signal;
    action.sa_flags = SA_RESTART;
    if (signal == SIGINT)
      action.sa_flags |= static_cast<int>(SA_RESETHAND);  // the second one kills
    sigaction(signal, &action, nullptr);
  }
}

int stop_signal_received() { return received; }

}  // namespace gpt2::tools
