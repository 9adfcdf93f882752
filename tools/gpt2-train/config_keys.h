// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The keys of other trainers' YAML files (nanoGPT, Hugging Face, Lightning and their like), as
// options of gpt2-train.
#pragma once

#include "tools/cli/tool.h"

namespace gpt2::tools {

/// Makes --config of `tool` take them.
void declare_config_keys(cli::Tool& tool);

}  // namespace gpt2::tools
