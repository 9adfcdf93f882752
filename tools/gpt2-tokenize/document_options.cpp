// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/gpt2-tokenize/document_options.h"

#include <fmt/format.h>

namespace gpt2::tokenize {

void add_document_options(cli::Command& command, text::DocumentInput& input) {
  command.choice("--format KIND", input.format, {"auto", "text", "jsonl", "parquet"},
                 "auto: .jsonl and .parquet by their names, all else text");
  command.option("--text-field NAME", input.text_field,
                 "field of a JSONL line, or column of Parquet, that holds the text");
  command.option("--separator TEXT", input.separator,
                 "divides text into documents; without it a file is one document");
  command.positional("FILE...", input.files,
                     "files to read, packed by gzip or zstd or not; - or none: standard input");
}

void notice_null_texts(const text::DocumentSource& source) {
  const auto count = source.null_text_count();
  if (count == 0) return;
  cli::notice(fmt::format("passed over {} {} whose text is null", count,
                          count == 1 ? "document" : "documents"));
}

}  // namespace gpt2::tokenize
