// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Addresses: whom they lead to, and what file they name.
#pragma once

#include <string>
#include <string_view>

namespace gpt2::fetch {

/// An absolute address of http or https.
struct Url {
  std::string text;    // whole, without fragment
  std::string origin;  // "https://host:443": the same for all that one server answers
  bool secure = false;
  /// Without what follows "?", which may be a signature that is nobody's business.
  std::string shown() const { return text.substr(0, text.find('?')); }
};

/// Throws: UsageError unless `text` is an absolute http or https address without user and password.
Url parse_url(std::string_view text);
/// Where `location`, said by `base`, leads. Throws: InputError unless it is http or https, without
/// user and password, and not from https to http.
Url follow_url(const Url& base, std::string_view location);

/// The last part of the path, decoded. Throws: UsageError unless is_plain_file_name().
std::string file_name_of(const Url& url);
/// Is `name` one that stays in its folder and can be shown: no separator, control character or
/// leading dot, and neither empty nor longer than a file system takes?
bool is_plain_file_name(std::string_view name);

/// `base` and `path` with one slash between.
std::string join_url(std::string_view base, std::string_view path);

}  // namespace gpt2::fetch
