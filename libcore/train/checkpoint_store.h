// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Checkpoints of a training run: a model directory plus the optimizer's moments and
// checkpoint.json, written last.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "formats/checkpoint.h"
#include "formats/tokenizer_files.h"
#include "libcore/comm/communicator.h"
#include "libcore/model/gpt2.h"
#include "libcore/model/model_directory.h"
#include "libcore/optim/adamw.h"
#include "libcore/train/training_snapshot.h"

namespace gpt2::train {

/// Writes a whole checkpoint, visible at once under its name; `manifest` says everything but the
/// files and the count of updates, which are added here. An existing folder of that name is
/// replaced. `tokenizer` may be null. All ranks call it: each writes the moments in its snapshot,
/// rank 0 all else. Throws: IoError; on the other ranks EndedByAnotherRank.
void save_checkpoint(const std::filesystem::path& directory, formats::CheckpointManifest manifest,
                     const TrainingSnapshot& snapshot, const formats::TokenizerFiles* tokenizer,
                     comm::Communicator& communicator);

/// A checkpoint of the same state as `existing`, sharing its files by hard links (copies where the
/// file system has none); `manifest` is as for save_checkpoint. `directory` may be `existing`.
/// Throws: InputError, IoError.
void link_checkpoint(const std::filesystem::path& existing, const std::filesystem::path& directory,
                     formats::CheckpointManifest manifest);

/// A count among the small numbers of a manifest. Throws: InputError naming `where` when it is
/// missing or no count.
std::uint64_t state_count(const formats::CheckpointManifest& manifest, const std::string& key,
                          const std::string& where);
/// Weights, moments and the count of updates of a checkpoint. Throws: InputError naming what is
/// missing or does not fit.
void restore_checkpoint(const model::ModelDirectory& checkpoint, model::Gpt2& model,
                        optim::AdamW& optimizer);

}  // namespace gpt2::train
