// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/training_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "formats/errors.h"
#include "formats/token_shard.h"
#include "formats/tokenizer_files.h"
#include "libcore/comm/communicator.h"
#include "libcore/data/sequence_order.h"
#include "libcore/data/shard_set.h"
#include "libcore/device/device_cpu.h"
#include "libcore/eval/loss.h"
#include "libcore/eval/multiple_choice.h"
#include "libcore/kernels/kernels_timed.h"
#include "libcore/kernels/matmul_rate.h"
#include "libcore/model/model_directory.h"
#include "libcore/model/model_weights.h"
#include "libcore/text/tokenizer.h"
#include "libcore/train/checkpoint_store.h"
#include "libcore/train/memory_plan.h"
#include "libcore/train/run_folder.h"
#include "libcore/train/trainer.h"

namespace gpt2::train {
namespace {

namespace fs = std::filesystem;
using formats::ContradictionError;
using formats::InputError;
using formats::UsageError;

/// Beside the settings, so that a resumed run can tell whether its validation set is the same.
constexpr const char* kValidationDataKey = "val-data";
/// And so that it does its matrix products as the run before did.
constexpr const char* kProductsKey = "product-choices";
constexpr std::string_view kAuto = "auto";

/// The run may go on from another folder: its data keep their place.
TrainingConfig with_absolute_paths(TrainingConfig config) {
  const auto make_absolute = [](std::string& path) {
    if (!path.empty()) path = fs::absolute(path).lexically_normal().string();
  };
  for (auto& path : config.train) make_absolute(path);
  for (auto& path : config.val) make_absolute(path);
  make_absolute(config.vocab);
  make_absolute(config.init_from);
  make_absolute(config.hellaswag);
  return config;
}

std::string step_and_folder(const model::ModelDirectory& checkpoint) {
  return fmt::format("step {} ({})", checkpoint.manifest->step, checkpoint.path.string());
}

/// --resume DIR: a checkpoint, or a run folder's newest good one.
model::ModelDirectory named_checkpoint(const fs::path& directory,
                                       std::vector<std::string>& notices) {
  if (fs::exists(directory / formats::kCheckpointManifestName))
    return model::open_checkpoint(fs::canonical(directory));
  if (fs::is_directory(directory / "checkpoints")) {
    if (auto found = model::newest_checkpoint(directory, notices)) return *std::move(found);
  }
  throw InputError(
      fmt::format("{}: holds no checkpoint of gpt2-train; --init-from begins anew with the weights "
                  "of any model",
                  directory.string()));
}

/// A run that goes back to an older checkpoint would leave newer ones of another course behind, and
/// one that comes from another folder would mix with the run that is here.
void refuse_mixed_runs(const RunFolder& folder, const model::ModelDirectory& chosen) {
  if (!folder.owns(chosen.path) && folder.has_checkpoints()) {
    throw formats::ExistsError(
        fmt::format("{}: holds a run that {} is no part of; give another --out",
                    folder.path().string(), chosen.path.string()));
  }
  for (const auto& directory : model::list_checkpoints(folder.path())) {
    std::uint64_t step = 0;
    try {
      step = formats::load_checkpoint_manifest(directory).step;
    } catch (const formats::Error&) {
      continue;  // damaged: no run will go on from it
    }
    if (step > chosen.manifest->step) {
      throw formats::ExistsError(
          fmt::format("{}: is newer than {}; give another --out, or remove what is newer",
                      directory.string(), step_and_folder(chosen)));
    }
  }
}

/// The checkpoint to go on from; empty for a run that begins.
std::optional<model::ModelDirectory> find_checkpoint(const TrainingConfig& asked,
                                                     const RunFolder& folder,
                                                     std::vector<std::string>& notices) {
  if (asked.resume.empty()) {
    if (folder.holds_run()) {
      throw formats::ExistsError(fmt::format(
          "{}: holds a run; --resume latest goes on with it, another --out begins a new one",
          asked.out));
    }
    return {};
  }
  if (asked.resume != "latest" && asked.resume != "auto") {
    auto chosen = named_checkpoint(asked.resume, notices);
    refuse_mixed_runs(folder, chosen);
    return chosen;
  }
  auto newest = model::newest_checkpoint(folder.path(), notices);
  if (!newest && asked.resume == "latest") {
    throw InputError(fmt::format(
        "{}: has no checkpoint to go on from; begin with --resume auto, or without it", asked.out));
  }
  return newest;
}

void refuse_two_batch_sizes(const TrainingConfig& asked, const std::set<std::string>& given) {
  if (given.contains("total-batch-tokens") && asked.accumulation_steps > 0) {
    throw UsageError(
        "--total-batch-tokens and --accumulation-steps both set the size of a step; give one");
  }
}

/// A mistyped name must not become a new folder, nor a new run.
void refuse_missing_folders(const TrainingConfig& asked) {
  if (asked.resume.empty() || asked.resume == "auto") return;
  const auto& needed = asked.resume == "latest" ? asked.out : asked.resume;
  if (!fs::is_directory(needed)) {
    throw InputError(fmt::format("{}: there is no such folder to go on from", needed));
  }
}

/// How a run begins.
struct Start {
  TrainingConfig config;                        // what it goes by
  std::optional<model::ModelDirectory> source;  // of the weights; none: they begin at random
  std::optional<TrainingConfig> before;  // settings of the checkpoint `source` that it goes on from

