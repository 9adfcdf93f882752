// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What export_model can write: one entry a format.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tokenizer_files.h"
#include "libcore/model/model_weights.h"

namespace gpt2::convert {

/// What every format is made from.
struct ExportMaterial {
  model::Gpt2Config config;
  model::ParameterTable table;
  model::ParameterSource weights;
  std::optional<formats::TokenizerFiles> vocabulary;
  std::string dtype;  // one of the format's
  std::string name;   // what the model is called
  std::uint64_t most_file_bytes;
};

struct ExportFormat {
  std::string_view name;
  std::vector<std::string_view> dtypes;
  bool needs_vocabulary;
  /// Is it the name of a file that the format may consist of?
  bool (*owns)(std::string_view file_name);
  /// Throws: as export_model.
  void (*write)(const std::filesystem::path& directory, const ExportMaterial& material);
};
/// In the order in which they are offered.
const std::vector<ExportFormat>& all_export_formats();

inline constexpr const char* kGgufName = "model.gguf";
inline constexpr const char* kLlmcModelName = "model.bin";
inline constexpr const char* kLlmcTokenizerName = "gpt2_tokenizer.bin";
void write_hf(const std::filesystem::path& directory, const ExportMaterial& material);
void write_gguf(const std::filesystem::path& directory, const ExportMaterial& material);
void write_llmc(const std::filesystem::path& directory, const ExportMaterial& material);

}  // namespace gpt2::convert
