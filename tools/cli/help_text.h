// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What --help prints, from the option tables.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/cli/option_table.h"

namespace gpt2::cli {

/// What the exit codes of DESIGN 4 mean.
inline constexpr std::array<std::pair<int, std::string_view>, 10> kExitCodes{
    {{0, "done"},
     {64, "usage"},
     {65, "input missing, refused or damaged"},
     {69, "device or network not available"},
     {70, "internal"},
     {73, "output exists or is in use"},
     {74, "reading or writing failed"},
     {75, "stopped by a signal after saving"},
     {76, "training diverged"},
     {78, "configuration contradicts data or checkpoint"}}};

inline constexpr std::string_view kPrecedence =
    "Flags win over the environment (GPT2_OPTION_NAME), which wins over --config.";

/// "--out-dir DIR [options] < STREAM" in pieces that stay on one line.
std::vector<std::string> usage_pieces(Command::Data& command);
/// What the option does, its choices, and its default or that it is required.
std::string explanation_of(const Option& option);

/// The page of a tool without commands, or of one of its commands; at most 100 columns.
std::string help_page(Command::Data& command, const std::vector<Option>& common);
/// The page of a tool with commands: each in turn. `usual` need not be named; may be nullptr.
std::string help_page(Command::Data& tool, const std::vector<Command::Data*>& commands,
                      const Command::Data* usual, const std::vector<Option>& common);

}  // namespace gpt2::cli
