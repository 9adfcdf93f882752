// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A checkpoint as other programs read it: transformers, llama.cpp, llm.c.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "libcore/model/model_weights.h"

namespace gpt2::convert {

struct ExportRequest {
  std::filesystem::path source;  // whatever model::open_model_directory takes
  std::filesystem::path out;
  std::filesystem::path vocab;  // the vocabulary's folder; empty: the source's own, if it has one
  std::string format = "hf";    // one of export_formats()
  std::string dtype = "f32";    // one of export_dtypes()
  std::uint64_t most_file_bytes = model::kOneFile;  // of hf: bytes of tensors in one file
  bool force = false;                               // export even if nothing is new
};
struct ExportResult {
  std::filesystem::path source;       // of a run folder its newest good checkpoint
  std::vector<std::string> notices;   // a sentence for each newer one that is damaged
  bool is_new = false;                // false: `out` held this export already and was left alone
  std::optional<std::uint64_t> step;  // if the source is a checkpoint
  bool has_vocabulary = false;
};

std::vector<std::string> export_formats();  // hf, gguf, llmc
std::vector<std::string> export_dtypes();   // of all formats

/// Makes the folder `out` hold the export and export.json, all at once: a reader sees the old
/// folder or the new one. What the export is, by format: config.json, generation_config.json,
/// model.safetensors (or several files and their index) and the vocabulary's files; model.gguf;
/// model.bin and gpt2_tokenizer.bin. export.json lists size and CRC-32C of what the export was made
/// from and of what it consists of; when neither has changed there is nothing to do. Only an export
/// is ever replaced: the whole folder `out` goes, so one that holds anything else is refused.
/// Throws: InputError (not a model, damaged, a weight that is not finite, no vocabulary for gguf);
/// ContradictionError (a vocabulary of another model); ExistsError (`out` is something else, the
/// source itself, or another process is writing it); UsageError (a dtype that the format does not
/// have, a weight too large for f16, a model that the format cannot hold); IoError.
ExportResult export_model(const ExportRequest& request);

}  // namespace gpt2::convert
