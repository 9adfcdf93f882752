// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/gpt2-train/launcher.h"

#include <cstdlib>
#include <initializer_list>
#include <string_view>

#include "formats/errors.h"

namespace gpt2::tools {

bool is_started_by_launcher() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE"}) {
    if (std::getenv(name) != nullptr) return true;
  }
  // A step of srun, not the batch script around it, which has other variables of Slurm too.
  const char* tasks = std::getenv("SLURM_STEP_NUM_TASKS");
  if (tasks != nullptr && std::string_view(tasks) != "1") {
    throw formats::UnavailableError(
        "srun started several tasks that cannot find each other; give srun --mpi=pmix, or "
        "--ntasks=1");
  }
  return false;
}

}  // namespace gpt2::tools
