// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Texts out of JSONL come back equal when they are written as JSONL; a text divided at a separator
// comes back when its documents are joined by it.
#include <optional>

#include "formats/errors.h"
#include "formats/json_text.h"
#include "libcore/text/document_source.h"
#include "tests/fuzz/fuzz_target.h"

namespace gpt2::fuzz {
namespace {

using Texts = std::vector<std::string>;

/// Nothing if the input is refused.
std::optional<Texts> read(const text::DocumentInput& input) {
  Texts texts;
  try {
    text::DocumentSource source(input);
    for (text::TextPiece piece; source.next(piece);) {
      if (piece.begins_document) texts.emplace_back();
      texts.back() += piece.text;
    }
    require(source.document_count() == texts.size(), "the count is that of the documents");
  } catch (const formats::InputError&) {
    return {};
  }
  return texts;
}

void check_jsonl(std::string_view input) {
  const auto read_lines = [](std::string_view lines) {
    return read({.files = {write_scratch_file("documents", lines)}, .format = "jsonl"});
  };
  const auto texts = read_lines(input);
  if (!texts) return;
  std::string written;
  for (const auto& text : *texts) written += "{\"text\": " + formats::json_quote(text) + "}\n";
  require(read_lines(written) == texts, "the same documents come back");
}

void check_text(std::string_view input) {
  const std::string separator = "\n--\n";
  const auto whole = "x" + std::string(input);  // so that it does not begin as gzip or zstd
  const auto texts = read({.files = {write_scratch_file("documents", whole)},
                           .format = "text",
                           .separator = separator});
  if (!texts) return;  // it begins as another packing, which is not read
  require(!texts->empty(), "every file is a text");
  std::string joined = texts->front();
  for (std::size_t i = 1; i < texts->size(); ++i) joined += separator + (*texts)[i];
  require(joined == whole, "the documents and what divides them are the text");
}

}  // namespace

void check(std::string_view input) {
  check_jsonl(input);
  check_text(input);
}

}  // namespace gpt2::fuzz
