// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/gpt2-train/config_keys.h"

#include <array>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpt2::tools {
namespace {

using Values = std::vector<std::pair<std::string, std::string>>;

struct Names {
  std::string_view option;
  std::vector<std::string_view> keys;
  Values values = {};
};

/// A warm-up that was chosen for a large corpus must not be longer than the run on a small one.
const Values kAtMost{{"auto", "auto"}, {"#", "at-most-#"}};
const Values kTypes{{"auto", "auto"},     {"fp32", "fp32"},       {"float32", "fp32"},
                    {"32", "fp32"},       {"no", "fp32"},         {"bf16", "bf16"},
                    {"bfloat16", "bf16"}, {"bf16-mixed", "bf16"}, {"fp16", "fp16"},
                    {"float16", "fp16"},  {"16-mixed", "fp16"},   {"fp8", "fp8"},
                    {"true", "auto"},     {"false", "fp32"}};
const Values kOnlyTrue{{"true", "true"}};

const std::vector<Names>& renamed_keys() {
  static const std::vector<Names> names{
      {"model", {"model-name", "model-type", "model.name", "model.type"}},
      {"layers", {"n-layer", "n-layers", "num-layers", "num-hidden-layers"}},
      {"heads", {"n-head", "n-heads", "num-heads", "num-attention-heads"}},
      {"channels",
       {"n-embd", "embed-dim", "embedding-dim", "emb-dim", "d-model", "hidden-size", "hidden-dim"}},
      {"ffn-channels", {"n-inner", "ffn-dim", "d-ff", "intermediate-size"}},
      {"context",
       {"block-size", "max-seq-len", "max-seq-length", "seq-len", "sequence-length", "n-positions",
        "n-ctx", "context-length", "max-position-embeddings"}},
      {"dropout", {"drop-rate", "dropout-rate", "dropout-prob"}},
      {"batch-size", {"micro-batch-size", "per-device-train-batch-size", "device-batch-size"}},
      {"accumulation-steps",
       {"gradient-accumulation-steps", "grad-accum-steps", "accumulate-grad-batches"}},
      {"total-batch-tokens", {"total-batch-size"}},
      {"learning-rate", {"lr", "max-lr"}},
      {"min-learning-rate", {"min-lr"}},
      {"warmup-steps", {"warmup-iters", "num-warmup-steps", "lr-warmup-steps"}, kAtMost},
      {"warmup-steps", {"training.warmup-steps", "scheduler.warmup-steps"}, kAtMost},
      {"max-steps", {"max-iters", "num-steps", "train-steps", "total-steps", "num-training-steps"}},
      {"max-epochs", {"epochs", "num-epochs", "num-train-epochs"}},
      {"schedule",
       {"lr-scheduler", "lr-schedule", "lr-scheduler-type", "scheduler.type", "scheduler.name"}},
      {"schedule", {"decay-lr"}, {{"true", "cosine"}, {"false", "constant"}}},
      {"grad-clip",
       {"max-grad-norm", "clip-grad", "clip-grad-norm", "gradient-clip", "gradient-clip-val",
        "gradient-clipping"}},
      {"beta1", {"adam-beta1"}},
      {"beta2", {"adam-beta2"}},
      {"beta1 beta2", {"betas", "adam-betas"}},
      {"epsilon", {"eps", "adam-epsilon", "adam-eps"}},
      {"val-every", {"eval-interval", "eval-every", "eval-steps", "val-interval"}},
      {"sample-every", {"sample-interval", "generate-every", "generate-interval"}},
      {"save-every-steps",
       {"save-interval", "save-every", "save-steps", "checkpoint-interval", "checkpoint-every"}},
      {"keep-last", {"save-total-limit"}},
      {"precision", {"precision", "dtype", "use-mixed-precision", "mixed-precision"}, kTypes},
      {"tensorboard", {"use-tensorboard", "logging.tensorboard"}},
      {"wandb", {"wandb.project", "wandb-project"}},
      {"wandb-entity", {"wandb.entity"}},
      {"wandb-name", {"wandb.name", "wandb.run-name", "wandb-run-name", "run-name"}},
      {"wandb-tags", {"wandb.tags"}},
      {"wandb-mode", {"wandb.mode"}},
      {"wandb-mode",
       {"wandb.enabled", "wandb-log", "use-wandb"},
       {{"true", "offline"}, {"false", "disabled"}}},
      {"out", {"out-dir", "output-dir"}},
      {"train", {"train-data", "train-files", "data.train-path", "train-path"}},
      {"val", {"val-data", "val-files", "data.val-path", "val-path"}},
      {"threads", {"num-threads"}}};
  return names;
}

struct Ignored {
  std::vector<std::string_view> keys;
  std::string_view note;
  Values values = {};  // the only ones that change nothing; empty: any
};

const std::vector<Ignored>& ignored_keys() {
  static const std::vector<Ignored> keys{
      {{"vocab-size", "padded-vocab-size"},
       "the tokenizer, or the shards, say how large the vocabulary is"},
      {{"bias", "use-bias"}, "every GPT-2 has biases", kOnlyTrue},
      {{"tie-weights", "tie-word-embeddings", "weight-tying"}, "GPT-2's are tied", kOnlyTrue},
      {{"activation", "activation-function"},
       "GPT-2's is the tanh approximation of GELU",
       {{"gelu", ""}, {"gelu-new", ""}, {"gelu-tanh", ""}}},
      {{"optimizer", "optimizer.name", "optimizer.type"}, "it is the only one", {{"adamw", ""}}},
      {{"num-workers", "data.workers", "prefetch-factor", "persistent-workers"},
       "one thread reads ahead and keeps up"},
      {{"pin-memory"}, "there is no Python between the shards and the device"},
      {{"shuffle"}, "every epoch has an order of its own"},
      {{"compile", "use-compile", "torch-compile"}, "there is nothing to compile"},
      {{"flash-attention", "use-flash-attention", "use-flash"}, "attention is always in one piece"},
      {{"backend"}, "ranks find each other by themselves"},
      {{"deterministic"}, "equal runs have equal bits anyway"},
      {{"eval-iters", "eval-batches"}, "val-tokens says how much is validated"},
      {{"log-interval", "log-every", "logging-steps"}, "every step is logged"},
      {{"always-save-checkpoint"}, "save-every-steps, -seconds and -epochs say when it is saved"}};
  return keys;
}

}  // namespace

void declare_config_keys(cli::Tool& tool) {
  std::vector<cli::ConfigKey> keys;
  for (const auto& [option, theirs, values] : renamed_keys()) {
    for (const auto key : theirs) {
      keys.push_back({.key = std::string(key), .option = std::string(option), .values = values});
    }
  }
  for (const auto& [theirs, note, values] : ignored_keys()) {
    for (const auto key : theirs) {
      keys.push_back(
          {.key = std::string(key), .option = "", .note = std::string(note), .values = values});
    }
  }
  tool.config_keys({"model", "training", "train", "data", "optimizer", "scheduler", "logging",
                    "evaluation", "checkpoint", "system", "wandb"},
                   std::move(keys));
}

}  // namespace gpt2::tools
