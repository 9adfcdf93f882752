// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/model/decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "formats/errors.h"
#include "libcore/model/transformer.h"

namespace gpt2::model {
namespace {

using device::DataType;

/// A prompt is fed in pieces of so many rows, which bounds the activations and fills the products.
constexpr std::int64_t kRowsOfPiece = 512;

}  // namespace

struct Decoder::State {
  State(Gpt2& gpt2, std::int64_t most, std::int64_t position_capacity)
      : model(gpt2),
        device(gpt2.device()),
        config(gpt2.config()),
        parameters(view_parameters(gpt2)),
        most_sequences(most),
        capacity(position_capacity),
        arena(device, config, gpt2.kernels().compute_type()),
        cache(device, static_cast<std::size_t>(most) * cache_bytes(gpt2, capacity)),
        device_position(device, sizeof(std::int32_t)),
        device_logits(device, static_cast<std::size_t>(most * config.vocab_size) * 4),
        logits(static_cast<std::size_t>(most * config.vocab_size)) {}

  std::int64_t sequence_elements() const { return capacity * config.channels; }
  TensorView whole_cache() const {
    return {cache.data(),
            model.kernels().compute_type(),
            {2 * config.layers, most_sequences, sequence_elements()}};
  }
  /// Keys (0) or values (1) of one layer, of `count` sequences from `first` on.
  TensorView cached(std::int64_t layer, std::int64_t which, std::int64_t first,
                    std::int64_t count) const {
    const auto before = (2 * layer + which) * most_sequences + first;
    return whole_cache().part(before * sequence_elements(),
                              {count, config.heads, capacity, config.head_size()});
  }
  void copy_sequence(std::int64_t from, std::int64_t to, std::int64_t positions);
  void upload(std::span<const std::int32_t> tokens, std::int64_t count);
  void queue(std::int64_t first, std::int64_t count, std::int64_t length, bool wants_logits);
  void download_logits(std::int64_t first, std::int64_t count);

