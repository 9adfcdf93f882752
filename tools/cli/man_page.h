// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The man page of a tool, from the option tables that --help is printed from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/cli/option_table.h"

namespace gpt2::cli {

/// The page in man(7). `commands` is empty for a tool without commands; `usual` need not be named
/// by its user, and may be nullptr.
std::string man_page(Command::Data& tool, const std::vector<Command::Data*>& commands,
                     const Command::Data* usual, const std::vector<Option>& common,
                     std::string_view version);

}  // namespace gpt2::cli
