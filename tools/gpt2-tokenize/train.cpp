// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <fmt/format.h>

#include <filesystem>

#include "formats/errors.h"
#include "formats/json_text.h"
#include "formats/temporary_path.h"
#include "formats/tokenizer_files.h"
#include "libcore/text/tokenizer.h"
#include "tools/gpt2-tokenize/commands.h"
#include "tools/gpt2-tokenize/document_options.h"

namespace gpt2::tokenize {
namespace {

constexpr std::uint64_t kContext = 1024;  // GPT-2's, for model_max_length

text::PretokenCounts count_pretokens(text::DocumentSource& source) {
  text::PretokenCounts counts;
  cli::ProgressLine progress("reading", "B", source.total_bytes());
  for (text::TextPiece piece; source.next(piece);) {
    counts.add(piece.text);
    progress.update(source.bytes_read());
  }
  return counts;
}

void print_json(const text::DocumentSource& source, std::size_t word_count,
                const formats::TokenizerFiles& files) {
  formats::JsonWriter json;
  json.begin_object();
  json.key("document_count").value(source.document_count());
  json.key("null_text_count").value(source.null_text_count());
  json.key("distinct_word_count").value(std::uint64_t{word_count});
  json.key("vocab_size").value(files.vocab_size());
  json.key("tokenizer").value(formats::to_hex(text::Tokenizer(files).fingerprint()));
  json.end_object();
  cli::print(json.text() + "\n");
}

}  // namespace

TrainCommand::TrainCommand(cli::Tool& tool) {
  cli::Command& command =
      tool.command("train", "Train a vocabulary on documents.", [this] { run(); });
  command.reads("text, JSONL and Parquet files, or standard input");
  command.writes("vocab.json, merges.txt, tokenizer.json and tokenizer_config.json in --out");
  command.option("--vocab-size N", training_.vocab_size,
                 "entries: 256 bytes, merges and <|endoftext|>");
  command.option("--out DIR", out_, "folder for the vocabulary; made if missing");
  command.required();
  command.option("--min-frequency N", training_.min_frequency,
                 "a pair that occurs less often is not merged");
  command.flag("--force", force_, "replace a vocabulary that --out holds");
  add_document_options(command, input_);
  command.flag("--json", json_, "at the end, one JSON object of counts on stdout");
  command.example("gpt2-tokenize train --vocab-size 8192 --out vocab book.txt");
}

void TrainCommand::run() const {
  text::check_training(training_);
  if (std::filesystem::exists(out_) && !std::filesystem::is_directory(out_)) {
    throw formats::ExistsError(fmt::format("{}: exists and is not a folder", out_));
  }
  if (!force_ && formats::has_tokenizer_files(out_)) {
    throw formats::ExistsError(
        fmt::format("{}: holds a vocabulary already; choose another folder or give --force", out_));
  }
  text::DocumentSource source(input_);
  const text::PretokenCounts counts = count_pretokens(source);
  notice_null_texts(source);
  if (counts.words().empty()) {
    throw formats::InputError("there is no text to train on: every document is empty");
  }

  text::BpeTraining training = training_;
  cli::ProgressLine progress("merging", "entries", training.vocab_size);
  training.progress = [&](std::uint32_t entries) { progress.update(entries); };
  const formats::TokenizerFiles files = text::train_bpe(counts, training);
  progress.clear();
  if (files.vocab_size() < training.vocab_size) {
    cli::notice(fmt::format(
        "no pair of tokens occurs {} times any more: the vocabulary has {} entries, not {}",
        training.min_frequency, files.vocab_size(), training.vocab_size));
  }
  formats::MadePaths made;
  made.make_folder(out_);
  formats::save_tokenizer_files(out_, files, kContext);
  made.keep();
  if (json_) print_json(source, counts.words().size(), files);
  if (cli::verbosity() > 0) {
    cli::notice(fmt::format("{} documents, {} bytes, {} distinct words, {} entries in {}",
                            source.document_count(), source.bytes_read(), counts.words().size(),
                            files.vocab_size(), out_));
  }
}

}  // namespace gpt2::tokenize
