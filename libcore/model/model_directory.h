// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Model directories: a checkpoint of ours, a Hugging Face GPT-2 directory, or a run folder (its
// newest good one).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/safetensors.h"
#include "libcore/model/gpt2.h"

namespace gpt2::model {

/// A folder with a model in it. With a manifest it is a checkpoint, and every file was compared
/// with it: readers of a ModelDirectory need not look at a checksum again.
struct ModelDirectory {
  std::filesystem::path path;
  std::optional<formats::CheckpointManifest> manifest;
};

/// The model that `given` means: the folder itself or, of a run folder, its newest checkpoint.
/// `notices` is as newest_checkpoint's. Throws: InputError saying what was looked for or is
/// damaged.
ModelDirectory open_model_directory(const std::filesystem::path& given,
                                    std::vector<std::string>& notices);
/// One checkpoint, its manifest there and every file verified. Throws: InputError.
ModelDirectory open_checkpoint(const std::filesystem::path& directory);
/// The newest checkpoint of a run that verifies; `notices` gets a sentence for each newer one that
/// does not. Empty if the run has no checkpoint. Throws: InputError when it has some and none is
/// good.
std::optional<ModelDirectory> newest_checkpoint(const std::filesystem::path& run,
                                                std::vector<std::string>& notices);
/// Checkpoints of a run folder, newest step first (names step_*, epoch_*, final), not yet verified;
/// none if it has none. Throws: InputError if the folder cannot be read.
std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& run);

/// Fills the model's parameters from model.safetensors or its index: names with or without
/// "transformer.", mask buffers ignored, lm_head only if equal to wte, F32/BF16/F16, padded wte
/// rows cut. Throws: InputError naming the tensor.
void load_weights(const ModelDirectory& directory, Gpt2& model);

enum class WeightType { kF32, kBF16, kF16 };
/// What save_model wrote, for a manifest.
struct SavedModel {
  std::vector<formats::CheckpointFile> files;
  std::vector<formats::CheckpointTensor> tensors;
};
/// Gives the elements of one parameter, unpadded; they are read before the next call.
using ParameterSource = std::function<std::span<const float>(const Parameter& parameter)>;
/// Writes config.json, generation_config.json and model.safetensors. Throws: IoError; UsageError
/// for a weight too large for f16.
SavedModel save_model(const std::filesystem::path& directory, const Gpt2Config& config,
                      const ParameterTable& table, const ParameterSource& weights,
                      WeightType type = WeightType::kF32);
/// The same with the weights that `model` has now.
SavedModel save_model(const std::filesystem::path& directory, const Gpt2& model,
                      WeightType type = WeightType::kF32);

}  // namespace gpt2::model
