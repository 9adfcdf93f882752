// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// gpt2-tokenize: text to token ids, ids to text, and training a vocabulary.
#include "tools/gpt2-tokenize/commands.h"

int main(int argc, char** argv) {
  gpt2::cli::Tool tool("gpt2-tokenize",
                       "Turn text into GPT-2 tokens and back, and train vocabularies.");
  gpt2::tokenize::EncodeCommand encode(tool);
  gpt2::tokenize::DecodeCommand decode(tool);
  gpt2::tokenize::TrainCommand train(tool);
  return tool.run(argc, argv);
}
