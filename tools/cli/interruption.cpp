// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/cli/interruption.h"

#include <pthread.h>

#include "formats/temporary_path.h"

namespace gpt2::cli {
namespace {

/// Sent to the waiting thread alone, when there is nothing to wait for any more.
int wake_up_signal() { return SIGRTMIN; }

/// The caller's mask lets `number` through, and nothing handles it.
void end_process(int number) {
  const auto lock = formats::remove_temporary_paths();
  ::raise(number);
}

}  // namespace

Interruption::Interruption() {
  sigemptyset(&signals_);
  sigaddset(&signals_, wake_up_signal());
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action = {};
    sigaction(number, nullptr, &action);
    if (action.sa_handler != SIG_IGN) sigaddset(&signals_, number);
  }
  pthread_sigmask(SIG_BLOCK, &signals_, &mask_before_);
  thread_ = std::thread([this] { wait(); });
}

Interruption::~Interruption() {
  ending_ = true;
  pthread_kill(thread_.native_handle(), wake_up_signal());
  thread_.join();
  pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

void Interruption::wait() const {
  while (!ending_) {
    int number = 0;
    if (sigwait(&signals_, &number) != 0 || number == wake_up_signal()) continue;
    sigset_t received;
    sigemptyset(&received);
    sigaddset(&received, number);
    pthread_sigmask(SIG_UNBLOCK, &received, nullptr);  // the second one ends the process at once
    end_process(number);
  }
}

}  // namespace gpt2::cli
