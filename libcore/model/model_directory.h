// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Model directories: a checkpoint of ours, a Hugging Face GPT-2 directory, or a run folder (its
// newest good one).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/safetensors.h"
#include "libcore/model/gpt2.h"

namespace gpt2::model {

/// The directory that `given` means. A run folder gives its newest checkpoint that verifies (a
/// damaged newer one is reported through `notice` if not null). Throws: InputError saying what was
/// looked for.
std::filesystem::path resolve_model_directory(const std::filesystem::path& given,
                                              std::string* notice = nullptr);
/// Checkpoints of a run folder, newest step first (names step_*, epoch_*, final), not yet verified;
/// none if it has none. Throws: InputError if the folder cannot be read.
std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& run);

/// Fills the model's parameters from model.safetensors or its index: names with or without
/// "transformer.", mask buffers ignored, lm_head only if equal to wte, F32/BF16/F16, padded wte
/// rows cut. A directory with checkpoint.json is verified first. Throws: InputError naming the
/// tensor.
void load_weights(const std::filesystem::path& directory, Gpt2& model);

enum class WeightType { kF32, kBF16, kF16 };
/// Writes config.json, generation_config.json and model.safetensors (fp32 master weights unless
/// `type`). Returns the model file's entry and per-tensor CRCs for a manifest. Throws: IoError.
struct SavedModel {
  std::vector<formats::CheckpointFile> files;
  std::vector<formats::CheckpointTensor> tensors;
};
SavedModel save_model(const std::filesystem::path& directory, const Gpt2& model,
                      WeightType type = WeightType::kF32);

}  // namespace gpt2::model
