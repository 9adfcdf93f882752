// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/model/gpt2_config.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <tuple>

#include "formats/errors.h"

namespace gpt2::model {
namespace {

struct NamedConfig {
  std::string_view name;
  std::int64_t layers, heads, channels;
};
constexpr std::array<NamedConfig, 4> kNamedConfigs{{{"gpt2", 12, 12, 768},
                                                    {"gpt2-medium", 24, 16, 1024},
                                                    {"gpt2-large", 36, 20, 1280},
                                                    {"gpt2-xl", 48, 25, 1600}}};

/// Far above every GPT-2 there is, and low enough that no size computed from them overflows 64
/// bits.
constexpr std::int64_t kMostTokens = 65536;  // a token is 16 bits wide in shards and streams
constexpr std::int64_t kMostPositions = 1 << 20;
constexpr std::int64_t kMostLayers = 4096;
constexpr std::int64_t kMostChannels = 1 << 16;
constexpr std::int64_t kMostInnerChannels = 1 << 20;

void check_range(std::string_view name, std::int64_t value, std::int64_t most) {
  if (value < 1 || value > most) {
    throw formats::UsageError(fmt::format("{} is {}; it must be from 1 to {}", name, value, most));
  }
}

}  // namespace

void Gpt2Config::check() const {
  check_range("the vocabulary size", vocab_size, kMostTokens);
  check_range("the context", context, kMostPositions);
  check_range("the number of layers", layers, kMostLayers);
  check_range("the number of channels", channels, kMostChannels);
  check_range("the number of heads", heads, channels);
  if (channels % heads != 0) {
    throw formats::UsageError(fmt::format(
        "{} channels cannot be shared out to {} heads; choose a multiple", channels, heads));
  }
  if (ffn_channels != 0)
    check_range("the number of ffn channels", ffn_channels, kMostInnerChannels);
  if (!std::isfinite(layer_norm_epsilon) || layer_norm_epsilon <= 0) {
    throw formats::UsageError(
        fmt::format("the layer norm epsilon is {}; it must be above 0", layer_norm_epsilon));
  }
}

bool Gpt2Config::operator==(const Gpt2Config& other) const {
  const auto key = [](const Gpt2Config& config) {
    return std::tuple(config.vocab_size, config.context, config.layers, config.heads,
                      config.channels, config.inner_channels(), config.layer_norm_epsilon,
                      config.end_of_text);
  };
  return key(*this) == key(other);
}

Gpt2Config named_config(std::string_view name) {
  for (const auto& named : kNamedConfigs) {
    if (named.name == name) {
      return {.layers = named.layers, .heads = named.heads, .channels = named.channels};
    }
  }
  throw formats::UsageError(fmt::format("there is no model named '{}'; the names are {}", name,
                                        fmt::join(config_names(), ", ")));
}

const std::vector<std::string>& config_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const auto& named : kNamedConfigs) all.emplace_back(named.name);
    return all;
  }();
  return names;
}

}  // namespace gpt2::model
