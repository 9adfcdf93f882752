// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// gpt2-export: a checkpoint for other programs.
#include <fmt/format.h>

#include "libcore/convert/export_model.h"
#include "tools/cli/tool.h"

namespace gpt2 {
namespace {

/// --max-shard-size by default: every GPT-2 fits one file.
constexpr std::uint64_t kMostFileBytes = 50'000'000'000;

struct ExportOptions {
  std::string checkpoint, out, vocab, format = "hf", dtype = "f32";
  std::uint64_t most_file_bytes = kMostFileBytes;
  bool force = false;
};

void run(const ExportOptions& options) {
  const auto result = convert::export_model({.source = options.checkpoint,
                                             .out = options.out,
                                             .vocab = options.vocab,
                                             .format = options.format,
                                             .dtype = options.dtype,
                                             .most_file_bytes = options.most_file_bytes,
                                             .force = options.force});
  for (const auto& notice : result.notices) cli::notice(notice);
  const auto source = result.source.string();
  const auto name = result.step ? fmt::format("{} (step {})", source, *result.step) : source;
  if (!result.is_new) {
    cli::notice(fmt::format("{} holds {} already: nothing new", options.out, name));
    return;
  }
  if (!result.has_vocabulary) {
    cli::notice(fmt::format("{} has no vocabulary, so {} has none; --vocab DIR adds one", source,
                            options.out));
  }
  if (cli::verbosity() > 0) cli::notice(fmt::format("exported {} to {}", name, options.out));
}

}  // namespace
}  // namespace gpt2

int main(int argc, char** argv) {
  gpt2::ExportOptions options;
  gpt2::cli::Tool tool("gpt2-export", "Write a checkpoint in a form that other programs read.");
  tool.reads(
      "a checkpoint, a Hugging Face GPT-2 directory, a run folder, or a model file of llm.c or "
      "nanoGPT");
  tool.writes("--out, whole or not at all; a run that finds nothing new leaves it alone");
  tool.option("--checkpoint PATH", options.checkpoint,
              "what to export; of a run folder its newest good checkpoint");
  tool.required();
  tool.option("--out DIR", options.out, "the export; an older export there is replaced");
  tool.required();
  tool.choice(
      "--format KIND", options.format, gpt2::convert::export_formats(),
      "hf: a directory for transformers; gguf: model.gguf for llama.cpp; llmc: model.bin and "
      "gpt2_tokenizer.bin for llm.c");
  tool.choice("--dtype TYPE", options.dtype, gpt2::convert::export_dtypes(),
              "weights as stored, rounded to nearest; f16 and q8_0 are not for llmc, q8_0 is for "
              "gguf alone");
  tool.option("--max-shard-size BYTES", options.most_file_bytes,
              "of hf: more bytes of weights than this are shared out to several files");
  tool.at_least(1);
  tool.option("--vocab DIR", options.vocab, "the tokenizer's files, if not the checkpoint's own");
  tool.flag("--force", options.force, "export again even if nothing is new");
  tool.example("gpt2-export --checkpoint runs/demo --out exports/demo --dtype bf16");
  tool.example(
      "gpt2-export --checkpoint runs/demo --out exports/demo.gguf --format gguf --dtype q8_0");
  return tool.run(argc, argv, [&options] { gpt2::run(options); });
}
