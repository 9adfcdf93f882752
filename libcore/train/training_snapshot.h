// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Weights and moments as they were at one step, on the host: they are written while the training
// goes on.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "libcore/model/gpt2.h"
#include "libcore/optim/adamw.h"

namespace gpt2::train {

/// Owns: three buffers of the size of the parameters, 12 bytes each, kept from snapshot to
/// snapshot.
class TrainingSnapshot {
 public:
  /// For states of `model`, which must outlive it. The memory is used from the first take() on.
  explicit TrainingSnapshot(const model::Gpt2& model);

  /// Copies what model and optimizer hold now.
  void take(const optim::AdamW& optimizer);

  const model::Gpt2Config& config() const { return model_.config(); }
  const model::ParameterTable& table() const { return model_.table(); }
  std::span<const float> weights(const model::Parameter& parameter) const;
  std::span<const float> exp_avg(const model::Parameter& parameter) const;
  std::span<const float> exp_avg_sq(const model::Parameter& parameter) const;
  std::int64_t update_count() const { return update_count_; }

 private:
  using Buffer = std::unique_ptr<float[]>;  // laid out as the parameters
  const model::Gpt2& model_;
  Buffer weights_, exp_avg_, exp_avg_sq_;
  std::int64_t update_count_ = 0;
};

}  // namespace gpt2::train
