// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Rows of all sequences lie packed, one after the other: row-wise operations run on all of them at
// once, and attention on one segment after the other.
// Shapes: N rows of a pass, M of them scored, C channels, H heads, D = C / H, V vocabulary.
#include "libcore/model/sequence_scorer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "formats/errors.h"
#include "libcore/model/transformer.h"

namespace gpt2::model {
namespace {

using device::DataType;
using device::DeviceBuffer;

/// Rows whose logits are brought to the host at once: 13 MB of 50,257 tokens.
constexpr std::int64_t kLogitRows = 64;

/// Consecutive positions of one sequence, in consecutive rows.
struct Segment {
  std::int64_t first_row, row_count, first_position;
};

/// A row whose token after it is scored.
struct ScoredRow {
  std::int64_t row;
  std::int32_t target;
};

/// What one pass runs: its rows, who sees whom, and what is scored.
struct Pass {
  std::vector<std::int32_t> tokens;  // of each row
  std::vector<Segment> segments;     // each sees itself; one that begins later sees the last that
                                     // began at position 0, too
  std::vector<ScoredRow> scored;     // of all sequences, in their order

  std::int64_t add_segment(std::span<const std::int32_t> part, std::int64_t first_position) {
    const auto first_row = std::ssize(tokens);
    if (part.empty()) return first_row;
    tokens.insert(tokens.end(), part.begin(), part.end());
    segments.push_back({first_row, std::ssize(part), first_position});
    return first_row;
  }
  void add_set(std::span<const ScoredSequence> set);
};

/// The tokens of a sequence that are run: the last one has none after it to predict.
std::span<const std::int32_t> inputs_of(const ScoredSequence& sequence) {
  return std::span(sequence.tokens).first(sequence.tokens.size() - 1);
}

std::int64_t common_length(std::span<const ScoredSequence> set) {
  const auto first = inputs_of(set.front());
  auto length = std::ssize(first);
  for (const auto& sequence : set.subspan(1)) {
    const auto inputs = inputs_of(sequence);
    const auto [end, _] =
        std::mismatch(first.begin(), first.begin() + length, inputs.begin(), inputs.end());
    length = end - first.begin();
  }
  return length;
}

void Pass::add_set(std::span<const ScoredSequence> set) {
  const auto common = common_length(set);
  const auto common_row =
      add_segment(inputs_of(set.front()).first(static_cast<std::size_t>(common)), 0);
  for (const auto& sequence : set) {
    const auto own_row =
        add_segment(inputs_of(sequence).subspan(static_cast<std::size_t>(common)), common);
    const auto length = std::ssize(sequence.tokens);
    for (auto place = length - sequence.scored_count; place < length; ++place) {
      const auto before = place - 1;
      scored.push_back({before < common ? common_row + before : own_row + before - common,
                        sequence.tokens[static_cast<std::size_t>(place)]});
    }
  }
}

void check_sequence(const ScoredSequence& sequence, const Gpt2Config& config) {
  const auto length = std::ssize(sequence.tokens);
  if (sequence.scored_count < 1 || sequence.scored_count >= length || length > config.context + 1) {
    throw formats::UsageError(fmt::format(
        "{} of {} tokens cannot be scored: it takes 1 or more with one before them, and at most {} "
        "in all",
        sequence.scored_count, length, config.context + 1));
  }
  check_tokens(sequence.tokens, config.vocab_size, false);
}

struct RowScore {
  double loss;
  bool greedy;
};

/// -log softmax(logits)[target] in double, and whether no other logit is larger.
RowScore score_row(std::span<const float> logits, std::int32_t target) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit} - double{largest});
  const float of_target = logits[static_cast<std::size_t>(target)];
  return {std::log(sum) - (double{of_target} - double{largest}), of_target == largest};
}

/// Makes `buffer` hold at least `bytes`; what it held is lost.
void grow(DeviceBuffer& buffer, device::Device& device, std::size_t bytes) {
  if (buffer.bytes() >= bytes) return;
  buffer = {};  // first, so that old and new memory are never held together
  buffer = DeviceBuffer(device, bytes);
}

}  // namespace

struct SequenceScorer::State {
  explicit State(Gpt2& gpt2)
      : model(gpt2),
        device(gpt2.device()),
        kernels(gpt2.kernels()),
        config(gpt2.config()),
        parameters(view_parameters(gpt2)),
        arena(device, config, kernels.compute_type()),
        cache(device, static_cast<std::size_t>(2 * config.context * config.channels) *
                          bytes_of(kernels.compute_type())) {}

