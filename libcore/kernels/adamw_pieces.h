// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// How an update by AdamW is shared out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "libcore/kernels/kernels.h"

namespace gpt2::kernels {

/// The same elements in pieces of at most `most` elements, in the order of `parts`.
inline std::vector<AdamWPart> pieces_of(std::span<const AdamWPart> parts, std::int64_t most) {
  std::vector<AdamWPart> pieces;
  for (const auto& part : parts) {
    for (std::int64_t done = 0; done < part.count; done += most) {
      pieces.push_back({.first = part.first + done,
                        .count = std::min(most, part.count - done),
                        .weight_decay = part.weight_decay});
    }
  }
  return pieces;
}

}  // namespace gpt2::kernels
