// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Samples of the files that documents come in, packed text and Parquet, and of torch.save.
#pragma once

#include <map>
#include <string>

namespace gpt2::formats {

/// Adds them to what sample_files() gives. FORMAT is gz, zst, parquet or torch.
void add_packed_samples(std::map<std::string, std::string>& samples);
void add_parquet_samples(std::map<std::string, std::string>& samples);
void add_torch_samples(std::map<std::string, std::string>& samples);

}  // namespace gpt2::formats
