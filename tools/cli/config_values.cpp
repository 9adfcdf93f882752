// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/cli/config_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "formats/errors.h"
#include "tools/cli/config_file.h"

namespace gpt2::cli {
namespace {

using formats::UsageError;
using Words = std::vector<std::string>;

/// nullptr: the entry has a name of our own, or an unknown one.
const ConfigKey* find_key(const std::vector<ConfigKey>& keys, const ConfigEntry& entry) {
  for (const auto& name : {entry.group + "." + entry.key, entry.key}) {
    const auto found =
        std::ranges::find_if(keys, [&](const ConfigKey& key) { return key.key == name; });
    if (found != keys.end()) return &*found;
  }
  return nullptr;
}

/// Names that would do in the place of an unknown one.
Words names_in_group(Command::Data& table, const std::string& group) {
  Words names = names_of(table.all_options());
  const std::string prefix = group + ".";
  for (const auto& [key, option, note, values] : table.config_keys) {
    if (key.starts_with(prefix)) {
      names.push_back(key.substr(prefix.size()));
    } else if (key.find('.') == std::string::npos) {
      names.push_back(key);
    }
  }
  return names;
}

/// The word of another program's file as the option takes it.
std::string translated(const ConfigKey& key, const std::string& word, const std::string& where) {
  if (key.values.empty()) return word;
  std::string plain = word;
  std::ranges::transform(plain, plain.begin(), [](char c) {
    return c == '_' ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const bool is_number = word.find_first_not_of("0123456789") == std::string::npos;
  Words known;
  for (const auto& [theirs, ours] : key.values) {
    if (theirs == plain) return ours;
    if (theirs == "#" && is_number) return ours.substr(0, ours.find('#')) + word;
    known.push_back(theirs == "#" ? "a number" : theirs);
  }
  throw UsageError(fmt::format("{}: '{}' is none of {}", where, word, fmt::join(known, ", ")));
}

/// Sets options and remembers which line did.
class Setter {
 public:
  Setter(const std::string& path, Command::Data& table) : path_(path), table_(table) {}

  void set(const ConfigEntry& entry) {
    const auto where = fmt::format("{}:{}", path_, entry.line);
    const auto& groups = table_.config_groups;
    if (!entry.group.empty() && std::ranges::find(groups, entry.group) == groups.end()) {
      throw UsageError(groups.empty()
                           ? fmt::format("{}: {} is in a group; write one 'name: value' a line",
                                         where, entry.key)
                           : fmt::format("{}: unknown group {}{}", where, entry.group,
                                         advice_on(entry.group, groups, "")));
    }
    if (const auto* key = find_key(table_.config_keys, entry))
      return set_by_key(entry, *key, where);
    if (table_.find(entry.key) == nullptr) {
      throw UsageError(fmt::format("{}: unknown key {}{}", where, entry.key,
                                   advice_on(entry.key, names_in_group(table_, entry.group), "")));
    }
    set_option(entry, entry.key, entry.words, where);
  }

  void tell() const {
    if (!renamed_.empty()) notice(fmt::format("{}: read {}", path_, fmt::join(renamed_, ", ")));
  }

 private:
  void set_by_key(const ConfigEntry& entry, const ConfigKey& key, const std::string& where) {
    const auto named = fmt::format("{}: {}", where, entry.key);
    Words words;
    for (const auto& word : entry.words) words.push_back(translated(key, word, named));
    if (key.option.empty()) {
      return notice(
          fmt::format("{}: {} changes nothing here: {}", where, entry.spelling, key.note));
    }
    Words options;
    for (std::size_t begin = 0; begin < key.option.size();) {
      const auto end = std::min(key.option.find(' ', begin), key.option.size());
      options.push_back(key.option.substr(begin, end - begin));
      begin = end + 1;
    }
    if (options.size() > 1 && words.size() != options.size()) {
      throw UsageError(fmt::format("{}: takes a list of {}", named, fmt::join(options, " and ")));
    }
    for (std::size_t i = 0; i < options.size(); ++i) {
      set_option(entry, options[i], options.size() > 1 ? Words{words[i]} : words, where);
    }
    if (words != entry.words) {
      renamed_.push_back(
          fmt::format("{} {} as {} {}", entry.spelling, entry.words[0], options[0], words[0]));
    } else if (options.front() != entry.key) {
      renamed_.push_back(fmt::format("{} as {}", entry.spelling, fmt::join(options, " and ")));
    }
  }

  void set_option(const ConfigEntry& entry, const std::string& name, const Words& words,
                  const std::string& where) {
    const auto [first, is_new] = line_of_.emplace(name, entry.line);
    if (!is_new) {
      throw UsageError(fmt::format("{}: {} sets {} a second time; the first is in line {}", where,
                                   entry.key, name, first->second));
    }
    auto& option = *table_.find(name);
    option.set(words, fmt::format("{}: {}", where, entry.key));
    option.source = Source::kFile;
    option.place = where;
  }

  const std::string& path_;
  Command::Data& table_;
  std::map<std::string, int> line_of_;  // by option
  Words renamed_;
};

}  // namespace

void set_from_config_file(const std::string& path, Command::Data& table) {
  Setter setter(path, table);
  for (const auto& entry : load_config_file(path)) setter.set(entry);
  setter.tell();
}

}  // namespace gpt2::cli
