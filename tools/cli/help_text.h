// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What --help prints, from the option tables.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/option_table.h"

namespace gpt2::cli {

/// The page of a tool without commands, or of one of its commands; at most 100 columns.
std::string help_page(Command::Data& command, const std::vector<Option>& common);
/// The page of a tool with commands: each in turn. `usual` need not be named; may be nullptr.
std::string help_page(Command::Data& tool, const std::vector<Command::Data*>& commands,
                      const Command::Data* usual, const std::vector<Option>& common);

}  // namespace gpt2::cli
