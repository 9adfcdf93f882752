// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What zsh offers when the tab key is pressed, from the option tables.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/option_table.h"

namespace gpt2::cli {

/// A function for a folder of zsh's fpath. It offers commands, options with what they do, the
/// choices of an option, and file names elsewhere. Arguments as man_page's.
std::string zsh_completion(Command::Data& tool, const std::vector<Command::Data*>& commands,
                           const Command::Data* usual, const std::vector<Option>& common);

}  // namespace gpt2::cli
