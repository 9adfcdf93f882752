// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Entries of a --config file that is accepted come back equal when they are written as
// --print-config writes them.
#include "formats/errors.h"
#include "tests/fuzz/fuzz_target.h"
#include "tools/cli/config_file.h"
#include "tools/cli/option_value.h"

namespace gpt2::fuzz {

void check(std::string_view input) {
  std::vector<cli::ConfigEntry> entries;
  try {
    entries = cli::load_config_file(write_scratch_file("config.yaml", input));
  } catch (const formats::InputError&) {
    return;
  } catch (const formats::UsageError&) {
    return;
  }
  std::string written, group;
  for (auto& entry : entries) {
    if (entry.group != group && !entry.group.empty()) {
      written += cli::yaml_of(&entry.group) + ":\n";
    }
    group = entry.group;
    if (!group.empty()) written += "  ";
    written += cli::yaml_of(&entry.key) + ": " + cli::yaml_of(&entry.words) + "\n";
  }
  const auto again = cli::load_config_file(write_scratch_file("config.yaml", written));
  require(again.size() == entries.size(), "the same entries come back");
  for (std::size_t i = 0; i < entries.size(); ++i) {
    require(again[i].group == entries[i].group, "an entry keeps its group");
    require(again[i].key == entries[i].key, "an entry keeps its key");
    require(again[i].words == entries[i].words, "an entry keeps its words");
  }
}

}  // namespace gpt2::fuzz
