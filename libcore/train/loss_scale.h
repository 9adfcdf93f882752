// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What the loss is multiplied by in fp16, so that small gradients do not vanish on their way back,
// and gradients are divided by before anybody looks at them. A power of two: both are exact.
#pragma once

#include <cstdint>

namespace gpt2::train {

/// Its rule and its numbers are those of torch.amp.GradScaler.
struct LossScale {
  static constexpr std::uint64_t kLeast = 1, kMost = std::uint64_t{1} << 40;
  static constexpr std::uint64_t kGoodStepsToGrow = 2000;

  std::uint64_t value = 65536;
  std::uint64_t good_steps = 0;        // in a row, since the value changed
  std::uint64_t overflowed_steps = 0;  // left out since the run began, as the value was too large

  void note_good_step() {
    if (++good_steps < kGoodStepsToGrow) return;
    good_steps = 0;
    if (value < kMost) value *= 2;
  }
  /// Halves the scale after a step whose loss or gradients are not finite. False, and it stays, if
  /// it is the least: then it is not what is wrong with the step.
  bool back_off() {
    good_steps = 0;
    if (value <= kLeast) return false;
    value /= 2;
    ++overflowed_steps;
    return true;
  }
};

}  // namespace gpt2::train
