// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The twin of ranks that an MPI launcher started, on one host or many.
#pragma once

#include <mpi.h>

#include <memory>
#include <string_view>

#include "libcore/comm/communicator.h"

namespace gpt2::comm {

/// Initialises MPI; at most once in a process. Throws: UnavailableError.
std::unique_ptr<Communicator> make_mpi_communicator(const CommunicatorOptions& options);

/// Throws: UnavailableError with MPI's words when `result` is not success.
void check_mpi(int result, std::string_view action);

}  // namespace gpt2::comm
