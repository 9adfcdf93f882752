// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <iostream>

#include "formats/json_text.h"
#include "formats/token_shard.h"
#include "libcore/text/tokenizer.h"
#include "tools/gpt2-tokenize/commands.h"
#include "tools/gpt2-tokenize/document_options.h"

namespace gpt2::tokenize {
namespace {

void print_json(const text::EncodeSummary& summary, const text::DocumentSource& source,
                double seconds) {
  formats::JsonWriter json;
  json.begin_object();
  json.key("document_count").value(summary.document_count);
  json.key("null_text_count").value(source.null_text_count());
  json.key("token_count").value(summary.token_count);
  json.key("byte_count").value(summary.text_bytes);
  json.key("seconds").value(seconds);
  json.end_object();
  fmt::print(stderr, "{}\n", json.text());
}

}  // namespace

EncodeCommand::EncodeCommand(cli::Tool& tool) {
  cli::Command& command = tool.command(
      "encode", "Turn documents into a token stream.", [this] { run(); }, true);
  command.reads("text, JSONL and Parquet files, or standard input");
  command.writes("a token stream on stdout (formats/token_stream.md)");
  command.option("--vocab DIR", vocab_, "folder with vocab.json and merges.txt, or tokenizer.json");
  command.required();
  add_document_options(command, input_);
  command.option("--threads N", options_.threads, "threads that encode; 0: one for each CPU");
  command.flag("--json", json_, "at the end, one JSON object of counts and seconds on stderr");
  command.example(
      "gpt2-tokenize --vocab gpt2 docs.jsonl | gpt2-shard --out-dir shards --prefix docs");
}

void EncodeCommand::run() const {
  cli::refuse_binary_to_terminal(STDOUT_FILENO, "a token stream");
  const auto tokenizer = text::Tokenizer::load(vocab_);
  if (tokenizer.end_of_text() == formats::kNoToken) {
    cli::notice("the vocabulary has no <|endoftext|>, so documents are not separated");
  }
  text::DocumentSource source(input_);
  text::EncodeOptions options = options_;
  cli::ProgressLine progress("tokenizing", "B", source.total_bytes());
  options.progress = [&] { progress.update(source.bytes_read()); };

  const auto start = std::chrono::steady_clock::now();
  const auto summary = text::encode_documents(source, tokenizer, options, std::cout);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  progress.clear();
  notice_null_texts(source);
  if (cli::verbosity() > 0) {
    cli::notice(fmt::format("{} documents, {} tokens, {} bytes of text, {:.1f} MB/s",
                            summary.document_count, summary.token_count, summary.text_bytes,
                            static_cast<double>(summary.text_bytes) / 1e6 / seconds));
  }
  if (json_) print_json(summary, source, seconds);
}

}  // namespace gpt2::tokenize
