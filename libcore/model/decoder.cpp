// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/model/decoder.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/errors.h"
#include "libcore/model/transformer.h"

namespace gpt2::model {
namespace {

using device::DataType;

/// A prompt is fed in pieces of about this many rows, which bounds the activations and fills the
/// products.
constexpr std::int64_t kRowsPerPiece = 512;

}  // namespace

struct Decoder::State {
  State(Gpt2& gpt2, std::int64_t sequence_count, std::int64_t position_capacity)
      : model(gpt2),
        device(gpt2.device()),
        config(gpt2.config()),
        parameters(view_tensors(gpt2.table(), config, gpt2.parameters())),
        sequences(sequence_count),
        capacity(position_capacity),
        arena(device, config),
        cache(device, 2 * static_cast<std::size_t>(config.layers * layer_elements()) * 4),
        last_rows(device, 2 * static_cast<std::size_t>(sequences * config.channels) * 4),
        device_logits(device, static_cast<std::size_t>(sequences * config.vocab_size) * 4),
        logits(static_cast<std::size_t>(sequences * config.vocab_size)) {}

  std::int64_t layer_elements() const { return sequences * capacity * config.channels; }
  /// Keys (0) or values (1) of one layer.
  TensorView cached(std::int64_t layer, std::int64_t which) const {
    return {cache.f32() + (2 * layer + which) * layer_elements(),
            DataType::kF32,
            {sequences, config.heads, capacity, config.head_size()}};
  }
  const Activations& feed(std::span<const std::int32_t> tokens);
  void project_last_rows(const Activations& a, std::int64_t count);

  Gpt2& model;
  device::Device& device;
  const Gpt2Config& config;
  ModelTensors parameters;
  std::int64_t sequences, capacity, position = 0;
  ActivationArena arena;
  device::DeviceBuffer cache;          // each layer's keys, then its values
  device::DeviceBuffer last_rows;      // (2, sequences, C): stream and branch of the last positions
  device::DeviceBuffer device_logits;  // (sequences, V)
  std::vector<float> logits;
};

/// Feeds (sequences, n) tokens that fit the cache through all layers.
const Activations& Decoder::State::feed(std::span<const std::int32_t> tokens) {
  const auto count = static_cast<std::int64_t>(tokens.size()) / sequences;
  const auto& a = arena.plan(sequences, count, false);
  device.copy_to_device(a.tokens.data, tokens.data(), tokens.size_bytes());
  forward_layers(model.kernels(), config, parameters, a, sequences, count, position, {},
                 [&](std::int64_t layer) {
                   const auto& block = a.layers[static_cast<std::size_t>(layer)];
                   model.kernels().attention_cached({.qkv = block.qkv,
                                                     .out = block.attention,
                                                     .key_cache = cached(layer, 0),
                                                     .value_cache = cached(layer, 1),
                                                     .B = sequences,
                                                     .new_positions = count,
                                                     .C = config.channels,
                                                     .H = config.heads,
                                                     .capacity = capacity,
                                                     .first_position = position});
                 });
  position += count;
  return a;
}

/// Logits of the last of `count` positions of every sequence.
void Decoder::State::project_last_rows(const Activations& a, std::int64_t count) {
  const auto C = config.channels;
  const auto row_bytes = static_cast<std::size_t>(C) * 4;
  const TensorView stream(last_rows.f32(), DataType::kF32, {sequences, C});
  const TensorView branch(last_rows.f32() + sequences * C, DataType::kF32, {sequences, C});
  for (std::int64_t sequence = 0; sequence < sequences; ++sequence) {
    const auto from = ((sequence + 1) * count - 1) * C;
    device.copy_on_device(stream.f32() + sequence * C, a.layers.back().residual_mid.f32() + from,
                          row_bytes);
    device.copy_on_device(branch.f32() + sequence * C, a.branch.f32() + from, row_bytes);
  }
  const TensorView y(a.ln_f.data, DataType::kF32, {sequences, C});
  model.kernels().residual_layernorm_forward(
      {.residual = stream,
       .branch = branch,
       .sum = stream,
       .weight = parameters.ln_f_weight,
       .bias = parameters.ln_f_bias,
       .y = y,
       .mean = TensorView(a.ln_f_mean.data, DataType::kF32, {sequences}),
       .rstd = TensorView(a.ln_f_rstd.data, DataType::kF32, {sequences}),
       .B = sequences,
       .T = 1,
       .C = C,
       .epsilon = config.layer_norm_epsilon});
  model.kernels().head_forward(
      {.x = y,
       .wte = parameters.wte,
       .logits = TensorView(device_logits.data(), DataType::kF32, {sequences, config.vocab_size}),
       .N = sequences,
       .C = C,
       .V = config.vocab_size});
  device.copy_to_host(logits.data(), device_logits.data(), device_logits.bytes());
}

Decoder::Decoder(Gpt2& model, std::int64_t sequences, std::int64_t capacity) {
  const auto context = model.config().context;
  if (sequences < 1) throw formats::UsageError("decoding needs at least one sequence");
  if (capacity < 0 || capacity > context) {
    throw formats::UsageError(
        fmt::format("the model's context of {} holds no {} positions", context, capacity));
  }
  state_ = std::make_unique<State>(model, sequences, capacity == 0 ? context : capacity);
}

Decoder::~Decoder() = default;

std::int64_t Decoder::position() const { return state_->position; }
std::int64_t Decoder::capacity() const { return state_->capacity; }

std::span<const float> Decoder::prefill(std::span<const std::int32_t> tokens) {
  auto& state = *state_;
  const auto length = static_cast<std::int64_t>(tokens.size()) / state.sequences;
  if (length < 1 || length > state.capacity ||
      tokens.size() != static_cast<std::size_t>(length * state.sequences)) {
    throw formats::UsageError(
        fmt::format("{} tokens are not {} prompts of equal length from 1 to {}", tokens.size(),
                    state.sequences, state.capacity));
  }
  check_tokens(tokens, state.config.vocab_size, false);
  state.position = 0;
  const auto longest_piece = std::max<std::int64_t>(1, kRowsPerPiece / state.sequences);
  std::vector<std::int32_t> piece;
  for (std::int64_t first = 0; first < length; first += longest_piece) {
    const auto count = std::min(longest_piece, length - first);
    piece.clear();
    for (std::int64_t sequence = 0; sequence < state.sequences; ++sequence) {
      const auto from = tokens.begin() + sequence * length + first;
      piece.insert(piece.end(), from, from + count);
    }
    const auto& a = state.feed(piece);
    if (first + count == length) state.project_last_rows(a, count);
  }
  return state.logits;
}

std::span<const float> Decoder::step(std::span<const std::int32_t> tokens) {
  auto& state = *state_;
  if (tokens.size() != static_cast<std::size_t>(state.sequences)) {
    throw formats::UsageError(fmt::format("a step takes one token for each of {} sequences, not {}",
                                          state.sequences, tokens.size()));
  }
  if (state.position >= state.capacity) {
    throw formats::UsageError(
        fmt::format("the cache is full: it holds {} positions", state.capacity));
  }
  check_tokens(tokens, state.config.vocab_size, false);
  state.project_last_rows(state.feed(tokens), 1);
  return state.logits;
}

}  // namespace gpt2::model
