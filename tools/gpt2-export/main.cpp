// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// gpt2-export: a checkpoint for other programs.
#include <fmt/format.h>

#include "libcore/convert/export_hf.h"
#include "libcore/model/model_directory.h"
#include "tools/cli/tool.h"

namespace gpt2 {
namespace {

struct ExportOptions {
  std::string checkpoint, out, vocab, format = "hf", dtype = "f32";
  bool force = false;
};

model::WeightType weight_type(const std::string& dtype) {
  if (dtype == "bf16") return model::WeightType::kBF16;
  if (dtype == "f16") return model::WeightType::kF16;
  return model::WeightType::kF32;
}

void run(const ExportOptions& options) {
  const auto result = convert::export_hf({.source = options.checkpoint,
                                          .out = options.out,
                                          .vocab = options.vocab,
                                          .type = weight_type(options.dtype),
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
  tool.reads("a checkpoint, a Hugging Face GPT-2 directory, or a run folder");
  tool.writes("--out, whole or not at all; a run that finds nothing new leaves it alone");
  tool.option("--checkpoint DIR", options.checkpoint,
              "what to export; of a run folder its newest good checkpoint");
  tool.required();
  tool.option("--out DIR", options.out, "the export; an older export there is replaced");
  tool.required();
  tool.choice("--format KIND", options.format, {"hf"}, "hf: a directory for transformers");
  tool.choice("--dtype TYPE", options.dtype, {"f32", "bf16", "f16"},
              "weights as stored; bf16 and f16 are rounded to nearest even");
  tool.option("--vocab DIR", options.vocab, "the tokenizer's files, if not the checkpoint's own");
  tool.flag("--force", options.force, "export again even if nothing is new");
  tool.example("gpt2-export --checkpoint runs/demo --out exports/demo --dtype bf16");
  return tool.run(argc, argv, [&options] { gpt2::run(options); });
}
