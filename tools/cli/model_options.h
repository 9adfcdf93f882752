// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The options of every tool that runs a model: --checkpoint --device --precision --threads --vocab.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "formats/fingerprint.h"
#include "libcore/device/device.h"
#include "libcore/kernels/kernels.h"
#include "libcore/model/gpt2.h"
#include "libcore/text/tokenizer.h"
#include "tools/cli/tool.h"

namespace gpt2::cli {

struct ModelOptions {
  std::string checkpoint, device = "auto", precision = "auto", vocab;
  int threads = 0;
  /// Declares the options on `command`; `this` must outlive its parsing.
  void declare(Command& command);
};

/// A model with its weights, and what it runs on.
struct OpenedModel {
  std::filesystem::path directory;  // the model directory that --checkpoint means
  formats::Fingerprint
      tokenizer{};  // that it was trained with, as its checkpoint says; zero: unknown
  std::unique_ptr<device::Device> device;
  std::unique_ptr<kernels::Kernels> kernels;
  std::unique_ptr<model::Gpt2> model;
};
/// Opens device and model, and loads the weights. A damaged newer checkpoint of a run folder is
/// told by notice(). Throws: UsageError, UnavailableError, InputError.
OpenedModel open_model(const ModelOptions& options);

/// Where the vocabulary is: --vocab, else the model directory.
std::filesystem::path tokenizer_directory(const ModelOptions& options, const OpenedModel& opened);
/// The tokenizer of that folder. Throws: InputError naming --vocab when the model directory has
/// none; ContradictionError when the model's table is not of its size (model::is_table_of), or it
/// is not the one that the model was trained with.
text::Tokenizer open_tokenizer(const ModelOptions& options, const OpenedModel& opened);

}  // namespace gpt2::cli
