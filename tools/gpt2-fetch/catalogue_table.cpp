// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/gpt2-fetch/catalogue_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/json_text.h"
#include "libcore/fetch/catalogue.h"
#include "tools/cli/tool.h"

namespace gpt2::tools {
namespace {

using fetch::DataSet;
using fetch::KnownFile;

std::string row(std::string_view name, std::string_view files, std::string_view bytes,
                std::string_view licence, std::string_view about) {
  return fmt::format("{:<22} {:>5} {:>6}  {:<13} {}\n", name, files, bytes, licence, about);
}

/// The sum of the sizes; empty if one is not known.
std::string total_size(const DataSet& set) {
  std::uint64_t sum = 0;
  for (const auto& file : set.files) {
    if (file.bytes == 0) return {};
    sum += file.bytes;
  }
  return sum == 0 ? "" : cli::short_number(static_cast<double>(sum));
}

void add_file(formats::JsonWriter& json, const KnownFile& file) {
  json.begin_object().key("name").value(file.name).key("url").value(file.url);
  json.key("bytes");
  file.bytes > 0 ? json.value(file.bytes) : json.null();
  const auto hash = [&](std::string_view key, fetch::ContentHash::Kind kind) {
    json.key(key);
    file.hash.kind == kind ? json.value(file.hash.hex) : json.null();
  };
  hash("sha256", fetch::ContentHash::Kind::kSha256);
  hash("git_blob", fetch::ContentHash::Kind::kGitBlob);
  json.end_object();
}

}  // namespace

std::string catalogue_table() {
  auto table = row("name", "files", "bytes", "licence", "what");
  for (const auto& set : fetch::catalogue()) {
    const auto size = total_size(set);
    table += row(set.name, set.files.empty() ? "?" : std::to_string(set.files.size()),
                 size.empty() ? "?" : size, set.licence, set.about);
  }
  return table;
}

std::string catalogue_json() {
  std::string lines;
  for (const auto& set : fetch::catalogue()) {
    formats::JsonWriter json;
    json.begin_object().key("name").value(set.name).key("about").value(set.about);
    json.key("licence").value(set.licence);
    json.key("files");
    if (set.files.empty()) {
      json.null();  // the hub lists them
    } else {
      json.begin_array();
      for (const auto& file : set.files) add_file(json, file);
      json.end_array();
    }
    json.end_object();
    lines += json.text() + "\n";
  }
  return lines;
}

}  // namespace gpt2::tools
