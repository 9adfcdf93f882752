// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The contents of formats/samples: small files that readers must accept or refuse, made from code
// so that the reason of each stands in its name and nowhere else.
#pragma once

#include <map>
#include <string>

namespace gpt2::formats {

/// Path below formats/samples -> bytes. accepted/NAME.FORMAT, refused/FIELD__REASON.FORMAT; the
/// error of a refused file names FIELD. FORMAT is shard, stream, safetensors, manifest, gz, zst,
/// parquet, llmc or tokenizer (a folder). written/NAME.FORMAT: what a writer makes that has no
/// reader here, gguf and llmc_tokenizer.
std::map<std::string, std::string> sample_files();

}  // namespace gpt2::formats
