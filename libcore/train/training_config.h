// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Every setting of a training run: one table gives its name, its help, its default, its text and
// what a resumed run may change. The tool's options, config.yaml, checkpoint.json and the check on
// resume are all made from it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/model/gpt2_config.h"
#include "libcore/optim/adamw.h"
#include "libcore/optim/learning_rate.h"

namespace gpt2::train {

/// The settings as a user gives them. `auto` and 0 stand for values that the data or other settings
/// decide.
struct TrainingConfig {
  std::vector<std::string> train, val;
  std::string out, resume;
  std::vector<std::string> allow_change;
  std::string model = "gpt2";
  std::uint64_t layers = 0, heads = 0, channels = 0, ffn_channels = 0, context = 0;
  std::string vocab, init_from;
  std::string device = "auto", precision = "auto";
  std::uint32_t threads = 0;
  std::string batch_size = "4", recompute = "none";
  std::uint64_t memory_limit = 0;
  std::uint64_t total_batch_tokens = 32768, accumulation_steps = 0;
  std::string slots = "auto", reduction = "exact", wire = "fp32", zero = "1";
  double rank_timeout = 60;
  std::uint64_t max_steps = 0, max_epochs = 0;
  double learning_rate = 6e-4;
  std::string min_learning_rate = "auto", warmup_steps = "auto";
  std::string schedule = "cosine";
  double weight_decay = 0.1, beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, grad_clip = 1.0;
  double dropout = 0;
  std::uint32_t seed = 42;
  std::uint64_t max_bad_steps = 10;
  std::uint64_t val_every = 250, val_tokens = 131072;
  std::string hellaswag;
  std::uint64_t hellaswag_every = 250;
  std::uint64_t sample_every = 0, histogram_every = 0;
  std::string sample_prompt;
  std::uint64_t save_every_steps = 5000, save_every_epochs = 1, keep_last = 3;
  double save_every_seconds = 60;
  bool tensorboard = false;
  std::string wandb, wandb_entity, wandb_name, wandb_mode = "offline";
  std::vector<std::string> wandb_tags;
  std::string prometheus;
  bool profile = false, dry_run = false;

