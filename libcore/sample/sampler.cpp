// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/sample/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>

#include "formats/errors.h"
#include "libcore/kernels/philox.h"
#include "libcore/model/decoder.h"

namespace gpt2::sample {

namespace {

/// A logit and its id in one number: ascending numbers are descending logits, then ascending ids.
std::uint64_t rank_key(float logit, std::size_t id) {
  constexpr std::uint32_t kSign = 0x80000000;
  const auto bits = std::bit_cast<std::uint32_t>(logit + 0.0F);  // -0 becomes +0: they are equal
  const std::uint32_t ascending = (bits & kSign) != 0 ? ~bits : bits | kSign;
  return std::uint64_t{~ascending} << 32 | id;
}
std::size_t id_of(std::uint64_t key) { return key & 0xFFFFFFFF; }

/// The `count` best ids of `logits`, best first.
std::vector<std::uint64_t> best_candidates(std::span<const float> logits, std::size_t count) {
  std::vector<std::uint64_t> keys(logits.size());
  for (std::size_t id = 0; id < logits.size(); ++id) {
    if (!std::isfinite(logits[id])) {
      throw formats::InputError(
          fmt::format("the model gives {} as the logit of token {}; its weights are damaged or it "
                      "diverged in training",
                      logits[id], id));
    }
    keys[id] = rank_key(logits[id], id);
  }
  if (count < keys.size()) {
    std::nth_element(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(count), keys.end());
    keys.resize(count);
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

double uniform(std::uint32_t seed, std::uint64_t sequence, std::uint32_t position) {
  const auto words =
      kernels::random_quad(seed, kernels::RandomPurpose::kSampling, sequence, 0, position);
  return static_cast<double>((std::uint64_t{words[0]} << 32 | words[1]) >> 11) * 0x1p-53;
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
  const bool greedy = options.temperature == 0;
  std::size_t limit = logits.size();
  if (greedy) {
    limit = 1;
  } else if (options.top_k > 0) {
    limit = std::min(limit, static_cast<std::size_t>(options.top_k));
  }
  const auto candidates = best_candidates(logits, limit);
  if (greedy) return static_cast<std::int32_t>(id_of(candidates.front()));

  // sums[i]: the weights of candidates 0 to i
  std::vector<double> sums(candidates.size());
  const double largest = logits[id_of(candidates.front())];
  double sum = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    sum += std::exp((logits[id_of(candidates[i])] - largest) / options.temperature);
    sums[i] = sum;
  }
  const auto last = std::ranges::lower_bound(sums, options.top_p * sum);
  const double point = uniform(options.seed, sequence, position) * *last;
  const auto chosen = std::upper_bound(sums.begin(), last, point) - sums.begin();
  return static_cast<std::int32_t>(id_of(candidates[static_cast<std::size_t>(chosen)]));
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
