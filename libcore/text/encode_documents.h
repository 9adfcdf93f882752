// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Documents to a token stream and back (formats/token_stream.md).
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string_view>

#include "formats/token_stream.h"
#include "libcore/text/document_source.h"
#include "libcore/text/tokenizer.h"

namespace gpt2::text {

struct EncodeOptions {
  unsigned threads = 0;            // that encode; 0: one for each CPU that this process may use
  std::function<void()> progress;  // called between batches; may be empty
};

struct EncodeSummary {
  std::uint64_t document_count = 0, token_count = 0;
  std::uint64_t text_bytes = 0;  // of the documents
};

/// Writes every document as end-of-text and its ids, in order; without end-of-text in the
/// vocabulary documents are not separated. The output does not depend on the number of threads.
/// Throws: UsageError for more than 1024 threads; InputError; IoError.
EncodeSummary encode_documents(DocumentSource& source, const Tokenizer& tokenizer,
                               const EncodeOptions& options, std::ostream& out);

/// Writes the bytes of every document, and `separator` for each end-of-text but one that begins the
/// stream. Throws: InputError when the stream was made with another vocabulary or is damaged;
/// IoError.
void decode_documents(formats::TokenStreamReader& tokens, const Tokenizer& tokenizer,
                      std::string_view separator, std::ostream& out);

}  // namespace gpt2::text
