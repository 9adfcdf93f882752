// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/optim/learning_rate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "formats/errors.h"

namespace gpt2::optim {

double LearningRateSchedule::at(std::int64_t step) const {
  if (step < warmup_steps) {
    return peak * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  }
  // How much of the decay that begins at step `start` and ends at max_steps is done: 0 to 1.
  const auto progress = [&](double start) {
    const double span = static_cast<double>(max_steps) - start;
    const double done = static_cast<double>(step) - start;
    return span > 0 ? std::clamp(done / span, 0.0, 1.0) : 1.0;
  };
  const auto warmed_up = static_cast<double>(warmup_steps);
  double height = 1;  // of the rate between minimum and peak
  if (kind == "cosine") {
    height = 0.5 * (1 + std::cos(std::numbers::pi * progress(warmed_up)));
  } else if (kind == "linear") {
    height = 1 - progress(warmed_up);
  } else if (kind == "wsd") {
    const double decay_start = static_cast<double>(max_steps) * (1 - decay_fraction);
    height = 1 - progress(std::max(decay_start, warmed_up));
  }
  return std::lerp(minimum, peak, height);
}

void LearningRateSchedule::check() const {
  const auto refuse = [](std::string message) { throw formats::UsageError(message); };
  if (kind != "cosine" && kind != "linear" && kind != "constant" && kind != "wsd") {
    refuse(fmt::format("there is no schedule '{}'; the schedules are cosine, linear, constant, wsd",
                       kind));
  }
  if (!std::isfinite(peak) || peak < 0) {
    refuse(fmt::format("the learning rate is {}; it cannot be below 0", peak));
  }
  const bool decays = kind != "constant";
  if (!std::isfinite(minimum) || minimum < 0 || (decays && minimum > peak)) {
    refuse(fmt::format("the minimum learning rate is {}; it must be from 0 to the learning rate {}",
                       minimum, peak));
  }
  if (max_steps < 1) refuse(fmt::format("the run has {} steps; it needs at least 1", max_steps));
  if (warmup_steps < 0 || warmup_steps >= max_steps) {
    refuse(fmt::format("the warm-up of {} steps must be shorter than the run of {} steps",
                       warmup_steps, max_steps));
  }
  if (!(decay_fraction > 0 && decay_fraction <= 1)) {
    refuse(
        fmt::format("the decay fraction is {}; it must be above 0 and at most 1", decay_fraction));
  }
}

}  // namespace gpt2::optim