  const Activations& run(const Pass& pass);
  TensorView first_position(std::size_t segment) const {
    return {first_positions.i32() + segment, DataType::kI32, {1}};
  }
  void attend(const Pass& pass, const LayerActivations& block);
  TensorView gather(const Activations& a, const Pass& pass);
  std::vector<RowScore> losses(TensorView x, const Pass& pass);
  std::vector<RowScore> losses_by_logits(TensorView x, const Pass& pass);

  Gpt2& model;
  device::Device& device;
  kernels::Kernels& kernels;
  const Gpt2Config& config;
  ModelTensors parameters;
  ActivationArena arena;
  DeviceBuffer cache;            // keys, then values, of the segments at hand: (H, context, D) each
  DeviceBuffer first_positions;  // of each segment, i32
  DeviceBuffer rows;             // (M, C): what the head reads
  DeviceBuffer scored;           // (M) targets and (M) losses, or (kLogitRows, V) logits
};

/// Runs all layers and the last layernorm on the rows of the pass.
const Activations& SequenceScorer::State::run(const Pass& pass) {
  const auto N = std::ssize(pass.tokens), C = config.channels;
  const auto& a = arena.plan(1, N, false);
  device.copy_to_device(a.tokens.data, pass.tokens.data(), pass.tokens.size() * 4);
  std::vector<std::int32_t> positions;
  for (const auto& segment : pass.segments) {
    positions.push_back(static_cast<std::int32_t>(segment.first_position));
  }
  grow(first_positions, device, positions.size() * 4);
  device.copy_to_device(first_positions.data(), positions.data(), positions.size() * 4);
  for (std::size_t i = 0; i < pass.segments.size(); ++i) {
    const auto& segment = pass.segments[i];
    kernels.embedding_forward(
        {.tokens =
             TensorView(a.tokens.i32() + segment.first_row, DataType::kI32, {1, segment.row_count}),
         .wte = parameters.wte,
         .wpe = parameters.wpe,
         .x = a.layers.front().residual.part(segment.first_row * C, {1, segment.row_count, C}),
         .B = 1,
         .T = segment.row_count,
         .C = C,
         .first_position = first_position(i)});
  }
  forward_layers(kernels, config, parameters, a, 1, N, {}, [&](std::int64_t layer) {
    attend(pass, a.layers[static_cast<std::size_t>(layer)]);
  });
  last_layernorm(kernels, config, parameters, a, 1, N, {});
  return a;
}

/// A segment that begins at position 0 fills the cache from there; those that follow it, its
/// continuations, each overwrite what the one before put behind it.
void SequenceScorer::State::attend(const Pass& pass, const LayerActivations& block) {
  const auto C = config.channels, H = config.heads, D = config.head_size();
  const TensorView keys(cache.data(), kernels.compute_type(), {1, H, config.context, D});
  const auto values = keys.part(config.context * C, {1, H, config.context, D});
  for (std::size_t i = 0; i < pass.segments.size(); ++i) {
    const auto& [first_row, row_count, _] = pass.segments[i];
    kernels.attention_cached({.qkv = block.qkv.part(first_row * 3 * C, {1, row_count, 3 * C}),
                              .out = block.attention.part(first_row * C, {1, row_count, C}),
                              .key_cache = keys,
                              .value_cache = values,
                              .first_position = first_position(i),
                              .B = 1,
                              .new_positions = row_count,
                              .C = C,
                              .H = H,
                              .capacity = config.context});
  }
}

/// The scored rows side by side, (M, C).
TensorView SequenceScorer::State::gather(const Activations& a, const Pass& pass) {
  const auto M = std::ssize(pass.scored), C = config.channels;
  const auto row_bytes = static_cast<std::size_t>(C) * bytes_of(a.ln_f.type);
  grow(rows, device, static_cast<std::size_t>(M) * row_bytes);
  const TensorView gathered(rows.data(), a.ln_f.type, {M, C});
  for (std::int64_t first = 0; first < M;) {
    const auto from = pass.scored[static_cast<std::size_t>(first)].row;
    auto end = first + 1;
    while (end < M && pass.scored[static_cast<std::size_t>(end)].row == from + end - first) ++end;
    const auto run = gathered.part(first * C, {end - first, C});
    device.copy_on_device(run.data, a.ln_f.part(from * C, {end - first, C}).data, run.bytes());
    first = end;
  }
  return gathered;
}

