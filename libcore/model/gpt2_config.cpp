// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/model/gpt2_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <tuple>

#include "formats/errors.h"
#include "formats/input_file.h"
#include "formats/json_reading.h"
#include "formats/json_text.h"
#include "formats/llmc.h"
#include "formats/torch_checkpoint.h"

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

/// The version of transformers whose files these are; newer and older ones read them without a
/// word.
constexpr const char* kTransformersVersion = "4.57.1";

void check_range(std::string_view name, std::int64_t value, std::int64_t most) {
  if (value < 1 || value > most) {
    throw formats::UsageError(fmt::format("{} is {}; it must be from 1 to {}", name, value, most));
  }
}

/// Throws: InputError naming `path` for a shape that cannot be.
void check_read(const Gpt2Config& config, const std::string& path) {
  try {
    config.check();
  } catch (const formats::UsageError& error) {
    throw formats::InputError(fmt::format("{}: {}", path, error.what()));
  }
}

Gpt2Config load_llmc_config(const std::filesystem::path& path) {
  const auto header = formats::LlmcModelReader(path).header();
  const Gpt2Config config{.vocab_size = header.vocab_size,
                          .context = header.context,
                          .layers = header.layers,
                          .heads = header.heads,
                          .channels = header.channels,
                          .end_of_text = header.vocab_size - 1};
  check_read(config, path.string());
  return config;
}

