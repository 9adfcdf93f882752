// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tests/layers/layer_rules.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <set>
#include <string_view>

namespace gpt2::layers {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 4> kTopFolders{"formats", "libcore", "tools", "tests"};
constexpr std::array<std::string_view, 13> kLibcoreFolders{
    "text",  "fetch", "device", "kernels", "comm",    "data", "model",
    "optim", "eval",  "sample", "train",   "convert", "plot"};
constexpr std::array<std::string_view, 3> kBackends{"_cuda", "_nccl", "_mpi"};

template <std::size_t count>
std::size_t place_in(const std::array<std::string_view, count>& names, std::string_view name) {
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

std::string part(const fs::path& path, std::size_t number) {
  auto element = path.begin();
  for (; number > 0 && element != path.end(); --number) ++element;
  return element == path.end() ? "" : element->string();
}

bool is_source(const fs::path& path) {
  const std::string ending = path.extension().string();
  return ending == ".h" || ending == ".cuh" || ending == ".cpp" || ending == ".cu";
}
bool is_header(const fs::path& path) { return path.extension() == ".h"; }

bool is_of_backend(const fs::path& path) {
  const std::string stem = path.stem().string();
  return path.extension() == ".cu" || path.extension() == ".cuh" ||
         std::any_of(kBackends.begin(), kBackends.end(),
                     [&stem](std::string_view backend) { return stem.ends_with(backend); });
}

bool picks_a_twin(const fs::path& path) {
  return path.filename().string().starts_with("open_") && path.extension() == ".cpp";
}

/// A header of CUDA, NCCL or MPI themselves.
bool is_backend_library(std::string_view name) {
  constexpr std::array<std::string_view, 6> kBeginnings{"cuda", "cublas", "cudnn",
                                                        "nccl", "nvml",   "nvtx"};
  return name == "mpi.h" || (name.ends_with(".h") &&
                             std::any_of(kBeginnings.begin(), kBeginnings.end(),
                                         [name](auto start) { return name.starts_with(start); }));
}

/// Why `file` may not include `included` (both from the root); empty if it may.
std::string forbidden(const fs::path& file, const fs::path& included) {
  const std::string from = part(file, 0), to = part(included, 0);
  if (from == "tests") return "";
  if (to == "tests") return "includes tests, which nothing may";
  if (place_in(kTopFolders, to) > place_in(kTopFolders, from)) {
    return from + " may not include " + to + ", which is above it";
  }
  const std::string from_folder = part(file, 1), to_folder = part(included, 1);
  if (from == "tools" && to == "tools" && to_folder != "cli" && to_folder != from_folder) {
    return "tools/" + from_folder + " may not include another tool, tools/" + to_folder;
  }
  if (from == "libcore" && to == "libcore" && from_folder != to_folder) {
    if (from_folder == "data" && included != "libcore/kernels/philox.h") {
      return "libcore/data may include only kernels/philox.h of libcore";
    }
    if (place_in(kLibcoreFolders, to_folder) > place_in(kLibcoreFolders, from_folder)) {
      return "libcore/" + from_folder + " may not include libcore/" + to_folder +
             ", which is above it";
    }
  }
  if (is_of_backend(included) && !is_of_backend(file) && !picks_a_twin(file)) {
    return "only files of a twin and open_*.cpp may include " + included.string();
  }
  return "";
}

/// A line "# name words" of the preprocessor; empty for every other line.
struct Directive {
  std::string_view name, words;
};
Directive split_directive(std::string_view line) {
  constexpr std::string_view kBlanks = " \t";
  const auto skip_blanks = [&line] {
    line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  };
  skip_blanks();
  if (!line.starts_with('#')) return {};
  line.remove_prefix(1);
  skip_blanks();
  const auto name = line.substr(0, line.find_first_not_of("abcdefghijklmnopqrstuvwxyz"));
  line.remove_prefix(name.size());
  skip_blanks();
  return {name, line};
}

bool asks_for_backend(std::string_view directive, std::string_view words) {
  return (directive.starts_with("if") || directive == "elif") &&
         words.find("GPT2_WITH_") != std::string_view::npos;
}

class Rules {
 public:
  explicit Rules(fs::path root) : root_(std::move(root)) {
    for (const auto top : kTopFolders) {
      if (!fs::exists(root_ / top)) {
        report(top, 0, "is missing");
        continue;
      }
      for (const auto& entry : fs::recursive_directory_iterator(root_ / top)) {
        if (entry.is_regular_file()) files_.push_back(entry.path().lexically_relative(root_));
      }
    }
    std::sort(files_.begin(), files_.end());
  }

  std::vector<std::string> check() {
    for (const auto& file : files_) {
      if (is_source(file)) check_lines(file);
    }
    check_names();
    std::sort(broken_.begin(), broken_.end());
    return std::move(broken_);
  }

 private:
  void report(const fs::path& file, std::size_t line, const std::string& sentence) {
    broken_.push_back(file.string() + ":" + std::to_string(line) + ": " + sentence);
  }

  void check_lines(const fs::path& file) {
    if (file.string().starts_with("libcore/") &&
        place_in(kLibcoreFolders, part(file, 1)) == kLibcoreFolders.size()) {
      report(file, 1,
             "libcore/" + part(file, 1) + " has no place in the order of libcore's folders");
    }
    std::ifstream stream(root_ / file);
    std::string line;
    for (std::size_t number = 1; std::getline(stream, line); ++number) {
      const auto [name, words] = split_directive(line);
      if (name == "include") {
        check_include(file, number, words);
      } else if (is_header(file) && !is_of_backend(file) && asks_for_backend(name, words)) {
        report(file, number, "a header must be the same with and without a backend");
      }
    }
  }

  /// `words` begins with the name in quotes or angle brackets; a macro in its place has neither.
  void check_include(const fs::path& file, std::size_t line, std::string_view words) {
    const bool quoted = words.starts_with('"');
    if (!quoted && !words.starts_with('<')) return;
    const fs::path name = words.substr(1, words.find_first_of("\">", 1) - 1);
    if (!quoted) {
      if (is_backend_library(name.string()) && !is_of_backend(file) && part(file, 0) != "tests") {
        report(file, line, "only files of a twin may include <" + name.string() + ">");
      }
    } else if (!std::binary_search(files_.begin(), files_.end(), name)) {
      report(file, line, "\"" + name.string() + "\" is no file from the root of the tree");
    } else if (const auto reason = forbidden(file, name); !reason.empty()) {
      report(file, line, reason);
    }
  }

  void check_names() {
    static const std::set<std::string> free_names{"main.cpp", "CMakeLists.txt", "README.md"};
    std::map<std::string, fs::path> folder_of;  // by the name before the dot
    std::map<std::string, fs::path> tests;      // by file name
    for (const auto& file : files_) {
      const std::string name = file.filename().string();
      if (free_names.contains(name) || (!is_source(file) && file.extension() != ".md")) continue;
      if (part(file, 0) == "tests") {
        const auto [first, is_new] = tests.emplace(name, file);
        if (!is_new) report(file, 1, "has the name of " + first->second.string());
        continue;
      }
      const auto [first, is_new] = folder_of.emplace(file.stem().string(), file.parent_path());
      if (!is_new && first->second != file.parent_path()) {
        report(file, 1, "its name stands in " + first->second.string() + " already");
      }
    }
  }

  fs::path root_;
  std::vector<fs::path> files_;  // from the root, sorted
  std::vector<std::string> broken_;
};

}  // namespace

std::vector<std::string> broken_rules(const fs::path& root) { return Rules(root).check(); }

}  // namespace gpt2::layers
