// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The weights of a model in files: read from every kind of ModelDirectory, written as a Hugging
// Face GPT-2 directory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/stored_floats.h"
#include "libcore/model/gpt2.h"
#include "libcore/model/model_directory.h"

namespace gpt2::model {

/// Gives the elements of one parameter, unpadded [in, out]; they are read before the next call.
using ParameterSource = std::function<std::span<const float>(const Parameter& parameter)>;
/// The weights that `directory` holds, read from its files one by one as they are asked for; made
/// for the parameters of `config`, all of which are known to be there. From model.safetensors,
/// pytorch_model.bin, the files of an index of either, or a file of torch.save: names with or
/// without "transformer.", mask buffers ignored, lm_head only if equal to wte, F32/BF16/F16, padded
/// wte rows cut, matrices of nn.Linear transposed, biases zero if there are none; or from llm.c's
/// file. Throws, now or when asked: InputError naming the tensor that is missing, of another shape
/// or not finite.
ParameterSource open_weights(const ModelDirectory& directory, const Gpt2Config& config);
/// Fills the model's parameters. Throws: as open_weights.
void load_weights(const ModelDirectory& directory, Gpt2& model);

using WeightType = formats::FloatType;
/// No more bytes of tensors in one file than this; but a file has one tensor at least.
inline constexpr std::uint64_t kOneFile = std::numeric_limits<std::uint64_t>::max();
/// What save_model wrote, for a manifest.
struct SavedModel {
  std::vector<formats::CheckpointFile> files;
  std::vector<formats::CheckpointTensor> tensors;
};
/// Writes config.json, generation_config.json and model.safetensors; if its tensors have more bytes
/// than `most_file_bytes`, instead of it model-00001-of-0000N.safetensors ... and their index.
/// Throws: IoError; UsageError for a weight too large for f16.
SavedModel save_model(const std::filesystem::path& directory, const Gpt2Config& config,
                      const ParameterTable& table, const ParameterSource& weights,
                      WeightType type = WeightType::kF32, std::uint64_t most_file_bytes = kOneFile);
/// The same in one file with the weights that `model` has now.
SavedModel save_model(const std::filesystem::path& directory, const Gpt2& model,
                      WeightType type = WeightType::kF32);
/// Is it one of the names of the files that save_model gives weights to?
bool is_weights_name(std::string_view name);
/// Throws: UsageError naming `parameter` for a value that f16 has no number for.
void check_fits_half(const Parameter& parameter, std::span<const float> values);

}  // namespace gpt2::model
