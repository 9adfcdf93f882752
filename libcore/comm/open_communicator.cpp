// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Picks the twin of Communicator.
#include "formats/errors.h"
#include "libcore/comm/communicator.h"
#if defined(GPT2_WITH_MPI)
#include "libcore/comm/communicator_mpi.h"
#endif
#if defined(GPT2_WITH_NCCL)
#include "libcore/comm/communicator_nccl.h"
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

std::unique_ptr<Communicator> open_gpu_communicator(Communicator& hosts, device::Device& device,
                                                    [[maybe_unused]] kernels::Kernels& kernels,
                                                    [[maybe_unused]] std::int64_t exchange_bytes) {
  if (hosts.size() == 1 || device.is_host()) return nullptr;
#if defined(GPT2_WITH_NCCL)
  return make_nccl_communicator(hosts, device, kernels, exchange_bytes);
#else
  hosts.together([] {
    throw formats::UnavailableError(
        "several ranks on GPUs, but built without NCCL: configure with -DGPT2_WITH_NCCL=ON, or "
        "take --device cpu, or one rank");
  });
  return nullptr;
#endif
}

bool reaches_gpus() {
#if defined(GPT2_WITH_NCCL)
  return true;
#else
  return false;
#endif
}

}  // namespace gpt2::comm
