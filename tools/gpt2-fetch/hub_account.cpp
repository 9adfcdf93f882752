// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/gpt2-fetch/hub_account.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "formats/errors.h"
#include "formats/input_file.h"

namespace gpt2::tools {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// Empty: there is no place for one.
fs::path token_path() {
  if (const auto path = variable("HF_TOKEN_PATH"); !path.empty()) return path;
  if (const auto home = variable("HF_HOME"); !home.empty()) return fs::path(home) / "token";
  if (const auto cache = variable("XDG_CACHE_HOME"); !cache.empty()) {
    return fs::path(cache) / "huggingface/token";
  }
  const auto home = variable("HOME");
  return home.empty() ? fs::path() : fs::path(home) / ".cache/huggingface/token";
}

}  // namespace

std::string hub_endpoint() { return variable("HF_ENDPOINT"); }

std::string hub_token() {
  constexpr std::uint64_t kMostBytes = 4096;
  auto token = variable("HF_TOKEN");
  std::error_code ignored;
  if (token.empty() && fs::is_regular_file(token_path(), ignored)) {
    token = formats::load_file(token_path(), kMostBytes);
  }
  const auto end = token.find_last_not_of(" \r\n");
  token.resize(end == std::string::npos ? 0 : end + 1);
  // A line break in it would be a header of its own.
  if (!std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 0x7F; })) {
    throw formats::UsageError("HF_TOKEN, or the file it is kept in, is not a token of the hub");
  }
  return token;
}

std::string authority_file() {
  auto file = variable("CURL_CA_BUNDLE");
  return file.empty() ? variable("SSL_CERT_FILE") : file;
}

}  // namespace gpt2::tools
