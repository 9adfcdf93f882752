// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The entries of a --config file as values of options, whatever program's names they have.
#pragma once

#include <string>

#include "tools/cli/option_table.h"

namespace gpt2::cli {

/// Sets the options that the file names, by their own names or by one of table.config_keys; notices
/// say which keys were read as another option, and which set nothing. Throws: as load_config_file;
/// UsageError for unknown groups and keys, and for values that an option does not take.
void set_from_config_file(const std::string& path, Command::Data& table);

}  // namespace gpt2::cli
