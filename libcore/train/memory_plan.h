// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What a rank of a run will hold in memory, known before any of it is allocated.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/device/device.h"
#include "libcore/kernels/kernels.h"
#include "libcore/model/gpt2.h"
#include "libcore/train/training_config.h"

namespace gpt2::train {

/// Bytes of one rank, all at once.
struct MemoryPlan {
  std::uint64_t parameters = 0;   // and their copy in the type of the computation
  std::uint64_t gradients = 0;    // the partial sums of slots that live at once
  std::uint64_t moments = 0;      // of AdamW
  std::uint64_t activations = 0;  // of a micro-batch, and their gradients
  std::uint64_t workspace = 0;    // of one operation at a time: logits above all
  std::uint64_t evaluation = 0;   // of questions or samples
  std::uint64_t exchange = 0;     // what ranks send each other, on its way
  std::uint64_t snapshot = 0;     // on the host: what a checkpoint is written from
  bool device_is_host = true;
  std::uint64_t device_free = 0, host_free = 0;  // for this rank

  struct Item {
    std::string_view what;
    std::uint64_t bytes;
  };
  std::vector<Item> items_on_device() const;  // in the order above, without those of 0 bytes
  std::uint64_t device_bytes() const;
  bool fits() const { return device_bytes() <= device_free && snapshot <= host_free; }
};

/// What the figures depend on beside settings and plan.
struct MemoryQuestion {
  const TrainingConfig& config;
  const model::Gpt2Config& shape;
  const device::Device& device;
  const kernels::Kernels& kernels;
  int rank = 0, rank_count = 1;
  int ranks_of_host = 1;             // which share its memory
  std::uint64_t exchange_bytes = 0;  // Communicator::exchange_bytes()

  /// The same of other settings, which must outlive it.
  MemoryQuestion with(const TrainingConfig& other) const {
    return {other, shape, device, kernels, rank, rank_count, ranks_of_host, exchange_bytes};
  }
};

/// --memory-limit in the place of what is free, if it is given.
MemoryPlan plan_memory(const MemoryQuestion& question, const TrainingPlan& plan);

/// Throws: UnavailableError with all figures unless the plan fits, and with those of the nearest
/// settings that do.
void check_memory(const MemoryQuestion& question, const TrainingPlan& plan);

/// The largest number of sequences in a micro-batch that divides the tokens of a step, can be
/// shared out as the other settings say, and fits the memory. Throws: UsageError if there is none
/// for the tokens of a step, UnavailableError if one sequence does not fit.
std::uint64_t largest_batch(const MemoryQuestion& question, std::int64_t T,
                            std::uint64_t windows_per_epoch);

/// "parameters 1.4 MiB, gradients 2.8 MiB".
std::string figures_text(const MemoryPlan& memory);
/// "1.5 GiB".
std::string bytes_text(std::uint64_t bytes);

}  // namespace gpt2::train
