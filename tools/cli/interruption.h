// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What SIGINT, SIGTERM and SIGHUP do to a tool.
#pragma once

#include <signal.h>

#include <atomic>
#include <thread>

namespace gpt2::cli {

/// While it lives, one of these signals removes the unfinished files of the process
/// (formats/temporary_path.h) and then ends it, so that the shell sees the signal; a second one
/// ends it at once. A thread waits for them, so no code runs in a handler; threads made later leave
/// them to it. A signal that was ignored before stays ignored.
class Interruption {
 public:
  Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;
  ~Interruption();

 private:
  void wait() const;
  sigset_t signals_{}, mask_before_{};
  std::atomic<bool> ending_ = false;
  std::thread thread_;
};

}  // namespace gpt2::cli
