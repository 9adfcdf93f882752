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
  /// For states of `model`, which must outlive it, and of the moments in `share` of the parameter
  /// buffer. The memory is used from the first take() on.
  TrainingSnapshot(const model::Gpt2& model, comm::ElementRange share);

  /// Copies what model and optimizer hold now; the weights only if asked for.
  void take(const optim::AdamW& optimizer, bool with_weights = true);

  const model::Gpt2Config& config() const { return model_.config(); }
  const model::ParameterTable& table() const { return model_.table(); }
  std::span<const float> weights(const model::Parameter& parameter) const;
  /// The elements of `parameter`, counted from its first, whose moments are here.
  comm::ElementRange share_of(const model::Parameter& parameter) const {
    return optim::part_within(parameter, share_);
  }
  std::span<const float> exp_avg(const model::Parameter& parameter) const;
  std::span<const float> exp_avg_sq(const model::Parameter& parameter) const;
  std::int64_t update_count() const { return update_count_; }

 private:
  using Buffer = std::unique_ptr<float[]>;  // laid out as the parameters
  std::span<const float> in_share(const Buffer& buffer, const model::Parameter& parameter) const;
  const model::Gpt2& model_;
  comm::ElementRange share_;
  Buffer weights_, exp_avg_, exp_avg_sq_;
  std::int64_t update_count_ = 0;
};

}  // namespace gpt2::train
