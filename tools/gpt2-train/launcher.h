// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// How to know that mpirun or srun started this process as one of several ranks.
#pragma once

namespace gpt2::tools {

/// MPI finds the other ranks. Throws: UnavailableError when srun started several tasks without the
/// means to find each other.
bool is_started_by_launcher();

}  // namespace gpt2::tools
