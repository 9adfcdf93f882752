// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The catalogue for people and for programs.
#pragma once

#include <string>

namespace gpt2::tools {

/// One line a data set, under a heading.
std::string catalogue_table();
/// One JSON object a data set, with its files; what is not known is null.
std::string catalogue_json();

}  // namespace gpt2::tools
