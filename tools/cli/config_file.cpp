// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/cli/config_file.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "formats/errors.h"
#include "formats/utf8.h"

namespace gpt2::cli {
namespace {

using formats::UsageError;

/// Pipes are read, too: --config <(sed ... train.yaml).
std::string load_text(const std::filesystem::path& path) {
  std::error_code ignored;
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path, ignored)) {
    throw formats::InputError(fmt::format("{}: cannot be read", path.string()));
  }
  constexpr std::size_t kMostBytes = std::size_t{1} << 20;
  std::string text(kMostBytes + 1, '\0');
  file.read(text.data(), std::ssize(text));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMostBytes) {
    throw formats::InputError(fmt::format("{}: has more than {} bytes; is it an option file?",
                                          path.string(), kMostBytes));
  }
  return text;
}

std::vector<std::string> words_of_value(const YAML::Node& value, const std::string& where) {
  const auto scalar = [&](const YAML::Node& node) {
    if (node.IsMap() || node.IsSequence()) {
      throw UsageError(
          fmt::format("{}: is nested; a configuration is one flat map of option names to values "
                      "or lists of values",
                      where));
    }
    if (!node.IsScalar()) throw UsageError(fmt::format("{}: has no value", where));
    return node.Scalar();
  };
  if (!value.IsSequence()) return {scalar(value)};
  std::vector<std::string> words;
  for (const auto& item : value) words.push_back(scalar(item));
  return words;
}

}  // namespace

std::vector<ConfigEntry> load_config_file(const std::filesystem::path& path) {
  const std::string text = load_text(path);
  // yaml-cpp would read another character in place of a broken one: another file's name, perhaps.
  if (const auto good = formats::utf8_prefix_length(text); good < text.size()) {
    const auto line = 1 + std::ranges::count(std::string_view(text).substr(0, good), '\n');
    throw formats::InputError(
        fmt::format("{}:{}: is not UTF-8, as YAML must be", path.string(), line));
  }
  std::vector<YAML::Node> documents;
  try {
    documents = YAML::LoadAll(text);
  } catch (const YAML::Exception& error) {
    throw formats::InputError(
        fmt::format("{}:{}: not YAML: {}", path.string(), error.mark.line + 1, error.msg));
  }
  if (documents.size() > 1) {
    throw UsageError(
        fmt::format("{}: holds {} YAML documents; give one", path.string(), documents.size()));
  }
  std::vector<ConfigEntry> entries;
  std::map<std::string, int> line_of;
  if (documents.empty() || documents.front().IsNull()) return entries;
  const YAML::Node& root = documents.front();
  if (!root.IsMap()) {
    throw UsageError(fmt::format("{}: is not a map of option names to values", path.string()));
  }
  for (const auto& pair : root) {
    const YAML::Node &key = pair.first, &value = pair.second;
    const int line = key.Mark().line + 1;
    if (!key.IsScalar()) {
      throw UsageError(fmt::format("{}:{}: a key is not a word", path.string(), line));
    }
    ConfigEntry entry{.key = key.Scalar(), .words = {}, .line = line};
    std::replace(entry.key.begin(), entry.key.end(), '_', '-');
    const auto [first, is_new] = line_of.emplace(entry.key, line);
    if (!is_new) {
      throw UsageError(fmt::format("{}:{}: {} is set a second time; the first is in line {}",
                                   path.string(), line, entry.key, first->second));
    }
    entry.words = words_of_value(value, fmt::format("{}:{}: {}", path.string(), line, entry.key));
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace gpt2::cli