std::vector<RowScore> SequenceScorer::State::losses(TensorView x, const Pass& pass) {
  const auto M = std::ssize(pass.scored);
  grow(scored, device, static_cast<std::size_t>(2 * M) * 4);
  const TensorView targets(scored.data(), DataType::kI32, {M});
  const TensorView losses(scored.f32() + M, DataType::kF32, {M});
  std::vector<std::int32_t> host_targets;
  for (const auto& [row, target] : pass.scored) host_targets.push_back(target);
  device.copy_to_device(targets.data, host_targets.data(), targets.bytes());
  kernels.classifier_forward({.x = x,
                              .wte = parameters.wte,
                              .targets = targets,
                              .losses = losses,
                              .N = M,
                              .C = config.channels,
                              .V = config.vocab_size});
  std::vector<float> host_losses(pass.scored.size());
  device.copy_to_host(host_losses.data(), losses.data, losses.bytes());
  std::vector<RowScore> scores;
  for (const float loss : host_losses) scores.push_back({double{loss}, false});
  return scores;
}

std::vector<RowScore> SequenceScorer::State::losses_by_logits(TensorView x, const Pass& pass) {
  const auto M = std::ssize(pass.scored), C = config.channels, V = config.vocab_size;
  grow(scored, device, static_cast<std::size_t>(kLogitRows * V) * 4);
  std::vector<float> logits(static_cast<std::size_t>(std::min(M, kLogitRows) * V));
  std::vector<RowScore> scores;
  for (std::int64_t first = 0; first < M; first += kLogitRows) {
    const auto count = std::min(kLogitRows, M - first);
    const TensorView of_rows(scored.data(), DataType::kF32, {count, V});
    kernels.head_forward({.x = x.part(first * C, {count, C}),
                          .wte = parameters.wte,
                          .logits = of_rows,
                          .N = count,
                          .C = C,
                          .V = V});
    device.copy_to_host(logits.data(), of_rows.data, of_rows.bytes());
    for (std::int64_t i = 0; i < count; ++i) {
      scores.push_back(score_row(
          std::span(logits).subspan(static_cast<std::size_t>(i * V), static_cast<std::size_t>(V)),
          pass.scored[static_cast<std::size_t>(first + i)].target));
    }
  }
  return scores;
}

SequenceScorer::SequenceScorer(Gpt2& model) : state_(std::make_unique<State>(model)) {}
SequenceScorer::~SequenceScorer() = default;

std::size_t SequenceScorer::memory_bytes(const Gpt2Config& config, DataType type,
                                         std::int64_t positions) {
  const auto cache_and_rows =
      static_cast<std::size_t>((2 * config.context + positions) * config.channels) * bytes_of(type);
  return activation_bytes(config, type, 1, positions, false) + cache_and_rows +
         static_cast<std::size_t>(3 * positions) * 4;
}

std::int64_t SequenceScorer::position_count(std::span<const ScoredSequence> set) {
  if (set.empty()) return 0;
  const auto common = common_length(set);
  auto count = common;
  for (const auto& sequence : set) count += std::ssize(sequence.tokens) - 1 - common;
  return count;
}

std::vector<SequenceScore> SequenceScorer::score(std::span<const SequenceSet> sets,
                                                 bool wants_greedy) {
  Pass pass;
  for (const auto& set : sets) {
    for (const auto& sequence : set) check_sequence(sequence, state_->config);
    if (!set.empty()) pass.add_set(set);
  }
  if (pass.scored.empty()) return {};
  const auto x = state_->gather(state_->run(pass), pass);
  const auto rows = wants_greedy ? state_->losses_by_logits(x, pass) : state_->losses(x, pass);

  std::vector<SequenceScore> scores;
  auto row = rows.begin();
  for (const auto& set : sets) {
    for (const auto& sequence : set) {
      SequenceScore score{.greedy = true};
      for (std::int64_t i = 0; i < sequence.scored_count; ++i, ++row) {
        score.log_probability -= row->loss;
        score.greedy = score.greedy && row->greedy;
        score.last_greedy = row->greedy;
      }
      scores.push_back(score);
    }
  }
  return scores;
}

}  // namespace gpt2::model
