// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What bash offers when the tab key is pressed, from the option tables.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/option_table.h"

namespace gpt2::cli {

/// A script for bash to read. It offers commands, options, the choices of an option, and file names
/// elsewhere. Arguments as man_page's.
std::string bash_completion(Command::Data& tool, const std::vector<Command::Data*>& commands,
                            const Command::Data* usual, const std::vector<Option>& common);

}  // namespace gpt2::cli
