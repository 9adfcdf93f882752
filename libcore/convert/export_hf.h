// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A checkpoint as a Hugging Face GPT-2 directory, for transformers and everything that reads its
// files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "libcore/model/model_directory.h"

namespace gpt2::convert {

struct HfExport {
  std::filesystem::path source;  // a checkpoint, a Hugging Face directory or a run folder
  std::filesystem::path out;
  std::filesystem::path vocab;  // the vocabulary's folder; empty: the source's own, if it has one
  model::WeightType type = model::WeightType::kF32;
  bool force = false;  // export even if nothing is new
};
struct HfExportResult {
  std::filesystem::path source;       // of a run folder its newest good checkpoint
  std::vector<std::string> notices;   // a sentence for each newer one that is damaged
  bool is_new = false;                // false: `out` held this export already and was left alone
  std::optional<std::uint64_t> step;  // if the source is a checkpoint
  bool has_vocabulary = false;
};

/// Makes `out` hold config.json, generation_config.json, model.safetensors, the vocabulary's files
/// and export.json, all at once: a reader sees the old folder or the new one. export.json lists
/// size and CRC-32C of what the export was made from and of what it consists of; when neither has
/// changed there is nothing to do. Only an export is ever replaced: the whole folder `out` goes, so
/// one that holds anything else is refused. Throws: InputError (not a model, damaged, a weight that
/// is not finite); ContradictionError (a vocabulary of another model); ExistsError (`out` is
/// something else, the source itself, or another process is writing it); UsageError (a weight too
/// large for f16); IoError.
HfExportResult export_hf(const HfExport& request);

}  // namespace gpt2::convert
