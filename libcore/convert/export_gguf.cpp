// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Keys and names are those that llama.cpp's own converter writes for GPT-2 (formats/gguf.md).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "formats/errors.h"
#include "formats/gguf.h"
#include "libcore/convert/export_formats.h"

namespace gpt2::convert {
namespace {

using formats::GgufType;

struct DtypeInGguf {
  std::string_view dtype;
  GgufType type;
  std::uint32_t file_type;  // general.file_type: what most of the file is
};
constexpr std::array<DtypeInGguf, 4> kDtypes{{{"f32", GgufType::kF32, 0},
                                              {"f16", GgufType::kF16, 1},
                                              {"q8_0", GgufType::kQ8_0, 7},
                                              {"bf16", GgufType::kBF16, 32}}};

const DtypeInGguf& dtype_in_gguf(std::string_view dtype) {
  return *std::find_if(kDtypes.begin(), kDtypes.end(),
                       [dtype](const auto& known) { return known.dtype == dtype; });
}

/// The kinds of tokens.
enum TokenType : std::int32_t { kNormal = 1, kControl = 3, kUnused = 5 };

/// Two digits at least and a unit: 124M, 1.6B, 0.50M.
std::string size_label(std::int64_t parameter_count) {
  struct Unit {
    double size;
    char letter;
  };
  constexpr std::array<Unit, 3> kUnits{{{1e9, 'B'}, {1e6, 'M'}, {1e3, 'K'}}};
  const auto count = static_cast<double>(parameter_count);
  const auto* unit = std::find_if(kUnits.begin(), kUnits.end() - 1,
                                  [count](const Unit& each) { return count > each.size; });
  const double scaled = count / unit->size;
  const int decimals = std::nearbyint(scaled) >= 10 ? 0 : std::nearbyint(scaled) >= 1 ? 1 : 2;
  return fmt::format("{:.{}f}{}", scaled, decimals, unit->letter);
}

/// tokenizer.ggml.*: one entry a row of the token embedding; rows that pad it are unused tokens.
void add_vocabulary(formats::GgufMetadata& metadata, const formats::TokenizerFiles& vocabulary,
                    std::size_t rows) {
  const auto end_of_text = vocabulary.end_of_text();
  if (!end_of_text) throw formats::UsageError("gguf needs a vocabulary with <|endoftext|>");
  std::vector<std::string> tokens, merges;
  std::vector<std::int32_t> types(rows, kNormal);
  for (const auto& bytes : vocabulary.token_bytes) tokens.push_back(formats::to_printable(bytes));
  for (const auto& special : vocabulary.special_tokens) {
    tokens[special.id] = special.text;
    types[special.id] = kControl;
  }
  for (auto id = tokens.size(); id < rows; ++id) {
    tokens.push_back(fmt::format("[PAD{}]", id));
    types[id] = kUnused;
  }
  for (const auto& [left, right] : vocabulary.merges) {
    merges.push_back(fmt::format("{} {}", tokens[left], tokens[right]));
  }
  metadata.insert(metadata.end(), {{"tokenizer.ggml.model", "gpt2"},
                                   {"tokenizer.ggml.pre", "gpt-2"},
                                   {"tokenizer.ggml.tokens", std::move(tokens)},
                                   {"tokenizer.ggml.token_type", std::move(types)},
                                   {"tokenizer.ggml.merges", std::move(merges)},
                                   {"tokenizer.ggml.bos_token_id", *end_of_text},
                                   {"tokenizer.ggml.eos_token_id", *end_of_text},
                                   {"tokenizer.ggml.unknown_token_id", *end_of_text},
                                   {"tokenizer.ggml.add_bos_token", false},
                                   {"tokenizer.ggml.add_eos_token", false}});
}

formats::GgufMetadata make_metadata(const ExportMaterial& material) {
  const auto& config = material.config;
  const auto count = [](std::int64_t value) { return static_cast<std::uint32_t>(value); };
  formats::GgufMetadata metadata{
      {"general.architecture", "gpt2"},
      {"general.type", "model"},
      {"general.name", material.name},
      {"general.size_label", size_label(material.table.parameter_count())},
      {"gpt2.block_count", count(config.layers)},
      {"gpt2.context_length", count(config.context)},
      {"gpt2.embedding_length", count(config.channels)},
      {"gpt2.feed_forward_length", count(config.inner_channels())},
      {"gpt2.attention.head_count", count(config.heads)},
      {"gpt2.attention.layer_norm_epsilon", config.layer_norm_epsilon},
      {"general.file_type", dtype_in_gguf(material.dtype).file_type},
      {"general.quantization_version", std::uint32_t{2}}};
  add_vocabulary(metadata, *material.vocabulary, static_cast<std::size_t>(config.vocab_size));
  return metadata;
}

/// A parameter's name in the file, of its name in Hugging Face's.
std::string gguf_name(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kNames{
      {{"transformer.wte.", "token_embd."},
       {"transformer.wpe.", "position_embd."},
       {"transformer.ln_f.", "output_norm."},
       {"transformer.h.", "blk."},
       {".ln_1.", ".attn_norm."},
       {".attn.c_attn.", ".attn_qkv."},
       {".attn.c_proj.", ".attn_output."},
       {".ln_2.", ".ffn_norm."},
       {".mlp.c_fc.", ".ffn_up."},
       {".mlp.c_proj.", ".ffn_down."}}};
  std::string result(name);
  for (const auto& [from, to] : kNames) {
    if (const auto place = result.find(from); place != std::string::npos) {
      result.replace(place, from.size(), to);
    }
  }
  return result;
}

/// The matrices of the layers are [in, out] in our files and [out, in] in llama.cpp's.
bool is_transposed(const model::Parameter& parameter) {
  return parameter.shape.size() == 2 && parameter.name.starts_with("transformer.h.");
}

formats::GgufTensor tensor_of(const model::Parameter& parameter, GgufType type) {
  formats::GgufTensor tensor{.name = gguf_name(parameter.name)};
  tensor.shape.assign(parameter.shape.begin(), parameter.shape.end());
  if (is_transposed(parameter)) std::swap(tensor.shape[0], tensor.shape[1]);
  // Vectors and positions stay exact: they are small, and llama.cpp adds them as F32.
  if (parameter.shape.size() == 2 && !parameter.name.ends_with(".wpe.weight")) tensor.type = type;
  return tensor;
}

}  // namespace

void write_gguf(const std::filesystem::path& directory, const ExportMaterial& material) {
  const auto& parameters = material.table.parameters();
  const auto type = dtype_in_gguf(material.dtype).type;
  std::vector<formats::GgufTensor> tensors;
  for (const auto& parameter : parameters) tensors.push_back(tensor_of(parameter, type));
  formats::GgufWriter writer(directory / kGgufName, make_metadata(material), tensors);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto& parameter = parameters[i];
    const auto values = material.weights(parameter);
    const bool has_halves =  // q8_0: the scales
        tensors[i].type == GgufType::kF16 || tensors[i].type == GgufType::kQ8_0;
    if (has_halves) model::check_fits_half(parameter, values);
    if (is_transposed(parameter)) {
      writer.write(formats::transposed(values, static_cast<std::size_t>(parameter.shape[0]),
                                       static_cast<std::size_t>(parameter.shape[1])));
    } else {
      writer.write(values);
    }
  }
  writer.commit();
}

}  // namespace gpt2::convert
