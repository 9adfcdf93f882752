// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/model/parameters.h"

#include <fmt/format.h>

#include <functional>
#include <numeric>

#include "formats/errors.h"

namespace gpt2::model {
namespace {

constexpr std::string_view kPrefix = "transformer.";
constexpr std::int64_t kAlignment = 16;  // elements: 64 bytes

}  // namespace

ParameterTable::ParameterTable(const Gpt2Config& config) {
  config.check();
  const auto C = config.channels, F = config.inner_channels();
  const auto add_padded = [this](std::string_view name, std::vector<std::int64_t> shape,
                                 std::int64_t stored_elements) {
    Parameter parameter;
    parameter.name = fmt::format("{}{}", kPrefix, name);
    parameter.element_count =
        std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
    parameter.shape = std::move(shape);
    parameter.offset = buffer_elements_;
    parameter_count_ += parameter.element_count;
    buffer_elements_ += (stored_elements + kAlignment - 1) / kAlignment * kAlignment;
    parameters_.push_back(std::move(parameter));
  };
  const auto add_vector = [&](std::string_view name, std::int64_t size) {
    add_padded(name, {size}, size);
  };
  const auto add_matrix = [&](std::string_view name, std::int64_t rows, std::int64_t columns) {
    add_padded(name, {rows, columns}, rows * columns);
  };
  add_padded("wte.weight", {config.vocab_size, C}, config.padded_vocab_size() * C);
  add_matrix("wpe.weight", config.context, C);
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    const auto h = fmt::format("h.{}.", layer);
    add_vector(h + "ln_1.weight", C);
    add_vector(h + "ln_1.bias", C);
    add_matrix(h + "attn.c_attn.weight", C, 3 * C);
    add_vector(h + "attn.c_attn.bias", 3 * C);
    add_matrix(h + "attn.c_proj.weight", C, C);
    add_vector(h + "attn.c_proj.bias", C);
    add_vector(h + "ln_2.weight", C);
    add_vector(h + "ln_2.bias", C);
    add_matrix(h + "mlp.c_fc.weight", C, F);
    add_vector(h + "mlp.c_fc.bias", F);
    add_matrix(h + "mlp.c_proj.weight", F, C);
    add_vector(h + "mlp.c_proj.bias", C);
  }
  add_vector("ln_f.weight", C);
  add_vector("ln_f.bias", C);
}

const Parameter* ParameterTable::find(std::string_view name) const {
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  for (const auto& parameter : parameters_) {
    if (std::string_view(parameter.name).substr(kPrefix.size()) == name) return &parameter;
  }
  return nullptr;
}

const Parameter& ParameterTable::at(std::string_view name) const {
  const auto* parameter = find(name);
  if (parameter == nullptr) {
    throw formats::UsageError(fmt::format("the model has no parameter named {}", name));
  }
  return *parameter;
}

}  // namespace gpt2::model
