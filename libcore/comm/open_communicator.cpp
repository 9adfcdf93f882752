// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Picks the twin of Communicator.
#include "formats/errors.h"
#include "libcore/comm/communicator.h"
#if defined(GPT2_WITH_MPI)
#include "libcore/comm/communicator_mpi.h"
#endif

namespace gpt2::comm {

std::unique_ptr<Communicator> open_communicator(const CommunicatorOptions& options) {
  if (!options.launched) return make_solo_communicator();
#if defined(GPT2_WITH_MPI)
  return make_mpi_communicator(options);
#else
  throw formats::UnavailableError(
      "started as one of several ranks, but built without MPI: configure with -DGPT2_WITH_MPI=ON, "
      "or start one process without mpirun or srun");
#endif
}

}  // namespace gpt2::comm
