// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/kernels/philox.h"
#include "tests/reference/reference.h"

namespace gpt2::reference {

Values dropout_factors(const kernels::Dropout& dropout, std::int64_t B, std::int64_t elements) {
  if (dropout.probability == 0) return {};
  Values factors;
  for (std::int64_t b = 0; b < B; ++b) {
    for (std::int64_t element = 0; element < elements; ++element) {
      const std::uint32_t word =
          kernels::random_word(dropout.seed, kernels::RandomPurpose::kDropout,
                               dropout.first_sequence + static_cast<std::uint64_t>(b), dropout.site,
                               static_cast<std::uint32_t>(element));
      const bool kept = word >= double{dropout.probability} * 4294967296.0;
      factors.push_back(kept ? 1 / (1 - double{dropout.probability}) : 0);
    }
  }
  return factors;
}

}  // namespace gpt2::reference
