// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/sample/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>

#include "formats/errors.h"
#include "libcore/kernels/philox.h"
#include "libcore/model/decoder.h"

namespace gpt2::sample {

namespace {

__extension__ using Wide = unsigned __int128;

constexpr double kLargestWeight = 0x1p47;  // 65,536 of them fit 64 bits

struct Candidate {
  std::int32_t id;
  float logit;
  std::uint64_t weight;
};
/// Candidates in the order in which top-k and top-p keep them.
bool ranks_before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

void check_finite(std::span<const float> logits) {
  constexpr std::uint32_t kMagnitude = 0x7FFFFFFF, kInfinity = 0x7F800000;
  std::uint32_t largest = 0;  // in whole numbers, of which a compiler makes a vector loop
  for (const float logit : logits) {
    largest = std::max(largest, std::bit_cast<std::uint32_t>(logit) & kMagnitude);
  }
  if (largest < kInfinity) return;
  const auto bad = std::ranges::find_if(logits, [](float logit) { return !std::isfinite(logit); });
  throw formats::InputError(
      fmt::format("the model gives {} as the logit of token {}; its weights are damaged or it "
                  "diverged in training",
                  *bad, bad - logits.begin()));
}

/// The `count` candidates that rank first, by id, without weights.
std::vector<Candidate> first_candidates(std::span<const float> logits, std::size_t count) {
  std::vector<Candidate> candidates;
  if (count >= logits.size()) {
    candidates.reserve(logits.size());
    for (const float logit : logits) {
      candidates.push_back({static_cast<std::int32_t>(candidates.size()), logit, 0});
    }
    return candidates;
  }
  const auto keep_first = [&] {
    std::nth_element(candidates.begin(),
                     candidates.begin() + static_cast<std::ptrdiff_t>(count - 1), candidates.end(),
                     ranks_before);
    candidates.resize(count);
  };
  // A logit above `bound` may be among the first; one that is equal comes after those that are
  // held.
  candidates.reserve(2 * count);
  float bound = -std::numeric_limits<float>::infinity();
  for (std::size_t id = 0; id < logits.size(); ++id) {
    if (!(logits[id] > bound)) continue;
    candidates.push_back({static_cast<std::int32_t>(id), logits[id], 0});
    if (candidates.size() < 2 * count) continue;
    keep_first();
    bound = candidates.back().logit;
  }
  keep_first();
  std::ranges::sort(candidates, {}, &Candidate::id);
  return candidates;
}

std::uint64_t sum_of_weights(std::span<const Candidate> candidates) {
  std::uint64_t sum = 0;
  for (const auto& candidate : candidates) sum += candidate.weight;
  return sum;
}

/// How far below the largest logit, in units of the temperature.
double distance_of(const Candidate& candidate, double largest, double temperature) {
  return (largest - candidate.logit) / temperature;
}

/// The last of the fewest candidates, in their rank, whose weights reach `needed`, which is at most
/// the sum of all.
Candidate last_to_stay(std::span<const Candidate> candidates, double largest, double temperature,
                       std::uint64_t needed) {
  // Sums by distance first, so that few candidates need be put in order.
  constexpr double kBandsOfUnit = 64, kLastBand = 2303;  // the last begins where weights are 0
  const auto band_of = [&](const Candidate& candidate) {
    const double distance = distance_of(candidate, largest, temperature);
    return static_cast<std::size_t>(std::min(distance * kBandsOfUnit, kLastBand));
  };
  std::vector<std::uint64_t> sums(static_cast<std::size_t>(kLastBand) + 1);
  for (const auto& candidate : candidates) sums[band_of(candidate)] += candidate.weight;
  std::size_t band = 0;
  for (; sums[band] < needed; ++band) needed -= sums[band];

  std::vector<Candidate> of_band;
  std::ranges::copy_if(candidates, std::back_inserter(of_band),
                       [&](const auto& candidate) { return band_of(candidate) == band; });
  auto first = of_band.begin(), last = of_band.end();  // it is here; those before `first` stay
  while (last - first > 1) {
    const auto middle = first + (last - first) / 2;
    std::nth_element(first, middle, last, ranks_before);
    const auto upper = sum_of_weights({first, middle});
    if (upper >= needed) {
      last = middle;
    } else {
      needed -= upper;
      first = middle;
    }
  }
  return *first;
}

/// 64 random bits.
std::uint64_t random_bits(std::uint32_t seed, std::uint64_t sequence, std::uint32_t position) {
  const auto words =
      kernels::random_quad(seed, kernels::RandomPurpose::kSampling, sequence, 0, position);
  return std::uint64_t{words[0]} << 32 | words[1];
}

}  // namespace

void SamplingOptions::check() const {
  const auto refuse = [](std::string_view problem) {
    throw formats::UsageError(std::string(problem));
  };
  if (!(temperature >= 0) || std::isinf(temperature)) refuse("the temperature must be 0 or more");
  if (top_k < 0) refuse("top-k must be 0 (off) or more");
  if (!(top_p > 0 && top_p <= 1)) refuse("top-p must be above 0 and at most 1");
  if (max_tokens < 1 || max_tokens > std::numeric_limits<std::uint32_t>::max()) {
    refuse("the number of new tokens must be from 1 to 4294967295");
  }
  if (num_sequences < 1) refuse("the number of sequences must be at least 1");
}

std::int32_t pick_token(std::span<const float> logits, const SamplingOptions& options,
                        std::uint64_t sequence, std::uint32_t position) {
  options.check();
  check_finite(logits);
  const bool greedy = options.temperature == 0;
  const auto limit = greedy ? 1 : static_cast<std::size_t>(options.top_k);
  auto candidates = first_candidates(logits, limit > 0 ? limit : logits.size());
  if (greedy) return candidates.front().id;

  const double largest = std::ranges::max_element(candidates, {}, &Candidate::logit)->logit;
  for (auto& candidate : candidates) {
    const double share = std::exp(-distance_of(candidate, largest, options.temperature));
    candidate.weight = static_cast<std::uint64_t>(share * kLargestWeight);
  }
  auto sum = sum_of_weights(candidates);
  if (options.top_p < 1) {
    const double share = std::ceil(options.top_p * static_cast<double>(sum));
    const auto needed = std::min(static_cast<std::uint64_t>(share), sum);  // rounding may exceed it
    const auto last = last_to_stay(candidates, largest, options.temperature, needed);
    std::erase_if(candidates, [&](const Candidate& c) { return ranks_before(last, c); });
    sum = sum_of_weights(candidates);
  }
  const auto bits = random_bits(options.seed, sequence, position);
  auto left = static_cast<std::uint64_t>(Wide{bits} * sum >> 64);
  auto chosen = candidates.begin();
  for (; chosen->weight <= left; ++chosen) left -= chosen->weight;
  return chosen->id;
}

std::vector<std::vector<std::int32_t>> generate(model::Gpt2& model,
                                                std::span<const std::int32_t> prompt,
                                                const SamplingOptions& options,
                                                const OnToken& on_token) {
  options.check();
  const auto& config = model.config();
  const auto end_of_text = static_cast<std::int32_t>(config.end_of_text);
  if (prompt.empty()) {
    if (config.end_of_text >= config.vocab_size) {
      throw formats::UsageError("the model has no end-of-text token to begin with; give a prompt");
    }
    prompt = {&end_of_text, 1};
  }
  const auto context = static_cast<std::size_t>(config.context);
  const auto start = prompt.last(std::min(prompt.size(), context));
  // The last token is never fed.
  const auto capacity = std::min(config.context, std::ssize(start) + options.max_tokens - 1);
  // One sequence at a time: products over several rows may round differently from those over one.
  model::Decoder decoder(model, 1, capacity);
  std::vector<std::vector<std::int32_t>> sequences;
  for (std::int64_t sequence = 0; sequence < options.num_sequences; ++sequence) {
    auto& made = sequences.emplace_back();
    std::vector<std::int32_t> fed(start.begin(), start.end());  // what the cache holds
    auto logits = decoder.prefill(fed);
    while (true) {
      const auto token = pick_token(logits, options, static_cast<std::uint64_t>(sequence),
                                    static_cast<std::uint32_t>(made.size()));
      if (options.stop_at_end_of_text && token == end_of_text) break;
      made.push_back(token);
      if (on_token) on_token(sequence, token);
      if (std::ssize(made) == options.max_tokens) break;
      fed.push_back(token);
      if (fed.size() <= context) {
        logits = decoder.step({&token, 1});
      } else {
        fed.erase(fed.begin(),
                  fed.end() - static_cast<std::ptrdiff_t>(std::max<std::size_t>(1, context / 2)));
        logits = decoder.prefill(fed);
      }
    }
  }
  return sequences;
}

}  // namespace gpt2::sample
