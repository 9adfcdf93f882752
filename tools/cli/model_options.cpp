// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/cli/model_options.h"

#include <fmt/format.h>

#include <vector>

#include "formats/errors.h"
#include "formats/tokenizer_files.h"
#include "libcore/model/model_directory.h"
#include "libcore/model/model_weights.h"

namespace gpt2::cli {

void ModelOptions::declare(Command& command) {
  command.option(
      "--checkpoint PATH", checkpoint,
      "checkpoint, Hugging Face GPT-2 directory, run folder (its newest good checkpoint), or model "
      "file of llm.c, nanoGPT or build-nanogpt");
  command.required();
  command.option("--vocab DIR", vocab,
                 "folder with the tokenizer's files, if not the checkpoint's");
  command.choice("--device KIND", device, {"auto", "cpu", "cuda"}, "where the model runs");
  command.choice("--precision TYPE", precision, {"auto", "fp32", "tf32", "bf16", "fp16", "fp8"},
                 "numbers the model computes with: auto is fp32 on a CPU, bf16 on a GPU");
  command.option("--threads N", threads, "CPU threads; 0: every CPU that the process may use");
  command.at_least(0);
}

OpenedModel open_model(const ModelOptions& options) {
  kernels::check_precision(options.device, options.precision);
  OpenedModel opened;
  std::vector<std::string> notices;
  const auto directory = model::open_model_directory(options.checkpoint, notices);
  for (const auto& sentence : notices) notice(sentence);
  opened.directory = directory.path;
  if (directory.manifest) opened.tokenizer = directory.manifest->tokenizer;
  const auto config = model::load_config(opened.directory);
  opened.device = device::open_device(options.device, options.threads);
  opened.kernels = kernels::open_kernels(*opened.device, options.precision);
  opened.model = std::make_unique<model::Gpt2>(*opened.device, *opened.kernels, config);
  model::load_weights(directory, *opened.model);
  return opened;
}

std::filesystem::path tokenizer_directory(const ModelOptions& options, const OpenedModel& opened) {
  return options.vocab.empty() ? opened.directory : std::filesystem::path(options.vocab);
}

text::Tokenizer open_tokenizer(const ModelOptions& options, const OpenedModel& opened) {
  const auto directory = tokenizer_directory(options, opened);
  if (options.vocab.empty() && !formats::has_tokenizer_files(directory)) {
    throw formats::InputError(fmt::format(
        "{}: no tokenizer files; name a folder that has them with --vocab", directory.string()));
  }
  auto tokenizer = text::Tokenizer::load(directory);
  const auto model_vocab_size = opened.model->config().vocab_size;
  if (!model::is_table_of(model_vocab_size, tokenizer.vocab_size())) {
    throw formats::ContradictionError(fmt::format(
        "{}: the tokenizer has {} tokens, but the model in {} has {}; name the tokenizer that the "
        "model was trained with by --vocab",
        directory.string(), tokenizer.vocab_size(), opened.directory.string(), model_vocab_size));
  }
  if (!formats::may_match(opened.tokenizer, tokenizer.fingerprint())) {
    throw formats::ContradictionError(fmt::format(
        "{}: is not the tokenizer that the model in {} was trained with (fingerprint {}, not {}); "
        "leave --vocab out, or name that one",
        directory.string(), opened.directory.string(), formats::to_hex(tokenizer.fingerprint()),
        formats::to_hex(opened.tokenizer)));
  }
  return tokenizer;
}

}  // namespace gpt2::cli