  Gpt2& model;
  device::Device& device;
  const Gpt2Config& config;
  ModelTensors parameters;
  std::int64_t most_sequences, capacity;
  std::int64_t sequences = 0, position = 0;
  ActivationArena arena;
  device::DeviceBuffer cache;            // of each layer the keys of all sequences, then the values
  device::DeviceBuffer device_position;  // (1) i32
  device::DeviceBuffer device_logits;    // (sequences, V)
  std::vector<float> logits;
  // Of one token of each of so many sequences, from the first on. A step of a small model is as
  // long as it takes to launch its kernels.
  std::array<std::unique_ptr<device::RecordedWork>, kMostSequences + 1> steps;
};

/// (count, n) tokens, which fit the cache, and their first position.
void Decoder::State::upload(std::span<const std::int32_t> tokens, std::int64_t count) {
  const auto& a = arena.plan(count, std::ssize(tokens) / count, false);
  device.queue_to_device(a.tokens.data, tokens.data(), tokens.size_bytes());
  const auto first_position = static_cast<std::int32_t>(position);
  device.queue_to_device(device_position.data(), &first_position, sizeof first_position);
}

/// Feeds what was uploaded, `length` tokens of each of the `count` sequences from `first` on,
/// through all layers; `wants_logits` of the last position: into the rows of these sequences.
void Decoder::State::queue(std::int64_t first, std::int64_t count, std::int64_t length,
                           bool wants_logits) {
  const auto C = config.channels, V = config.vocab_size;
  const auto& a = arena.plan(count, length, false);
  const TensorView first_position(device_position.data(), DataType::kI32, {1});
  embed_tokens(model.kernels(), config, parameters, a, count, length, first_position, {});
  forward_layers(model.kernels(), config, parameters, a, count, length, {},
                 [&](std::int64_t layer) {
                   const auto& block = a.layers[static_cast<std::size_t>(layer)];
                   model.kernels().attention_cached({.qkv = block.qkv,
                                                     .out = block.attention,
                                                     .key_cache = cached(layer, 0, first, count),
                                                     .value_cache = cached(layer, 1, first, count),
                                                     .first_position = first_position,
                                                     .B = count,
                                                     .new_positions = length,
                                                     .C = C,
                                                     .H = config.heads,
                                                     .capacity = capacity});
                 });
  if (!wants_logits) return;
  // The last `count` rows: of one sequence the last position, of several the only one.
  const auto before = (count * length - count) * C;
  const auto stream = a.layers.back().residual_mid.part(before, {count, C});
  const auto y = a.ln_f.part(0, {count, C});
  model.kernels().residual_layernorm_forward({.residual = stream,
                                              .branch = a.branch.part(before, {count, C}),
                                              .sum = stream,
                                              .weight = parameters.ln_f_weight,
                                              .bias = parameters.ln_f_bias,
                                              .y = y,
                                              .mean = a.ln_f_mean.part(0, {count}),
                                              .rstd = a.ln_f_rstd.part(0, {count}),
                                              .B = count,
                                              .T = 1,
                                              .C = C,
                                              .epsilon = config.layer_norm_epsilon});
  const TensorView rows(device_logits.f32() + first * V, DataType::kF32, {count, V});
  model.kernels().head_forward(
      {.x = y, .wte = parameters.wte, .logits = rows, .N = count, .C = C, .V = V});
}

void Decoder::State::download_logits(std::int64_t first, std::int64_t count) {
  const auto before = first * config.vocab_size;
  device.queue_to_host(logits.data() + before, device_logits.f32() + before,
                       static_cast<std::size_t>(count * config.vocab_size) * sizeof(float));
  device.synchronize();
}

/// The first `positions` positions of a sequence, in every layer and head.
void Decoder::State::copy_sequence(std::int64_t from, std::int64_t to, std::int64_t positions) {
  const auto D = config.head_size();
  for (std::int64_t part = 0; part < 2 * config.layers; ++part) {
    for (std::int64_t head = 0; head < config.heads; ++head) {
      const auto of_head = [&](std::int64_t sequence) {
        const auto before = part * most_sequences + sequence;
        return whole_cache().part(before * sequence_elements() + head * capacity * D,
                                  {positions, D});
      };
      device.copy_on_device(of_head(to).data, of_head(from).data, of_head(to).bytes());
    }
  }
}

namespace {

std::size_t bytes_of_caches(const Gpt2Config& config, DataType type, std::int64_t capacity) {
  return static_cast<std::size_t>(2 * config.layers * capacity * config.channels) * bytes_of(type);
}

}  // namespace

std::size_t Decoder::cache_bytes(const Gpt2& model, std::int64_t capacity) {
  return bytes_of_caches(model.config(), model.kernels().compute_type(), capacity);
}

std::size_t Decoder::memory_bytes(const Gpt2Config& config, DataType type) {
  return activation_bytes(config, type, 1, std::min(kRowsOfPiece, config.context), false) +
         bytes_of_caches(config, type, config.context) +
         static_cast<std::size_t>(config.vocab_size) * 4;
}

Decoder::Decoder(Gpt2& model, std::int64_t most_sequences, std::int64_t capacity) {
  const auto context = model.config().context;
  if (most_sequences < 1 || most_sequences > kMostSequences) {
    throw formats::UsageError(fmt::format("decoding takes 1 to {} sequences at once, not {}",
                                          kMostSequences, most_sequences));
  }
  if (capacity < 0 || capacity > context) {
    throw formats::UsageError(
        fmt::format("the model's context of {} holds no {} positions", context, capacity));
  }
  state_ = std::make_unique<State>(model, most_sequences, capacity == 0 ? context : capacity);
}

Decoder::~Decoder() = default;

std::int64_t Decoder::sequences() const { return state_->sequences; }
std::int64_t Decoder::position() const { return state_->position; }
std::int64_t Decoder::capacity() const { return state_->capacity; }

std::span<const float> Decoder::prefill(std::span<const std::int32_t> tokens,
                                        std::int64_t sequences) {
  auto& state = *state_;
  if (sequences < 1 || sequences > state.most_sequences) {
    throw formats::UsageError(fmt::format("the caches are made for 1 to {} sequences, not {}",
                                          state.most_sequences, sequences));
  }
  const auto length = std::ssize(tokens) / sequences;
  if (length < 1 || length > state.capacity || std::ssize(tokens) != length * sequences) {
    throw formats::UsageError(
        fmt::format("{} tokens are not {} prompts of equal length from 1 to {}", tokens.size(),
                    sequences, state.capacity));
  }
  check_tokens(tokens, state.config.vocab_size, false);
  for (std::int64_t sequence = 0; sequence < sequences; ++sequence) {
    const auto prompt = tokens.subspan(static_cast<std::size_t>(sequence * length),
                                       static_cast<std::size_t>(length));
    for (state.position = 0; state.position < length;) {
      const auto count = std::min(kRowsOfPiece, length - state.position);
      const bool is_last = state.position + count == length;
      state.upload(
          prompt.subspan(static_cast<std::size_t>(state.position), static_cast<std::size_t>(count)),
          1);
      state.queue(sequence, 1, count, is_last);
      if (is_last) state.download_logits(sequence, 1);
      state.position += count;
    }
  }
  state.sequences = sequences;
  return std::span(state.logits)
      .first(static_cast<std::size_t>(sequences * state.config.vocab_size));
}

std::span<const float> Decoder::step(std::span<const std::int32_t> tokens) {
  auto& state = *state_;
  if (tokens.empty() || std::ssize(tokens) != state.sequences) {
    throw formats::UsageError(fmt::format("a step takes one token for each of {} sequences, not {}",
                                          state.sequences, tokens.size()));
  }
  if (state.position >= state.capacity) {
    throw formats::UsageError(
        fmt::format("the cache is full: it holds {} positions", state.capacity));
  }
  check_tokens(tokens, state.config.vocab_size, false);
  state.upload(tokens, state.sequences);
  auto& recorded = state.steps[static_cast<std::size_t>(state.sequences)];
  if (recorded == nullptr) recorded = state.model.kernels().record();
  recorded->run([&] { state.queue(0, state.sequences, 1, true); });
  state.download_logits(0, state.sequences);
  ++state.position;
  return std::span(state.logits)
      .first(static_cast<std::size_t>(state.sequences * state.config.vocab_size));
}

void Decoder::fork(std::int64_t sequences, std::int64_t position) {
  auto& state = *state_;
  if (state.sequences < 1 || sequences < 1 || sequences > state.most_sequences || position < 1 ||
      position > state.position) {
    throw formats::UsageError(
        fmt::format("{} positions of sequence 0 cannot become {} sequences: there are {} of {} "
                    "positions, and place for {}",
                    position, sequences, state.sequences, state.position, state.most_sequences));
  }
  for (std::int64_t to = 1; to < sequences; ++to) state.copy_sequence(0, to, position);
  state.sequences = sequences;
  state.position = position;
}

void Decoder::leave(std::int64_t sequence) {
  auto& state = *state_;
  if (sequence < 0 || sequence >= state.sequences) {
    throw formats::UsageError(
        fmt::format("sequence {} is not one of {}", sequence, state.sequences));
  }
  --state.sequences;
  if (sequence != state.sequences) {
    state.copy_sequence(state.sequences, sequence, state.position);
  }
}

}  // namespace gpt2::model
