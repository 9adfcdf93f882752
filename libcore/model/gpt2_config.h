// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The shape of a GPT-2, and config.json, which says it in a model directory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace gpt2::model {

struct Gpt2Config {
  std::int64_t vocab_size = 50257;
  std::int64_t context = 1024;  // n_positions
  std::int64_t layers = 12, heads = 12, channels = 768;
  std::int64_t ffn_channels = 0;  // n_inner; 0: 4 x channels
  float layer_norm_epsilon = 1e-5F;
  std::uint32_t end_of_text = 50256;  // bos and eos of config.json

  std::int64_t inner_channels() const { return ffn_channels > 0 ? ffn_channels : 4 * channels; }
  std::int64_t padded_vocab_size() const { return (vocab_size + 127) / 128 * 128; }
  std::int64_t head_size() const { return channels / heads; }
  /// Throws: UsageError: a count below 1, channels not a multiple of heads, vocab_size above 65536
  /// ...
  void check() const;
  /// Equal shapes: ffn_channels 0 and 4 x channels are the same.
  bool operator==(const Gpt2Config& other) const;
};

/// gpt2, gpt2-medium, gpt2-large, gpt2-xl. Throws: UsageError naming the four.
Gpt2Config named_config(std::string_view name);
const std::vector<std::string>& config_names();

inline constexpr const char* kConfigName = "config.json";
/// The text of config.json. Throws: InputError naming `path` and what is wrong or not supported
/// (activation, scaling, cross attention ...).
Gpt2Config decode_config(std::string_view text, const std::string& path);
/// Reads DIRECTORY/config.json or, if `model` is a file, the header of llm.c's model file or the
/// shapes and settings of a file of torch.save. These have no id of end-of-text: it is taken for
/// GPT-2's or, with fewer tokens, the last one. Throws: InputError (missing; as decode_config; no
/// number of heads); FormatError; IoError.
Gpt2Config load_config(const std::filesystem::path& model);
/// What transformers reads. `dtype` is its name for the type of the weights: float32, float16 ...
std::string encode_config(const Gpt2Config& config, std::string_view dtype);
std::string encode_generation_config(const Gpt2Config& config);

/// Whether a table of `rows` is made for `tokens` tokens: of just as many, or of more, so that they
/// are a multiple of 8, 16, 32 ... or 1024, as trainers pad it for speed (nanoGPT: 50304 rows for
/// 50257 tokens). The rows that pad it are part of the model's softmax and stand for nothing.
bool is_table_of(std::int64_t rows, std::int64_t tokens);

}  // namespace gpt2::model
