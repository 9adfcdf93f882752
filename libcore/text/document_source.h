// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Documents out of files: plain text and JSONL, packed by gzip or zstd or not, and Parquet. Memory
// is bounded by the longest line of JSONL, the longest pre-token of text or the largest page of
// Parquet, not by the input.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gpt2::text {

struct DocumentInput {
  std::vector<std::string> files;   // "-" is standard input; none: standard input alone
  std::string format = "auto";      // text, jsonl, parquet; auto: by name, else text
  std::string text_field = "text";  // of a line of JSONL; the column of Parquet
  std::string separator;            // divides text into documents; empty: a file is one document
};

/// A whole document, or a part of one that ends at a safe cut (libcore/text/pretokenizer.h).
struct TextPiece {
  std::string text;
  bool begins_document = true;
};

/// Reads the documents of all files in order. Null texts are passed over. In JSONL, so are blank
/// lines, a byte-order mark at the start is skipped, and a lone surrogate escape becomes U+FFFD.
/// Text is never changed.
class DocumentSource {
 public:
  /// Throws: UsageError for an unknown format; InputError for a file that is not there or a kind
  /// that is not read.
  explicit DocumentSource(DocumentInput input);
  ~DocumentSource();
  /// Gives the next piece, false at the end. Throws: InputError naming file and line; IoError.
  bool next(TextPiece& piece);

  std::uint64_t document_count() const { return document_count_; }
  std::uint64_t null_text_count() const { return null_text_count_; }
  /// Bytes of the files as they are stored, packed ones too.
  std::uint64_t bytes_read() const { return bytes_read_; }
  /// Of all files; 0 when one of them is a pipe.
  std::uint64_t total_bytes() const { return total_bytes_; }

 private:
  class ByteWindow;
  class Reader;
  class TextReader;
  class JsonlReader;
  class ParquetReader;
  std::unique_ptr<Reader> open_reader(const std::string& path);
  DocumentInput input_;
  std::size_t next_file_ = 0;
  std::unique_ptr<Reader> reader_;  // of the file that is being read
  std::uint64_t document_count_ = 0, null_text_count_ = 0, bytes_read_ = 0, total_bytes_ = 0;
};

}  // namespace gpt2::text
