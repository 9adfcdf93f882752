// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <cmath>
#include <utility>

#include "tests/reference/reference.h"

namespace gpt2::reference {

void adamw_update(AdamWState& state, const Values& gradient, const kernels::AdamWUpdate& settings,
                  const kernels::UpdateOutcome& outcome) {
  const double beta1 = settings.beta1, beta2 = settings.beta2;
  const auto step = static_cast<double>(outcome.update_count);
  for (const auto& part : settings.parts) {
    for (auto i = static_cast<std::size_t>(part.first); std::cmp_less(i, part.first + part.count);
         ++i) {
      const double g = gradient[i] * outcome.gradient_scale;
      double &p = state.parameter[i], &m = state.exp_avg[i], &v = state.exp_avg_sq[i];
      m = beta1 * m + (1 - beta1) * g;
      v = beta2 * v + (1 - beta2) * g * g;
      const double m_hat = m / (1 - std::pow(beta1, step)), v_hat = v / (1 - std::pow(beta2, step));
      p -= settings.learning_rate *
           (m_hat / (std::sqrt(v_hat) + settings.epsilon) + part.weight_decay * p);
    }
  }
}

}  // namespace gpt2::reference
