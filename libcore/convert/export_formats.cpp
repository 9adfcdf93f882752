// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/convert/export_formats.h"

#include <algorithm>
#include <array>

namespace gpt2::convert {
namespace {

bool is_hf_name(std::string_view name) {
  constexpr std::array<std::string_view, 6> kNames{
      "config.json",    "generation_config.json", "merges.txt",
      "tokenizer.json", "tokenizer_config.json",  "vocab.json"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end() ||
         model::is_weights_name(name);
}

}  // namespace

const std::vector<ExportFormat>& all_export_formats() {
  static const std::vector<ExportFormat> formats{
      {.name = "hf",
       .dtypes = {"f32", "bf16", "f16"},
       .needs_vocabulary = false,
       .owns = is_hf_name,
       .write = write_hf},
      {.name = "gguf",
       .dtypes = {"f32", "bf16", "f16", "q8_0"},
       .needs_vocabulary = true,
       .owns = [](std::string_view name) { return name == kGgufName; },
       .write = write_gguf},
      {.name = "llmc",
       .dtypes = {"f32", "bf16"},
       .needs_vocabulary = false,
       .owns =
           [](std::string_view name) {
             return name == kLlmcModelName || name == kLlmcTokenizerName;
           },
       .write = write_llmc}};
  return formats;
}

void write_hf(const std::filesystem::path& directory, const ExportMaterial& material) {
  const auto type = material.dtype == "bf16"  ? model::WeightType::kBF16
                    : material.dtype == "f16" ? model::WeightType::kF16
                                              : model::WeightType::kF32;
  model::save_model(directory, material.config, material.table, material.weights, type,
                    material.most_file_bytes);
  if (material.vocabulary) {
    formats::save_tokenizer_files(directory, *material.vocabulary,
                                  static_cast<std::uint64_t>(material.config.context));
  }
}

}  // namespace gpt2::convert
