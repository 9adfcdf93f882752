// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The commands of gpt2-tokenize: each declares its options when made and runs when the tool chooses
// it.
#pragma once

#include <string>

#include "libcore/text/bpe_trainer.h"
#include "libcore/text/document_source.h"
#include "libcore/text/encode_documents.h"
#include "tools/cli/tool.h"

namespace gpt2::tokenize {

class EncodeCommand {
 public:
  explicit EncodeCommand(cli::Tool& tool);

 private:
  void run() const;
  std::string vocab_;
  text::DocumentInput input_;
  text::EncodeOptions options_;
  bool json_ = false;
};

class DecodeCommand {
 public:
  explicit DecodeCommand(cli::Tool& tool);

 private:
  void run() const;
  std::string vocab_;
  std::string separator_ = "<|endoftext|>";
};

class TrainCommand {
 public:
  explicit TrainCommand(cli::Tool& tool);

 private:
  void run() const;
  std::string out_;
  bool force_ = false, json_ = false;
  text::DocumentInput input_;
  text::BpeTraining training_;
};

}  // namespace gpt2::tokenize
