// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Where models are kept: a checkpoint of ours, a Hugging Face GPT-2 directory, a run folder (its
// newest good checkpoint), or a model file of llm.c, nanoGPT or build-nanogpt.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "formats/checkpoint.h"

namespace gpt2::model {

/// A folder with a model in it, or another trainer's file. With a manifest it is a checkpoint, and
/// every file was compared with it: readers of a ModelDirectory need not look at a checksum again.
struct ModelDirectory {
  std::filesystem::path path;
  std::optional<formats::CheckpointManifest> manifest;
};

/// The model that `given` means: the file or folder itself or, of a run folder, its newest
/// checkpoint. `notices` is as newest_checkpoint's. Throws: InputError saying what was looked for
/// or is damaged.
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

}  // namespace gpt2::model
