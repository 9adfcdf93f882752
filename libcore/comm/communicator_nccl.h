// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The twin of ranks that have a GPU each.
#pragma once

#include <memory>

#include "libcore/comm/communicator.h"

namespace gpt2::comm {

/// See open_gpu_communicator(). `device` is the CUDA twin. Throws: UnavailableError.
std::unique_ptr<Communicator> make_nccl_communicator(Communicator& hosts, device::Device& device,
                                                     kernels::Kernels& kernels,
                                                     std::int64_t exchange_bytes);

}  // namespace gpt2::comm
