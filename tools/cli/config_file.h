// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// --config FILE.yaml: a map of option names to a value or a list of values, perhaps in groups.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace gpt2::cli {

struct ConfigEntry {
  std::string group;     // of "training: {seed: 1}", training; empty on top
  std::string key;       // as an option is spelled: out-dir, also for out_dir
  std::string spelling;  // as the file has it
  std::vector<std::string> words;
  int line = 0;  // from 1
};

/// The file's entries in their order. Throws: InputError when it is missing or not YAML; UsageError
/// for groups in groups, keys named twice in one group and keys without a value; each names file
/// and line.
std::vector<ConfigEntry> load_config_file(const std::filesystem::path& path);

}  // namespace gpt2::cli
