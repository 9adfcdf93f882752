// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Learning-rate schedules: linear warm-up, then cosine, linear, constant or warm-up-stable-decay.
#pragma once

#include <cstdint>
#include <string>

namespace gpt2::optim {

struct LearningRateSchedule {
  std::string kind = "cosine";  // cosine, linear, constant, wsd
  double peak = 6e-4, minimum = 6e-5;
  std::int64_t warmup_steps = 0, max_steps = 0;
  double decay_fraction = 0.2;  // wsd: last part of the run that decays linearly to the minimum
  /// Rate of the update number `step` (0 first): peak x (step + 1) / warmup while warming up.
  double at(std::int64_t step) const;
  /// Throws: UsageError (unknown kind, warm-up >= max-steps, negative rates).
  void check() const;
};

}  // namespace gpt2::optim
