// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What Python's str does to a text, where an evaluation that is written in Python depends on it.
// All take well-formed UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gpt2::eval {

/// str.strip() and str.rstrip().
std::string_view strip(std::string_view text);
std::string_view strip_right(std::string_view text);
/// len(): code points.
std::uint64_t count_characters(std::string_view text);
/// str.capitalize(), by Unicode's simple mappings: the first character in upper case, the others in
/// lower case. Of a character that becomes several it stays as it is.
/// Throws: UnavailableError if the C library lacks its locale C.UTF-8.
std::string capitalize(std::string_view text);

}  // namespace gpt2::eval