/// The sizes of a file of torch.save are those of its tensors.
Gpt2Config load_torch_config(const std::filesystem::path& path) {
  const formats::TorchCheckpoint checkpoint(path);
  const auto find = [&](std::string_view name) -> const formats::TorchTensor& {
    for (const auto& tensor : checkpoint.tensors()) {
      if (tensor.name.ends_with(name) && tensor.shape.size() == 2) return tensor;
    }
    throw formats::InputError(
        fmt::format("{}: is no GPT-2: it has no matrix {}", path.string(), name));
  };
  Gpt2Config config;
  config.vocab_size = find("wte.weight").shape[0];
  config.channels = find("wte.weight").shape[1];
  config.context = find("wpe.weight").shape[0];
  config.layers = std::count_if(
      checkpoint.tensors().begin(), checkpoint.tensors().end(),
      [](const auto& tensor) { return std::string_view(tensor.name).ends_with(".ln_1.weight"); });
  const auto& fc = find("h.0.mlp.c_fc.weight").shape;  // [in, out], or [out, in] in nn.Linear
  config.ffn_channels = fc[0] == config.channels ? fc[1] : fc[0];
  const auto heads = checkpoint.setting("n_head");
  if (!heads) {
    throw formats::InputError(fmt::format(
        "{}: does not say how many heads the model has (n_head in its 'model_args' or 'config'); "
        "put it into a folder as pytorch_model.bin, with {}",
        path.string(), kConfigName));
  }
  config.heads = *heads;
  config.end_of_text =
      std::min(config.end_of_text, static_cast<std::uint32_t>(config.vocab_size - 1));
  check_read(config, path.string());
  return config;
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

std::string encode_config(const Gpt2Config& config, std::string_view dtype) {
  formats::JsonWriter json(2);
  json.begin_object();
  json.key("architectures").begin_array().value("GPT2LMHeadModel").end_array();
  json.key("model_type").value("gpt2");
  json.key("activation_function").value("gelu_new");
  json.key("vocab_size").value(config.vocab_size);
  json.key("n_positions").value(config.context);
  json.key("n_ctx").value(config.context);
  json.key("n_embd").value(config.channels);
  json.key("n_layer").value(config.layers);
  json.key("n_head").value(config.heads);
  json.key("n_inner");
  if (config.inner_channels() == 4 * config.channels) {
    json.null();
  } else {
    json.value(config.inner_channels());
  }
  json.key("resid_pdrop").value(0.0);
  json.key("embd_pdrop").value(0.0);
  json.key("attn_pdrop").value(0.0);
  // As the shortest decimal of a float, so that 1e-5 does not read 9.99999974e-06.
  json.key("layer_norm_epsilon").raw(fmt::format("{}", config.layer_norm_epsilon));
  json.key("initializer_range").value(0.02);
  json.key("bos_token_id").value(config.end_of_text);
  json.key("eos_token_id").value(config.end_of_text);
  json.key("tie_word_embeddings").value(true);
  json.key("use_cache").value(true);
  json.key("dtype").value(dtype);        // read by transformers from 4.56 on
  json.key("torch_dtype").value(dtype);  // read by older ones
  json.key("transformers_version").value(kTransformersVersion);
  json.end_object();
  return json.text() + "\n";
}

std::string encode_generation_config(const Gpt2Config& config) {
  formats::JsonWriter json(2);
  json.begin_object();
  json.key("bos_token_id").value(config.end_of_text);
  json.key("eos_token_id").value(config.end_of_text);
  json.key("pad_token_id").value(config.end_of_text);
  json.key("transformers_version").value(kTransformersVersion);
  json.end_object();
  return json.text() + "\n";
}

Gpt2Config decode_config(std::string_view text, const std::string& path) {
  const formats::JsonDocument document(text, path);
  const auto json = document.root();
  const auto has = [&](std::string_view key) { return json.find(key).has_value(); };
  const auto word = [&](std::string_view key, std::string_view absent) {
    return has(key) ? json.text(key) : absent;
  };
  const auto truth = [&](std::string_view key, bool absent) {
    return has(key) ? json.truth(key) : absent;
  };
  const auto number = [&](std::string_view key, std::int64_t absent) {
    return has(key) ? static_cast<std::int64_t>(json.small_number(key)) : absent;
  };
  const auto refuse = [&](std::string_view key, auto found, std::string_view expected) {
    json.refuse(key, fmt::format("is {}, this build reads {}", found, expected));
  };
  const auto type = json.text("model_type");
  if (type != "gpt2") refuse("model_type", formats::json_quote(type), "gpt2");
  const auto activation = word("activation_function", "gelu_new");
  if (activation != "gelu_new" && activation != "gelu_pytorch_tanh") {
    refuse("activation_function", formats::json_quote(activation),
           "gelu_new and gelu_pytorch_tanh");
  }
  if (!truth("scale_attn_weights", true)) refuse("scale_attn_weights", false, "true");
  if (truth("scale_attn_by_inverse_layer_idx", false)) {
    refuse("scale_attn_by_inverse_layer_idx", true, "false");
  }
  if (truth("add_cross_attention", false)) refuse("add_cross_attention", true, "false");

  Gpt2Config config;  // its defaults are GPT2Config's
  config.vocab_size = number("vocab_size", config.vocab_size);
  config.context = number("n_positions", config.context);
  config.channels = number("n_embd", config.channels);
  config.layers = number("n_layer", config.layers);
  config.heads = number("n_head", config.heads);
  if (has("n_inner")) {
    config.ffn_channels = number("n_inner", 0);
    if (config.ffn_channels == 0) refuse("n_inner", 0, "null or a number above 0");
  }
  if (has("layer_norm_epsilon")) {
    config.layer_norm_epsilon = static_cast<float>(json.number("layer_norm_epsilon"));
  }
  config.end_of_text = static_cast<std::uint32_t>(
      number("eos_token_id", number("bos_token_id", config.end_of_text)));
  check_read(config, path);
  return config;
}

Gpt2Config load_config(const std::filesystem::path& model) {
  if (std::filesystem::is_regular_file(model)) {
    return formats::begins_as_llmc_model(model) ? load_llmc_config(model)
                                                : load_torch_config(model);
  }
  constexpr std::uint64_t kMostBytes = 1 << 20;
  const auto path = model / kConfigName;
  return decode_config(formats::load_file(path, kMostBytes), path.string());
}

bool is_table_of(std::int64_t rows, std::int64_t tokens) {
  if (rows == tokens) return true;
  for (std::int64_t multiple = 8; multiple <= 1024; multiple *= 2) {
    if (rows == (tokens + multiple - 1) / multiple * multiple) return true;
  }
  return false;
}

}  // namespace gpt2::model
