// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Philox4x32-10: counter-based random numbers, the same on every device, rank and thread.
// Source: Salmon et al. 2011, Parallel Random Numbers: As Easy as 1, 2, 3, section 4 and table 2.
#pragma once

#include <array>
#include <cstdint>

namespace gpt2::kernels {

/// What the numbers are for: the second word of the key.
enum class RandomPurpose : std::uint32_t {
  kDropout = 1,
  kInitialisation = 2,
  kDataOrder = 3,
  kSampling = 4
};

/// Four 32-bit words for (key, counter).
constexpr std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                  std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(product0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

/// The words of elements 4 x `quad` .. 4 x `quad` + 3 at `site` of `sequence` (DECISIONS: Random
/// numbers).
constexpr std::array<std::uint32_t, 4> random_quad(std::uint32_t seed, RandomPurpose purpose,
                                                   std::uint64_t sequence, std::uint32_t site,
                                                   std::uint32_t quad) {
  return philox4x32({quad, site, static_cast<std::uint32_t>(sequence),
                     static_cast<std::uint32_t>(sequence >> 32)},
                    {seed, static_cast<std::uint32_t>(purpose)});
}
/// The word of one element.
constexpr std::uint32_t random_word(std::uint32_t seed, RandomPurpose purpose,
                                    std::uint64_t sequence, std::uint32_t site,
                                    std::uint32_t element) {
  return random_quad(seed, purpose, sequence, site, element / 4)[element % 4];
}

}  // namespace gpt2::kernels
