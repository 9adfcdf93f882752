// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Notices a rank that no longer runs: stopped, cut off, its host gone. MPI itself waits for ever.
#pragma once

#include <mpi.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "libcore/comm/communicator.h"

namespace gpt2::comm {

/// A thread of each rank tells the next rank, in a ring, several times a second that it runs and
/// what it does, and listens to the one before. A rank may compute for as long as it likes.
class Watchdog {
 public:
  /// `group` is used by the thread alone and must outlive it. All ranks make one.
  Watchdog(MPI_Comm group, std::vector<std::string> host_names, const CommunicatorOptions& options);
  /// Ends together with those of the other ranks.
  ~Watchdog();
  void say_phase(std::string_view phase);
  /// See Communicator::watch(). Waits for a call of the check before.
  void watch(std::function<void()> check);

 private:
  void run(const std::stop_token& stop);
  [[noreturn]] void end_ranks(std::string_view why) const;

  MPI_Comm group_;
  std::vector<std::string> host_names_;  // by rank
  CommunicatorOptions options_;
  std::mutex mutex_;  // guards phase_
  std::condition_variable_any wake_up_;
  std::string phase_ = "start";
  std::mutex check_mutex_;  // guards check_
  std::function<void()> check_;
  std::jthread thread_;  // last: joined before what it uses goes
};

}  // namespace gpt2::comm
