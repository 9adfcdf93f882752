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
  if (vocab_size < 0) refuse("the number of ids to draw from must be 0 (all) or more");
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

namespace {

using Tokens = std::vector<std::int32_t>;

/// As many at once as pays: their caches, which are read for each, take no more memory than the
/// weights, which are read once for all.
std::int64_t sequences_at_once(const model::Gpt2& model, std::int64_t capacity,
                               std::int64_t wanted) {
  const auto of_caches = model.compute_bytes() / model::Decoder::cache_bytes(model, capacity);
  const auto most = std::min(wanted, model::Decoder::kMostSequences);
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(of_caches), 1, most);
}

/// Continuations of one prompt, some at once.
class Generation {
 public:
  Generation(model::Gpt2& model, std::span<const std::int32_t> prompt,
             const SamplingOptions& options, const OnToken& on_token)
      : config_(model.config()),
        options_(options),
        on_token_(on_token),
        prompt_(prompt.begin(), prompt.end()),
        // The last token is never fed.
        capacity_(std::min(config_.context, std::ssize(prompt) + options.max_tokens - 1)),
        at_once_(sequences_at_once(model, capacity_, options.num_sequences)),
        decoder_(model, at_once_, capacity_),
        made_(static_cast<std::size_t>(options.num_sequences)),
        complete_(made_.size()) {
    const auto V = config_.vocab_size;
    drawable_ =
        static_cast<std::size_t>(options.vocab_size > 0 ? std::min(options.vocab_size, V) : V);
  }

  std::vector<Tokens> run() {
    const auto logits = decoder_.prefill(prompt_);
    const std::vector<float> after_prompt(logits.begin(), logits.end());
    for (std::int64_t first = 0; first < options_.num_sequences; first += at_once_) {
      begin(first, std::min(at_once_, options_.num_sequences - first));
      logits_ = after_prompt;
      for (draw(); !growing_.empty(); draw()) feed();
    }
    return std::move(made_);
  }

 private:
  struct Growing {
    std::size_t number;
    Tokens seen;  // what the cache holds
  };

  void begin(std::int64_t first, std::int64_t count) {
    if (moved_) decoder_.prefill(prompt_);
    moved_ = false;
    decoder_.fork(count, std::ssize(prompt_));
    for (auto number = first; number < first + count; ++number) {
      growing_.push_back({static_cast<std::size_t>(number), prompt_});
    }
  }
  /// One token for each sequence; those that it ends leave.
  void draw() {
    drawn_.clear();
    const auto V = static_cast<std::size_t>(config_.vocab_size);
    for (std::size_t i = 0; i < growing_.size(); ++i) {
      const auto number = growing_[i].number;
      // Of the prompt there is one row for all.
      const auto row = logits_.size() == V ? logits_ : logits_.subspan(i * V, V);
      drawn_.push_back(pick_token(row.first(drawable_), options_, number,
                                  static_cast<std::uint32_t>(made_[number].size())));
    }
    for (auto i = growing_.size(); i-- > 0;) {
      auto& made = made_[growing_[i].number];
      const bool end = options_.stop_at_end_of_text &&
                       drawn_[i] == static_cast<std::int32_t>(config_.end_of_text);
      if (!end) made.push_back(drawn_[i]);
      if (!end && std::ssize(made) < options_.max_tokens) continue;
      complete_[growing_[i].number] = true;
      decoder_.leave(static_cast<std::int64_t>(i));
      std::swap(growing_[i], growing_.back());
      growing_.pop_back();
      drawn_[i] = drawn_.back();
      drawn_.pop_back();
    }
    tell();
  }
  void feed() {
    for (std::size_t i = 0; i < growing_.size(); ++i) growing_[i].seen.push_back(drawn_[i]);
    if (std::ssize(growing_.front().seen) <= config_.context) {
      logits_ = decoder_.step(drawn_);
      return;
    }
    const auto kept = std::max<std::ptrdiff_t>(1, config_.context / 2);
    Tokens newer_halves;
    for (auto& [number, seen] : growing_) {
      seen.erase(seen.begin(), seen.end() - kept);
      newer_halves.insert(newer_halves.end(), seen.begin(), seen.end());
    }
    logits_ = decoder_.prefill(newer_halves, std::ssize(growing_));
    moved_ = true;
  }
  /// All tokens whose turn it is.
  void tell() {
    if (!on_token_) return;
    for (; told_sequences_ < made_.size(); ++told_sequences_, told_tokens_ = 0) {
      const auto& made = made_[told_sequences_];
      for (; told_tokens_ < made.size(); ++told_tokens_) {
        on_token_(static_cast<std::int64_t>(told_sequences_), made[told_tokens_]);
      }
      if (!complete_[told_sequences_]) return;
    }
  }

  const model::Gpt2Config& config_;
  const SamplingOptions& options_;
  const OnToken& on_token_;
  const Tokens prompt_;
  const std::int64_t capacity_, at_once_;
  model::Decoder decoder_;
  std::size_t drawable_ = 0;  // ids that may be drawn
  bool moved_ = false;        // the caches no longer begin with the prompt
  std::vector<Growing> growing_;
  std::span<const float> logits_;  // (sequences that grow, V), or (V)
  Tokens drawn_;
  std::vector<Tokens> made_;
  std::vector<bool> complete_;
  std::size_t told_sequences_ = 0, told_tokens_ = 0;
};

}  // namespace

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
  return Generation(model, prompt.last(std::min(prompt.size(), context)), options, on_token).run();
}

}  // namespace gpt2::sample
