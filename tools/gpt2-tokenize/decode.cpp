// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <iostream>

#include "libcore/text/tokenizer.h"
#include "tools/gpt2-tokenize/commands.h"

namespace gpt2::tokenize {

DecodeCommand::DecodeCommand(cli::Tool& tool) {
  cli::Command& command =
      tool.command("decode", "Turn a token stream back into text.", [this] { run(); });
  command.reads("a token stream on stdin (formats/token_stream.md)");
  command.writes("text on stdout");
  command.option("--vocab DIR", vocab_, "the vocabulary that the stream was made with");
  command.required();
  command.option("--separator TEXT", separator_, "what is written between documents");
  command.example("gpt2-shard cat shards/docs_val_000000.bin | gpt2-tokenize decode --vocab gpt2");
}

void DecodeCommand::run() const {
  const auto tokenizer = text::Tokenizer::load(vocab_);
  formats::TokenStreamReader tokens(std::cin, "standard input");
  if (formats::is_unknown(tokens.header().tokenizer)) {
    cli::notice("the stream does not say which vocabulary it was made with; taking --vocab");
  }
  text::decode_documents(tokens, tokenizer, separator_, std::cout);
}

}  // namespace gpt2::tokenize
