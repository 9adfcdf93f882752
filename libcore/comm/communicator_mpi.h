// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The twin of ranks that an MPI launcher started, on one host or many.
#pragma once

#include <mpi.h>

#include <memory>
#include <mutex>
#include <string_view>

#include "libcore/comm/communicator.h"

namespace gpt2::comm {

/// Initialises MPI; at most once in a process. Throws: UnavailableError.
std::unique_ptr<Communicator> make_mpi_communicator(const CommunicatorOptions& options);

/// MPI is called by one thread at a time, which has the turn; no call waits for another rank. After
/// an error nobody has it again: any call might go on with messages whose memory is gone by then.
class MpiTurn {
 public:
  /// Throws: UnavailableError: the error that came before.
  MpiTurn();
  /// Throws: UnavailableError with MPI's words when `result` is not success.
  void check(int result, std::string_view action) const;

 private:
  std::unique_lock<std::mutex> lock_;
};

/// The exit code of a run that lost a rank.
inline constexpr int kLostExitCode = 69;

bool is_done(MPI_Request& request);

/// Ends all ranks with `code`.
[[noreturn]] void abort_ranks(MPI_Comm group, int code);

}  // namespace gpt2::comm
