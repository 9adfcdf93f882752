// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/cli/config_file.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <map>
#include <sstream>

#include "formats/errors.h"
#include "tools/cli/option_value.h"

namespace gpt2::cli {
namespace {

using formats::UsageError;

/// Pipes are read, too: --config <(sed ... train.yaml).
std::string load_text(const std::filesystem::path& path) {
  const auto refuse = [&](const char* problem) {
    throw formats::InputError(fmt::format("{}: {}", path.string(), problem));
  };
  const auto status = std::filesystem::status(path);
  if (!std::filesystem::exists(status)) refuse("no such file");
  if (std::filesystem::is_directory(status)) refuse("is a folder; name a YAML file");
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) formats::throw_io_error(path.string(), "open");
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

/// Reads a document for nothing but its end.
class PassOver : public YAML::EventHandler {
  using Mark = YAML::Mark;
  using Text = std::string;
  using Anchor = YAML::anchor_t;
  using Style = YAML::EmitterStyle::value;
  void OnDocumentStart(const Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const Mark&, Anchor) override {}
  void OnAlias(const Mark&, Anchor) override {}
  void OnScalar(const Mark&, const Text&, Anchor, const Text&) override {}
  void OnSequenceStart(const Mark&, const Text&, Anchor, Style) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const Mark&, const Text&, Anchor, Style) override {}
  void OnMapEnd() override {}
};

/// The text as its only document; null if it is empty.
YAML::Node parse_document(const std::string& text, const std::string& path) {
  if (const auto bad = find_forbidden_in_yaml(text); bad < text.size()) {
    throw formats::InputError(
        fmt::format("{}:{}: not YAML: holds a control character or what is not UTF-8", path,
                    1 + std::ranges::count(std::string_view(text).substr(0, bad), '\n')));
  }
  try {
    // YAML::LoadAll finds empty documents without end in a text like ",".
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    PassOver pass_over;
    if (parser.HandleNextDocument(pass_over) && parser.HandleNextDocument(pass_over)) {
      throw UsageError(fmt::format("{}: holds more than one YAML document; give one", path));
    }
    return YAML::Load(text);
  } catch (const YAML::Exception& error) {
    throw formats::InputError(
        fmt::format("{}:{}: not YAML: {}", path, error.mark.line + 1, error.msg));
  }
}

/// yaml-cpp makes one byte, no character, of two escapes of YAML.
const std::string& checked_word(const std::string& word, const std::string& where) {
  if (is_utf8(word)) return word;
  throw UsageError(fmt::format("{}: write \\u0085 for \\N and \\u00A0 for \\_", where));
}

std::vector<std::string> words_of_value(const YAML::Node& value, const std::string& where) {
  const auto scalar = [&](const YAML::Node& node) {
    const bool is_empty_map = node.IsMap() && node.size() == 0;
    if (is_empty_map || node.IsNull()) throw UsageError(fmt::format("{}: has no value", where));
    if (!node.IsScalar()) {
      throw UsageError(
          fmt::format("{}: is nested too deep; a value is a word or a list of words", where));
    }
    return checked_word(node.Scalar(), where);
  };
  if (!value.IsSequence()) return {scalar(value)};
  std::vector<std::string> words;
  for (const auto& item : value) words.push_back(scalar(item));
  return words;
}

/// Appends the entries of one map: of the file, or of a group in it.
void add_entries(const YAML::Node& map, const std::string& group, const std::string& path,
                 std::vector<ConfigEntry>& entries) {
  std::map<std::string, int> line_of;
  for (const auto& pair : map) {
    const YAML::Node &key = pair.first, &value = pair.second;
    const int line = key.Mark().line + 1;
    const auto where = fmt::format("{}:{}", path, line);
    if (!key.IsScalar() || key.Scalar().empty()) {
      throw UsageError(fmt::format("{}: a key is not a word", where));
    }
    ConfigEntry entry{.group = group,
                      .key = checked_word(key.Scalar(), where),
                      .spelling = key.Scalar(),
                      .words = {},
                      .line = line};
    std::replace(entry.key.begin(), entry.key.end(), '_', '-');
    const auto [first, is_new] = line_of.emplace(entry.key, line);
    if (!is_new) {
      throw UsageError(fmt::format("{}: {} is set a second time; the first is in line {}", where,
                                   entry.key, first->second));
    }
    if (value.IsMap() && value.size() > 0 && group.empty()) {
      add_entries(value, entry.key, path, entries);
    } else {
      entry.words = words_of_value(value, fmt::format("{}: {}", where, entry.key));
      entries.push_back(std::move(entry));
    }
  }
}

}  // namespace

std::vector<ConfigEntry> load_config_file(const std::filesystem::path& path) {
  const YAML::Node root = parse_document(load_text(path), path.string());
  std::vector<ConfigEntry> entries;
  if (root.IsNull()) return entries;
  if (!root.IsMap()) {
    throw UsageError(
        fmt::format("{}: is not a map of option names to values; write one 'name: value' a line",
                    path.string()));
  }
  add_entries(root, "", path.string(), entries);
  return entries;
}

}  // namespace gpt2::cli
