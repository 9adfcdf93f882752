// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <fmt/format.h>

#include "formats/durable_file.h"
#include "formats/errors.h"
#include "formats/llmc.h"
#include "libcore/convert/export_formats.h"

namespace gpt2::convert {

void write_llmc(const std::filesystem::path& directory, const ExportMaterial& material) {
  const auto& config = material.config;
  // llm.c has no place for these; it computes with its own.
  if (config.inner_channels() != 4 * config.channels) {
    throw formats::UsageError(
        fmt::format("llm.c has {} inner channels for {} channels, this model has {}",
                    4 * config.channels, config.channels, config.inner_channels()));
  }
  if (config.layer_norm_epsilon != model::Gpt2Config().layer_norm_epsilon) {
    throw formats::UsageError(fmt::format(
        "llm.c computes with a layer norm epsilon of {}, this model was trained with {}",
        model::Gpt2Config().layer_norm_epsilon, config.layer_norm_epsilon));
  }
  formats::LlmcModelWriter writer(
      directory / kLlmcModelName,
      {.type = material.dtype == "bf16" ? formats::FloatType::kBF16 : formats::FloatType::kF32,
       .context = static_cast<std::uint32_t>(config.context),
       .vocab_size = static_cast<std::uint32_t>(config.vocab_size),
       .layers = static_cast<std::uint32_t>(config.layers),
       .heads = static_cast<std::uint32_t>(config.heads),
       .channels = static_cast<std::uint32_t>(config.channels),
       .padded_vocab_size = static_cast<std::uint32_t>(config.padded_vocab_size())});
  for (const auto& tensor : writer.tensors()) {
    writer.write(material.weights(material.table.at(tensor.name)));
  }
  writer.commit();
  if (material.vocabulary) {
    formats::DurableFile file(directory / kLlmcTokenizerName);
    file.write(formats::encode_llmc_tokenizer(*material.vocabulary));
    file.commit();
  }
}

}  // namespace gpt2::convert
