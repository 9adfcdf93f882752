// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What encode and train share: the options that say which documents are read.
#pragma once

#include "libcore/text/document_source.h"
#include "tools/cli/tool.h"

namespace gpt2::tokenize {

void add_document_options(cli::Command& command, text::DocumentInput& input);
/// Says how many documents had null for a text, if any had.
void notice_null_texts(const text::DocumentSource& source);

}  // namespace gpt2::tokenize