  bool resumes() const { return before.has_value(); }
};

Start find_start(const TrainingConfig& asked, const std::set<std::string>& given,
                 const RunFolder& folder, std::vector<std::string>& notices) {
  Start start{.config = asked};
  if (auto checkpoint = find_checkpoint(asked, folder, notices)) {
    auto texts = checkpoint->manifest->configuration;
    texts.erase(kValidationDataKey);
    texts.erase(kProductsKey);
    start.before = decode_configuration(texts, checkpoint->path.string());
    start.config = resume_configuration(*start.before, asked, given, notices);
    start.source = std::move(checkpoint);
  } else if (!asked.init_from.empty()) {
    start.source = model::open_model_directory(asked.init_from, notices);
  }
  if (start.config.train.empty()) {
    throw UsageError("--train is needed to begin a run: the token shards to train on");
  }
  return start;
}

/// --vocab, else what the checkpoint or the --init-from model carries, else none.
std::optional<text::Tokenizer> find_tokenizer(const TrainingConfig& config, bool vocab_given,
                                              const fs::path& model_directory) {
  const bool own = !model_directory.empty() && formats::has_tokenizer_files(model_directory);
  if (!config.vocab.empty() && (vocab_given || !own)) return text::Tokenizer::load(config.vocab);
  if (own) return text::Tokenizer::load(model_directory);
  return {};
}

void check_same_tokenizer(const formats::Fingerprint& a, std::string_view a_name,
                          const formats::Fingerprint& b, std::string_view b_name) {
  if (!formats::may_match(a, b)) {
    throw ContradictionError(fmt::format("{} and {} come from different tokenizers ({} and {})",
                                         a_name, b_name, formats::to_hex(a), formats::to_hex(b)));
  }
}

/// The shape of a model that begins without weights.
model::Gpt2Config begin_shape(const TrainingConfig& config,
                              const std::optional<text::Tokenizer>& tokenizer,
                              const data::ShardSet& shards) {
  auto shape = new_model_shape(config);
  std::uint32_t end_of_text = formats::kNoToken;
  if (tokenizer) {
    shape.vocab_size = tokenizer->vocab_size();
    end_of_text = tokenizer->end_of_text();
  } else if (shards.vocab_size() > 0) {
    shape.vocab_size = shards.vocab_size();
    end_of_text = shards.end_of_text();
  }
  // A vocabulary without the token still needs an id in config.json; GPT-2's is the last one.
  shape.end_of_text = end_of_text != formats::kNoToken
                          ? end_of_text
                          : static_cast<std::uint32_t>(shape.vocab_size - 1);
  shape.check();
  return shape;
}

/// --init-from decides the shape; what is asked for beside it must agree.
void check_asked_shape(const TrainingConfig& asked, const std::set<std::string>& given,
                       const model::Gpt2Config& shape) {
  const auto wanted = new_model_shape(asked);
  const auto compare = [&](const char* option, std::int64_t is, std::int64_t want) {
    const bool relevant = given.contains(option) || given.contains("model");
    if (relevant && is != want) {
      throw ContradictionError(
          fmt::format("--{} is {}, but the model in {} has {}", option, want, asked.init_from, is));
    }
  };
  compare("layers", shape.layers, wanted.layers);
  compare("heads", shape.heads, wanted.heads);
  compare("channels", shape.channels, wanted.channels);
  if (asked.ffn_channels > 0)
    compare("ffn-channels", shape.inner_channels(), wanted.inner_channels());
}

void check_vocabulary(const model::Gpt2Config& shape,
                      const std::optional<text::Tokenizer>& tokenizer, const data::ShardSet& shards,
                      std::string_view which) {
  if (tokenizer) {
    check_same_tokenizer(tokenizer->fingerprint(), "the tokenizer", shards.tokenizer(), which);
    if (!model::is_table_of(shape.vocab_size, tokenizer->vocab_size())) {
      throw ContradictionError(fmt::format("the tokenizer has {} tokens, the model {}",
                                           tokenizer->vocab_size(), shape.vocab_size));
    }
  }
  if (shards.vocab_size() > shape.vocab_size) {
    throw ContradictionError(fmt::format("{} have a vocabulary of {} tokens, the model one of {}",
                                         which, shards.vocab_size(), shape.vocab_size));
  }
}

/// What a run works on.
struct Material {
  data::ShardSet train;
  std::optional<data::ShardSet> val;
  std::optional<text::Tokenizer> tokenizer;
  model::Gpt2Config shape;
  std::optional<eval::EncodedQuestions> hellaswag;
};

/// By the convention of llm.c and build-nanogpt, whose logs have such lines.
eval::EncodedQuestions open_hellaswag(const TrainingConfig& config, const Material& material) {
  if (!material.tokenizer) {
    throw UsageError("--hellaswag needs a tokenizer: name its folder with --vocab");
  }
  const auto context =
      config.context > 0 ? static_cast<std::int64_t>(config.context) : material.shape.context;
  return eval::encode_questions(eval::load_questions(config.hellaswag, eval::Task::kHellaSwag),
                                config.hellaswag, eval::Task::kHellaSwag,
                                {eval::EvalConvention::kLlmc}, *material.tokenizer, context);
}

/// Opens the data and the tokenizer, and decides the model's shape: all of one vocabulary.
Material open_material(const Start& start, const std::set<std::string>& given) {
  const auto& config = start.config;
  Material material{.train = data::ShardSet(config.train),
                    .tokenizer = find_tokenizer(config, given.contains("vocab"),
                                                start.source ? start.source->path : fs::path())};
  if (!config.val.empty()) material.val.emplace(config.val);
  if (start.source) {
    material.shape = model::load_config(start.source->path);
    if (!start.resumes()) check_asked_shape(config, given, material.shape);
  } else {
    material.shape = begin_shape(config, material.tokenizer, material.train);
  }
  check_vocabulary(material.shape, material.tokenizer, material.train, "the shards of --train");
  if (material.val) {
    check_vocabulary(material.shape, material.tokenizer, *material.val, "the shards of --val");
    check_same_tokenizer(material.train.tokenizer(), "the shards of --train",
                         material.val->tokenizer(), "the shards of --val");
  }
  if (!config.hellaswag.empty()) material.hellaswag = open_hellaswag(config, material);
  return material;
}

void check_samples(const TrainingConfig& config, const Material& material) {
  if (config.sample_every == 0) return;
  if (!material.tokenizer) {
    throw UsageError("--sample-every needs a tokenizer: name its folder with --vocab");
  }
  const auto prompt_tokens = material.tokenizer->encode(config.sample_prompt).size();
  if (static_cast<std::int64_t>(prompt_tokens) >= material.shape.context) {
    throw UsageError("--sample-prompt is longer than the model's context");
  }
}

/// Tokens of a sequence, and how many sequences the data have.
struct Windows {
  std::int64_t T = 0;
  std::uint64_t per_epoch = 0;
};

Windows cut_windows(const TrainingConfig& config, const Material& material) {
  const auto& shape = material.shape;
  const auto T = config.context > 0 ? static_cast<std::int64_t>(config.context) : shape.context;
  if (T > shape.context) {
    throw ContradictionError(
        fmt::format("--context is {}, but the model has {} positions", T, shape.context));
  }
  check_samples(config, material);
  const auto windows = data::SequenceOrder(material.train, T, config.seed).windows_per_epoch();
  if (material.val) eval::validation_windows(*material.val, T, config.val_tokens);
  return {T, windows};
}

std::string describe_identity(const std::vector<formats::DataIdentity>& identity) {
  std::vector<std::string> shards;
  for (const auto& shard : identity) {
    shards.push_back(shard.foreign
                         ? fmt::format("{}:{}:{:08x}", shard.name, shard.token_count, shard.crc32c)
                         : fmt::format("{}:{:08x}", shard.token_count, shard.crc32c));
  }
  return fmt::format("{}", fmt::join(shards, " "));
}

/// What all checkpoints of the run say alike.
formats::CheckpointManifest describe_run(const TrainingConfig& config, const TrainingPlan& plan,
                                         const Material& material, int rank_count) {
  formats::CheckpointManifest manifest;
  manifest.seed = config.seed;
  manifest.order_version = data::kOrderVersion;
  manifest.slots = static_cast<std::uint64_t>(plan.slots);
  manifest.rank_count = static_cast<std::uint64_t>(rank_count);
  manifest.tokenizer =
      material.tokenizer ? material.tokenizer->fingerprint() : material.train.tokenizer();
  manifest.training_data = material.train.identity();
  manifest.configuration = encode_configuration(config);
  manifest.configuration[kValidationDataKey] =
      material.val ? describe_identity(material.val->identity()) : "";
  return manifest;
}

/// Refuses other data than the checkpoint's, or a shorter run, unless --allow-change names the
/// option.
void check_resumed(const Start& start, const TrainingPlan& plan,
                   const formats::CheckpointManifest& now, std::vector<std::string>& notices) {
  const auto& config = start.config;
  const auto& stored = *start.before;
  const auto& before = *start.source->manifest;
  const auto judge = [&](const char* option, bool same, std::string_view what) {
    if (same) return;
    if (!may_change(config, option)) {
      throw ContradictionError(fmt::format(
          "{}; give what the checkpoint was trained with, or --allow-change {}", what, option));
    }
    notices.push_back(fmt::format("{}; allowed by --allow-change {}", what, option));
  };
  judge("train", describe_identity(before.training_data) == describe_identity(now.training_data),
        "--train: the shards hold other data than those the checkpoint was trained on");
  const auto val_before = before.configuration.find(kValidationDataKey);
  const bool validated = val_before != before.configuration.end() && !val_before->second.empty();
  judge("val", !validated || val_before->second == now.configuration.at(kValidationDataKey),
        "--val: the shards hold other data than those the run validated on before");
  judge("vocab", formats::may_match(before.tokenizer, now.tokenizer),
        "--vocab: is another tokenizer than the checkpoint's");
  if (before.order_version != now.order_version) {
    throw ContradictionError(fmt::format(
        "the order of data has version {} in the checkpoint and {} in this build; go on with a "
        "build of that version, or begin anew with --init-from",
        before.order_version, now.order_version));
  }
  judge("total-batch-tokens", plan.tokens_per_step() == stored.total_batch_tokens,
        fmt::format("a step has {} tokens in the checkpoint and {} now", stored.total_batch_tokens,
                    plan.tokens_per_step()));
  const bool extendable = config.schedule == "constant" || config.schedule == "wsd";
  judge("max-steps",
        plan.max_steps == stored.max_steps || (extendable && plan.max_steps > stored.max_steps),
        fmt::format("the run has {} steps in the checkpoint and {} now, and only a run whose "
                    "schedule is constant "
                    "or wsd can be made longer without changing its course",
                    stored.max_steps, plan.max_steps));
  if (plan.max_steps < before.step) {
    throw UsageError(fmt::format("the run has done {} steps already, more than the {} asked for",
                                 before.step, plan.max_steps));
  }
}

/// Weights and moments as the run has them before its first step; gives where it stands.
TrainingProgress load_state(const Start& start, model::Gpt2& model, optim::AdamW& optimizer) {
  if (start.resumes()) {
    restore_checkpoint(*start.source, model, optimizer);
    return TrainingProgress::load(*start.source->manifest, start.source->path.string());
  }
  if (start.source) {
    model::load_weights(*start.source, model);
  } else {
    model.initialise(start.config.seed);
  }
  return {};
}

void report_data(const data::ShardSet& shards, std::int64_t T, std::string_view which,
                 TrainingObserver& observer) {
  if (shards.has_foreign()) {
    observer.on_notice(
        fmt::format("{}: some are another trainer's, without a checksum or a tokenizer's "
                    "fingerprint; they are taken as they are",
                    which));
  }
  for (const auto& path : shards.shards_without_window(T)) {
    observer.on_notice(
        fmt::format("{}: has fewer than {} tokens and is not used", path.string(), T + 1));
  }
}

void report_start(const Start& start, const Material& material, std::int64_t T,
                  const std::vector<std::string>& notices, TrainingObserver& observer) {
  for (const auto& notice : notices) observer.on_notice(notice);
  if (start.resumes()) observer.on_notice("goes on from " + step_and_folder(*start.source));
  report_data(material.train, T, "the shards of --train", observer);
  if (material.val) report_data(*material.val, T, "the shards of --val", observer);
  if (!material.tokenizer) {
    observer.on_notice(
        "the checkpoints will hold no tokenizer files: name their folder with --vocab to add them");
  }
}

/// A product's bits depend on what computes it.
void check_same_products(const kernels::Kernels& kernels, comm::Communicator& communicator) {
  const auto own = kernels.products_by();
  const auto first = communicator.from_first(own);
  communicator.together([&] {
    if (own == first) return;
    throw formats::UnavailableError(
        fmt::format("rank {} on {} computes with {}, rank 0 with {}; all ranks need the same kind "
                    "of GPU and the same library",
                    communicator.rank(), host_name(), own, first));
  });
}

/// How the model's products are done: as the checkpoint says, or in the ways that are found fastest
/// now, by a micro-batch whose gradients go nowhere. Gives the record for checkpoints to come.
std::string settle_products(const Start& start, const TrainingPlan& plan, model::Gpt2& model,
                            kernels::Kernels& kernels, std::vector<std::string>& notices) {
  if (start.resumes()) {
    const auto& stored = start.source->manifest->configuration;
    const auto record = stored.find(kProductsKey);
    const auto text = record != stored.end() ? record->second : std::string();
    // Products of other shapes were not looked for.
    const bool same_shapes = start.before->batch_size == start.config.batch_size &&
                             start.before->precision == start.config.precision;
    if (same_shapes && kernels.use_products(text)) return text;
  }
  const auto record = kernels.choose_products([&] {
    const device::DeviceBuffer unused(model.device(), model.table().buffer_bytes());
    const std::vector<std::int32_t> tokens(static_cast<std::size_t>(plan.B * plan.T));
    const device::DeviceBuffer losses(model.device(), tokens.size() * sizeof(float));
    model.forward_backward(tokens, tokens, plan.B, plan.T, 1, {}, unused,
                           {losses.data(), device::DataType::kF32, {plan.B * plan.T}});
    model.device().synchronize();
  });
  if (start.resumes() && !record.empty()) {
    notices.emplace_back(
        "the matrix products are chosen anew, as the checkpoint's are of another device, library, "
        "batch size or precision; the result will not be the same to the bit");
  }
  return record;
}

/// The first rank settles them, for all.
std::string share_products(const Start& start, const TrainingPlan& plan, model::Gpt2& model,
                           kernels::Kernels& kernels, std::vector<std::string>& notices,
                           comm::Communicator& communicator) {
  std::string record;
  communicator.together([&] {
    if (communicator.rank() == 0) {
      record = settle_products(start, plan, model, kernels, notices);
    }
  });
  record = communicator.from_first(record);
  if (communicator.rank() != 0 && !record.empty()) kernels.use_products(record);
  return record;
}

/// A signal that comes before the first step finds nothing to save.
void leave_if_asked(const StopSignal& stop_signal, comm::Communicator& communicator) {
  const auto signal = static_cast<int>(communicator.maximum(stop_signal()));
  if (signal == 0) return;
  communicator.together([&] {
    throw formats::StoppedError(
        fmt::format("stopped by {} before it took a step; the same command starts it again",
                    signal_name(signal)));
  });
}

/// The folder is the first rank's; the others look into it.
std::unique_ptr<RunFolder> open_folder(const TrainingConfig& asked,
                                       const std::set<std::string>& given,
                                       comm::Communicator& communicator) {
  std::unique_ptr<RunFolder> folder;
  communicator.together([&] {
    asked.check();
    refuse_two_batch_sizes(asked, given);
    refuse_missing_folders(asked);
    if (communicator.rank() == 0) folder = std::make_unique<RunFolder>(asked.out);
  });
  if (!folder) folder = std::make_unique<RunFolder>(RunFolder::Guest{}, asked.out);
  return folder;
}

/// All that is known before the device is.
struct Beginning {
  Start start;
  Material material;
  Windows windows;
  std::vector<std::string> notices;
  formats::CheckpointManifest manifest = {};  // by plan_run
};

Beginning prepare(const TrainingConfig& asked, const std::set<std::string>& given,
                  const RunFolder& folder, int rank_count) {
  std::vector<std::string> notices;
  Start start = find_start(with_absolute_paths(asked), given, folder, notices);
  Material material = open_material(start, given);
  const auto windows = cut_windows(start.config, material);
  // Settings that do not fit together are told before a device is looked for.
  if (start.config.batch_size != kAuto) {
    make_plan(start.config, windows.T, windows.per_epoch, rank_count);
  }
  return {std::move(start), std::move(material), windows, std::move(notices)};
}

/// The numbers of the run, which go with its checkpoint and fit the memory; fills in the manifest.
/// All ranks take the micro-batch of the one that has least room.
TrainingPlan plan_run(Beginning& beginning, const MemoryQuestion& question,
                      comm::Communicator& communicator) {
  auto& start = beginning.start;
  const auto& windows = beginning.windows;
  auto config = question.config;
  if (config.batch_size == kAuto) {
    const auto own = communicator.make_together([&] {
      return static_cast<std::int64_t>(largest_batch(question, windows.T, windows.per_epoch));
    });
    config.batch_size = std::to_string(-communicator.maximum(-own));
  }
  const auto plan = communicator.make_together([&] {
    auto made = make_plan(config, windows.T, windows.per_epoch, communicator.size());
    start.config = config;
    store_decisions(start.config, made, beginning.material.shape);
    auto& manifest = beginning.manifest;
    manifest = describe_run(start.config, made, beginning.material, communicator.size());
    if (start.resumes()) check_resumed(start, made, manifest, beginning.notices);
    return made;
  });
  communicator.together([&] { check_memory(question, plan); });
  return plan;
}

/// Ranks on several hosts, or a disk that shows each another state, must not mix two runs.
void check_same_start(const Beginning& beginning, comm::Communicator& communicator) {
  const auto& source = beginning.start.source;
  const auto own = fmt::format("{} of {}, {}", source ? source->path.string() : "the beginning",
                               beginning.start.config.out,
                               describe_identity(beginning.material.train.identity()));
  const auto first = communicator.from_first(own);
  communicator.together([&] {
    if (own == first) return;
    throw InputError(
        fmt::format("rank {} would go on from {}, rank 0 from {}; all ranks need the same run "
                    "folder and the same data",
                    communicator.rank(), own, first));
  });
}

/// Ranks that say the same as this one.
int ranks_with(const std::string& own, comm::Communicator& communicator) {
  return static_cast<int>(std::ranges::count(communicator.gather(own), own));
}

/// --threads, or this rank's part of the CPUs that it may use.
int threads_of_rank(std::uint32_t asked, comm::Communicator& communicator) {
  const auto own = fmt::format("{}: {}", host_name(), device::allowed_cpu_list());
  const int sharing = ranks_with(own, communicator);
  if (asked > 0) return static_cast<int>(asked);
  return std::max(1, device::allowed_cpu_count() / sharing);
}

struct Place {
  std::string device;
  int gpu = 0;
};

/// Ranks of a host that see the same GPUs take one each, in the order of their numbers. With `auto`
/// all ranks take GPUs if there is one for each, and CPUs otherwise.
Place place_of_rank(const std::string& asked, comm::Communicator& communicator) {
  if (communicator.size() == 1 || asked == "cpu") return {asked};
  const auto gpus = device::visible_gpus();
  const auto own = fmt::format("{}: {}", host_name(), fmt::join(gpus, " "));
  const auto all = communicator.gather(own);
  const auto sharing = std::ranges::count(all, own);
  const auto number =
      static_cast<int>(std::count(all.begin(), all.begin() + communicator.rank(), own));
  const bool enough = comm::reaches_gpus() && sharing <= std::ssize(gpus);
  if (asked == "auto") {
    if (communicator.maximum(enough ? 0 : 1) != 0) return {"cpu"};
    return {"cuda", number};
  }
  communicator.together([&] {
    // Where there is none at all, opening the device says why.
    if (gpus.empty() || sharing <= std::ssize(gpus)) return;
    throw formats::UnavailableError(
        fmt::format("--device cuda: {} ranks on {} see {} GPU{} (CUDA_VISIBLE_DEVICES?), and each "
                    "needs one of its own; start as many ranks as GPUs",
                    sharing, host_name(), gpus.size(), gpus.size() == 1 ? "" : "s"));
  });
  return {asked, number};
}

/// The record of the lowest validation loss so far.
std::optional<formats::TrainLogRecord> best_validation(const fs::path& run) {
  std::optional<formats::TrainLogRecord> best;
  for (auto& record : formats::load_train_log(run)) {
    if (record.kind != "val" || !record.numbers.contains("loss")) continue;
    if (!best || record.numbers["loss"] < best->numbers["loss"]) best = std::move(record);
  }
  return best;
}

}  // namespace

void run_training(const TrainingConfig& asked, const std::set<std::string>& given,
                  TrainingObserver& observer, const StopSignal& stop_signal,
                  comm::Communicator& hosts) {
  const int rank = hosts.rank(), rank_count = hosts.size();
  const auto folder = open_folder(asked, given, hosts);
  auto beginning = hosts.make_together([&] { return prepare(asked, given, *folder, rank_count); });
  check_same_start(beginning, hosts);
  leave_if_asked(stop_signal, hosts);
  const Start& start = beginning.start;
  auto& material = beginning.material;

  const int threads = threads_of_rank(start.config.threads, hosts);
  const auto place = place_of_rank(start.config.device, hosts);
  const auto device =
      hosts.make_together([&] { return device::open_device(place.device, threads, place.gpu); });
  const auto twin =
      hosts.make_together([&] { return kernels::open_kernels(*device, start.config.precision); });
  check_same_products(*twin, hosts);
  const auto gpus = comm::open_gpu_communicator(hosts, *device, *twin);
  auto& communicator = gpus ? *gpus : hosts;
  const auto undecided = start.config;
  const MemoryQuestion question{
      .config = undecided,
      .shape = material.shape,
      .device = *device,
      .kernels = *twin,
      .rank = rank,
      .rank_count = rank_count,
      .ranks_of_host = ranks_with(host_name(), communicator),
      .exchange_bytes = communicator.exchange_bytes(start.config.wire_type())};
  const auto plan = plan_run(beginning, question, communicator);

  TrainingObserver nobody;
  TrainingObserver& watcher = rank == 0 ? observer : nobody;
  RunSummary summary{.run = folder->path(),
                     .device = device->name(),
                     .shape = material.shape,
                     .parameter_count = model::ParameterTable(material.shape).parameter_count(),
                     .training_tokens = material.train.token_count(),
                     .rank_count = rank_count,
                     .first_step = start.resumes() ? start.source->manifest->step : 0,
                     .plan = plan,
                     .memory = plan_memory(question, plan),
                     .save_every_steps = start.config.save_every_steps,
                     .save_every_seconds = start.config.save_every_seconds};
  if (start.config.dry_run) return watcher.on_dry_run(summary);

  kernels::TimedKernels timed(*device, *twin);
  const bool profile = start.config.profile;
  auto model = communicator.make_together(
      [&] { return model::Gpt2(*device, profile ? timed : *twin, material.shape); });
  const auto elements = model.table().buffer_elements();
  const bool keeps_share = start.config.zero == "1";
  optim::AdamW optimizer(
      model, plan.optimizer,
      comm::Shares(elements, keeps_share ? rank_count : 1).of_rank(keeps_share ? rank : 0));
  const auto progress =
      communicator.make_together([&] { return load_state(start, model, optimizer); });
  communicator.together([&] {
    model.prepare_training(plan.B, plan.T, model::recomputation_named(start.config.recompute));
  });
  const auto products = share_products(start, plan, model, *twin, beginning.notices, communicator);
  auto& manifest = beginning.manifest;
  if (!products.empty()) manifest.configuration[kProductsKey] = products;
  leave_if_asked(stop_signal, communicator);

  report_start(start, material, plan.T, beginning.notices, watcher);
  communicator.together([&] {
    if (rank == 0) folder->begin_run(configuration_yaml(start.config));
  });
  Trainer trainer({.config = start.config,
                   .plan = plan,
                   .folder = *folder,
                   .train_set = material.train,
                   .val_set = material.val ? &*material.val : nullptr,
                   .tokenizer = material.tokenizer ? &*material.tokenizer : nullptr,
                   .hellaswag = material.hellaswag ? &*material.hellaswag : nullptr,
                   .model = model,
                   .optimizer = optimizer,
                   .timed_kernels = profile ? &timed : nullptr,
                   .communicator = communicator,
                   .manifest = std::move(manifest),
                   .observer = watcher,
                   .stop_signal = stop_signal},
                  progress, start.resumes() ? start.source->path : fs::path());
  if (rank == 0) {
    if (watcher.wants_matmul_rate()) {
      summary.matmul_rate = rank_count * kernels::measure_matmul_rate(*device, *twin);
    }
    summary.best_validation = best_validation(folder->path());
    watcher.on_begin(summary);
  }
  trainer.run();
}

}  // namespace gpt2::train
