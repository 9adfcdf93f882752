// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// How the tool speaks on stderr; set once by Tool::run, read by everything that says something.
#pragma once

#include <string>
#include <string_view>

namespace gpt2::cli {

struct Console {
  std::string tool_name;
  int verbosity = 0;
  std::string progress = "auto";  // auto, on or off
};
Console& console();

/// "tool: text" on stderr, even with -q; control characters are made visible, so it is one line.
void complain(std::string_view text);

}  // namespace gpt2::cli