  /// Checks what needs neither data nor model. Throws: UsageError naming the option.
  void check() const;
  /// Of --wire.
  device::DataType wire_type() const {
    return wire == "bf16" ? device::DataType::kBF16 : device::DataType::kF32;
  }
};

/// What a resumed run may do with a setting of its checkpoint.
enum class OnResume {
  kNotStored,    // belongs to one start of the tool, not to the run
  kFree,         // changes no result
  kBitsDiffer,   // allowed, with a notice that the result is not the same to the bit
  kLongerRun,    // more steps, under a schedule that does not depend on their number
  kSameContent,  // another path is fine; the data behind it are compared
  kSame,         // only with --allow-change
  kShape,        // never: the weights have this shape
};

/// One row of the table.
struct TrainingOption {
  std::string_view name;   // "batch-size"
  std::string_view value;  // "B", as --help shows it; none of a flag
  OnResume on_resume;
  std::string_view help;
  std::vector<std::string> choices = {};  // of a text that is one of few
};

/// Calls visit(option, member) for every setting, in the order of --help. `Config` is
/// TrainingConfig, const or not.
template <typename Config, typename Visit>
void for_each_option(Config& config, Visit&& visit) {
  using enum OnResume;
  visit(TrainingOption{"train", "GLOB", kSameContent,
                       "token shards to train on; needed to begin a run"},
        config.train);
  visit(TrainingOption{"val", "GLOB", kSameContent, "token shards to validate on"}, config.val);
  visit(TrainingOption{"out", "RUN", kNotStored, "run folder; made if missing"}, config.out);
  visit(TrainingOption{"resume", "WHAT", kNotStored,
                       "go on from a checkpoint: latest, auto (latest, or begin if RUN has none), "
                       "or its folder; "
                       "needs no other option than --out"},
        config.resume);
  visit(TrainingOption{"allow-change", "OPTION", kNotStored,
                       "let a resumed run have another value of this option than its checkpoint"},
        config.allow_change);
  visit(TrainingOption{"model", "NAME", kShape, "shape of the model", model::config_names()},
        config.model);
  visit(TrainingOption{"layers", "N", kShape, "transformer blocks (0: as --model)"}, config.layers);
  visit(TrainingOption{"heads", "N", kShape, "attention heads (0: as --model)"}, config.heads);
  visit(TrainingOption{"channels", "N", kShape, "width (0: as --model)"}, config.channels);
  visit(TrainingOption{"ffn-channels", "N", kShape, "width inside the MLP (0: 4 x channels)"},
        config.ffn_channels);
  visit(TrainingOption{"context", "T", kShape, "tokens in a sequence (0: 1024, or --init-from's)"},
        config.context);
  visit(TrainingOption{"vocab", "DIR", kSameContent,
                       "tokenizer files that the checkpoints carry along; default: --init-from's"},
        config.vocab);
  visit(TrainingOption{"init-from", "PATH", kSame,
                       "begin with the weights of a checkpoint, run folder, Hugging Face directory "
                       "or file of llm.c or nanoGPT"},
        config.init_from);
  visit(TrainingOption{"device", "KIND", kFree, "where to compute", {"auto", "cpu", "cuda"}},
        config.device);
  visit(TrainingOption{"precision",
                       "TYPE",
                       kBitsDiffer,
                       "type of the computation: auto is fp32 on a CPU, bf16 on a GPU",
                       {"auto", "fp32", "tf32", "bf16", "fp16", "fp8"}},
        config.precision);
  visit(TrainingOption{"threads", "N", kFree, "threads (0: the CPUs this process may use)"},
        config.threads);
  visit(
      TrainingOption{"batch-size", "B", kBitsDiffer,
                     "sequences in a micro-batch: a number, or auto (the most that fit the memory "
                     "and divide the tokens of a step)"},
      config.batch_size);
  visit(TrainingOption{"recompute",
                       "WHAT",
                       kFree,
                       "what the backward pass computes again to save memory: none, mlp "
                       "(layernorms and MLPs), or block (whole layers); the bits stay the same",
                       {"none", "mlp", "block"}},
        config.recompute);
  visit(TrainingOption{"memory-limit", "BYTES", kNotStored,
                       "memory of the device that a rank may take (0: its share of what is free)"},
        config.memory_limit);
  visit(TrainingOption{"total-batch-tokens", "N", kSame,
                       "tokens in a step: slots x micro-batches x batch-size x context"},
        config.total_batch_tokens);
  visit(TrainingOption{"accumulation-steps", "N", kSameContent,
                       "micro-batches of a step, in the place of --total-batch-tokens (0: that)"},
        config.accumulation_steps);
  visit(TrainingOption{"slots", "S", kSame,
                       "gradient slots of a step, joined in pairs: auto, or their number"},
        config.slots);
  visit(
      TrainingOption{"reduction",
                     "KIND",
                     kBitsDiffer,
                     "how ranks sum gradients: exact (to the bit as one rank would), or fast (any "
                     "number of ranks)",
                     {"exact", "fast"}},
      config.reduction);
  visit(TrainingOption{"wire",
                       "TYPE",
                       kBitsDiffer,
                       "type of the gradients that ranks send each other: fp32, or bf16, which is "
                       "half as much",
                       {"fp32", "bf16"}},
        config.wire);
  visit(TrainingOption{"zero",
                       "N",
                       kFree,
                       "what a rank keeps of the optimizer: 0 (all of it), 1 (its share)",
                       {"0", "1"}},
        config.zero);
  visit(TrainingOption{"rank-timeout", "S", kFree,
                       "seconds of silence after which a rank is lost and the run ends (0: none)"},
        config.rank_timeout);
  visit(TrainingOption{"max-steps", "N", kLongerRun, "steps of the run (0: --max-epochs decides)"},
        config.max_steps);
  visit(TrainingOption{"max-epochs", "E", kLongerRun,
                       "passes over the data where --max-steps is 0 (0: one)"},
        config.max_epochs);
  visit(TrainingOption{"learning-rate", "R", kSame, "highest learning rate"}, config.learning_rate);
  visit(TrainingOption{"min-learning-rate", "R", kSame,
                       "learning rate at the end: auto (a tenth of the highest), or a number"},
        config.min_learning_rate);
  visit(
      TrainingOption{
          "warmup-steps", "N", kSame,
          "steps of linear warm-up: auto (715, at most a tenth of the run), a number, or at-most-N "
          "(N, at most a tenth of the run)"},
      config.warmup_steps);
  visit(TrainingOption{"schedule",
                       "KIND",
                       kSame,
                       "course of the learning rate after the warm-up",
                       {"cosine", "linear", "constant", "wsd"}},
        config.schedule);
  visit(TrainingOption{"weight-decay", "X", kSame, "AdamW's decay of matrices and embeddings"},
        config.weight_decay);
  visit(TrainingOption{"beta1", "X", kSame, "AdamW's decay of the mean"}, config.beta1);
  visit(TrainingOption{"beta2", "X", kSame, "AdamW's decay of the mean square"}, config.beta2);
  visit(TrainingOption{"epsilon", "X", kSame, "AdamW's epsilon"}, config.epsilon);
  visit(TrainingOption{"grad-clip", "X", kSame, "largest norm of the gradients (0: no limit)"},
        config.grad_clip);
  visit(TrainingOption{"dropout", "P", kSame, "share of activations dropped"}, config.dropout);
  visit(TrainingOption{"seed", "N", kSame, "of initialisation, data order, dropout and samples"},
        config.seed);
  visit(
      TrainingOption{
          "max-bad-steps", "N", kFree,
          "give up (exit 76) after so many steps in a row without a finite loss or norm"},
      config.max_bad_steps);
  visit(TrainingOption{"val-every", "N", kFree, "steps between validations (0: only at the end)"},
        config.val_every);
  visit(TrainingOption{"val-tokens", "N", kSame, "tokens of --val that count (0: all)"},
        config.val_tokens);
  visit(TrainingOption{"hellaswag", "FILE", kFree,
                       "questions of HellaSwag (JSONL) that the model answers now and then"},
        config.hellaswag);
  visit(TrainingOption{"hellaswag-every", "N", kFree,
                       "steps between evaluations on --hellaswag (0: only at the end)"},
        config.hellaswag_every);
  visit(TrainingOption{"sample-every", "N", kFree, "steps between samples of text (0: none)"},
        config.sample_every);
  visit(TrainingOption{"sample-prompt", "TEXT", kFree, "text that the samples continue"},
        config.sample_prompt);
  visit(TrainingOption{"histogram-every", "N", kFree,
                       "steps between histograms of all weights and gradients, which --tensorboard "
                       "and --wandb show (0: none)"},
        config.histogram_every);
  visit(TrainingOption{"save-every-steps", "N", kFree, "steps between kept checkpoints (0: none)"},
        config.save_every_steps);
  visit(TrainingOption{"save-every-seconds", "S", kFree,
                       "seconds between checkpoints of which --keep-last remain (0: none)"},
        config.save_every_seconds);
  visit(
      TrainingOption{"save-every-epochs", "N", kFree, "epochs between kept checkpoints (0: none)"},
      config.save_every_epochs);
  visit(
      TrainingOption{"keep-last", "N", kFree, "how many checkpoints made by time or signal remain"},
      config.keep_last);
  visit(TrainingOption{"tensorboard", "", kFree, "write RUN/tensorboard"}, config.tensorboard);
  visit(TrainingOption{"wandb", "PROJECT", kFree,
                       "write an offline run of this W&B project, for wandb sync RUN/wandb/*"},
        config.wandb);
  visit(TrainingOption{"wandb-entity", "NAME", kFree, "the W&B user or team"}, config.wandb_entity);
  visit(TrainingOption{"wandb-name", "NAME", kFree, "the run's name there; default: RUN's"},
        config.wandb_name);
  visit(TrainingOption{"wandb-tags", "TAG", kFree, "its tags"}, config.wandb_tags);
  visit(TrainingOption{"wandb-mode",
                       "MODE",
                       kFree,
                       "disabled: as if --wandb were not given",
                       {"offline", "disabled"}},
        config.wandb_mode);
  visit(TrainingOption{"prometheus", "FILE", kFree,
                       "keep the newest numbers there, for the node_exporter's textfile collector"},
        config.prometheus);
  visit(TrainingOption{"profile", "", kNotStored,
                       "time each operation; a table at the end, and a record in metrics.jsonl"},
        config.profile);
  visit(TrainingOption{"dry-run", "", kNotStored,
                       "plan the run, print the memory it takes, and end before the first step"},
        config.dry_run);
}

/// Name and text of every stored setting; lists as JSON arrays.
std::map<std::string, std::string> encode_configuration(const TrainingConfig& config);
/// Back again; a setting that `texts` lacks keeps its default, an unknown name is refused.
/// Throws: InputError naming `where` and the setting.
TrainingConfig decode_configuration(const std::map<std::string, std::string>& texts,
                                    std::string_view where);
/// The stored settings as YAML that `--config` reads.
std::string configuration_yaml(const TrainingConfig& config);

/// A checkpoint's configuration with what the user `given` (names of options) asks for now. The
/// data behind train, val and vocab, and the length of the run, are left for the caller to compare.
/// Appends words to `notices`. Throws: ContradictionError listing every setting that may not
/// change.
TrainingConfig resume_configuration(const TrainingConfig& stored, const TrainingConfig& asked,
                                    const std::set<std::string>& given,
                                    std::vector<std::string>& notices);

/// True when `names` (--allow-change) has `option`.
bool may_change(const TrainingConfig& config, std::string_view option);

/// The shape of a new model; vocab_size and end_of_text are the caller's to set.
model::Gpt2Config new_model_shape(const TrainingConfig& config);

/// What one rank computes of a step.
struct RankShare {
  std::int64_t slots = 0, micro_batches = 0;  // of each slot
  std::uint64_t first_sequence = 0;           // of the step's
};

/// The numbers that a run computes with.
struct TrainingPlan {
  std::int64_t B = 0, T = 0;             // a micro-batch
  std::int64_t slots = 0;                // S
  std::int64_t micro_batches = 0;        // m, of each slot
  std::uint64_t sequences_per_step = 0;  // S x m x B
  std::uint64_t windows_per_epoch = 0;
  std::uint64_t max_steps = 0;
  optim::LearningRateSchedule schedule;
  optim::AdamWOptions optimizer;
  bool exact = true;  // --reduction
  device::DataType wire = device::DataType::kF32;
  /// Exact: whole slots, as many for each rank. Fast: one slot of its own, as even as it can be.
  RankShare share_of(int rank, int rank_count) const;
  std::uint64_t tokens_per_step() const {
    return sequences_per_step * static_cast<std::uint64_t>(T);
  }
};

/// Precondition: batch-size is a number. total-batch-tokens = S x m x B x T, m >= 1; auto slots:
/// the largest power of two that is at most max(8, ranks) and divides total-batch-tokens / (B x T).
/// One epoch is ceil(windows / sequences a step) steps. Throws: UsageError naming the nearest
/// values that fit, a number of ranks that cannot give the bits of one, or a warm-up as long as the
/// run.
TrainingPlan make_plan(const TrainingConfig& config, std::int64_t T,
                       std::uint64_t windows_per_epoch, int rank_count);

/// Writes what was decided for `auto` and 0 back, so that a resumed run keeps it.
void store_decisions(TrainingConfig& config, const TrainingPlan& plan,
                     const model::Gpt2Config& shape);

}  // namespace gpt2::train
