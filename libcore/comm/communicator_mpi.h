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

/// Throws: UnavailableError with MPI's words when `result` is not success.
void check_mpi(int result, std::string_view action);

/// MPI is called by one thread at a time, which holds this; no call waits for another rank.
std::mutex& mpi_mutex();

/// The exit code of a run that lost a rank.
inline constexpr int kLostExitCode = 69;

bool is_done(MPI_Request& request);

/// Ends all ranks with `code`.
[[noreturn]] void abort_ranks(MPI_Comm group, int code);

}  // namespace gpt2::comm
