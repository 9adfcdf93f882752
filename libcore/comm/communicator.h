// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Communicator: what the ranks of a run say to each other. Twins: solo; MPI and NCCL to come.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "libcore/device/tensor_view.h"

namespace gpt2::comm {

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Sums `values` of all ranks by the pairwise tree over ranks, (0+1)+(2+3) ...; every rank gets
  /// the sum. Stream: done on return.
  virtual void tree_sum(device::TensorView values) = 0;
  virtual void tree_sum(std::span<double> values) = 0;
  /// The largest value of all ranks (stop flags, failures).
  virtual std::int64_t maximum(std::int64_t value) = 0;
  virtual void barrier() = 0;
};

/// One process alone: every operation is the identity.
std::unique_ptr<Communicator> open_communicator();

}  // namespace gpt2::comm
