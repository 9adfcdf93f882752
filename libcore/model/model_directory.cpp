// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/model/model_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>
#include <system_error>
#include <utility>

#include "formats/errors.h"
#include "formats/llmc.h"
#include "formats/torch_checkpoint.h"
#include "libcore/model/gpt2_config.h"

namespace gpt2::model {
namespace {

namespace fs = std::filesystem;
using formats::InputError;

constexpr const char* kCheckpointsName = "checkpoints";

/// False also when it cannot be told: reading the path then says why.
bool is_there(const fs::path& path) {
  std::error_code unknown;
  return fs::exists(path, unknown);
}
bool is_folder(const fs::path& path) {
  std::error_code unknown;
  return fs::is_directory(path, unknown);
}

bool is_number_of_digits(std::string_view text, std::size_t least) {
  return text.size() >= least &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_checkpoint_name(std::string_view name) {
  if (name == "final") return true;
  if (name.starts_with("step_")) return is_number_of_digits(name.substr(5), 8);
  if (name.starts_with("epoch_")) return is_number_of_digits(name.substr(6), 4);
  return false;
}

/// The step of a checkpoint by its manifest. One that cannot be read counts by its name, or as the
/// newest, so that a reader meets it, and reports it, before it falls back to an older one.
std::uint64_t step_of(const fs::path& checkpoint) {
  try {
    return formats::load_checkpoint_manifest(checkpoint).step;
  } catch (const formats::Error&) {
    const auto name = checkpoint.filename().string();
    std::uint64_t step = std::numeric_limits<std::uint64_t>::max();
    if (name.starts_with("step_"))
      std::from_chars(name.data() + 5, name.data() + name.size(), step);
    return step;
  }
}

}  // namespace

std::vector<fs::path> list_checkpoints(const fs::path& run) {
  std::error_code failed;
  fs::directory_iterator entries(run / kCheckpointsName, failed);
  if (failed == std::errc::no_such_file_or_directory) return {};
  if (failed) {
    throw InputError(fmt::format("{}: {}", (run / kCheckpointsName).string(), failed.message()));
  }
  std::vector<std::pair<std::uint64_t, fs::path>> found;
  for (const auto& entry : entries) {
    if (entry.is_directory() && is_checkpoint_name(entry.path().filename().string())) {
      found.emplace_back(step_of(entry.path()), entry.path());
    }
  }
  // Of one step, step_ comes before final and epoch_: the order is the same every time.
  std::sort(found.begin(), found.end(), std::greater<>());
  std::vector<fs::path> checkpoints;
  for (auto& [step, path] : found) checkpoints.push_back(std::move(path));
  return checkpoints;
}

ModelDirectory open_checkpoint(const fs::path& directory) {
  auto manifest = formats::load_checkpoint_manifest(directory);
  formats::verify_checkpoint(directory, manifest);
  return {directory, std::move(manifest)};
}

std::optional<ModelDirectory> newest_checkpoint(const fs::path& run,
                                                std::vector<std::string>& notices) {
  const auto directories = list_checkpoints(run);
  std::string newest_problem;
  for (const auto& directory : directories) {
    try {
      return open_checkpoint(directory);
    } catch (const formats::Error& error) {
      if (newest_problem.empty()) newest_problem = error.what();
      notices.push_back(fmt::format("{}; the checkpoint before it is tried", error.what()));
    }
  }
  if (directories.empty()) return {};
  throw InputError(fmt::format("{}: none of its {} checkpoints is whole ({})", run.string(),
                               directories.size(), newest_problem));
}

ModelDirectory open_model_directory(const fs::path& given, std::vector<std::string>& notices) {
  if (!is_there(given)) {
    throw InputError(
        fmt::format("{}: there is no such file or folder; give a checkpoint, a Hugging Face GPT-2 "
                    "directory, a run folder or a model file of llm.c or nanoGPT",
                    given.string()));
  }
  if (formats::begins_as_llmc_model(given) || formats::begins_as_torch_checkpoint(given)) {
    load_config(given);  // refuses a damaged file
    return {given, std::nullopt};
  }
  if (!is_folder(given)) {
    throw InputError(
        fmt::format("{}: is no model file of llm.c or nanoGPT; give one, or the folder of a "
                    "checkpoint, of a Hugging Face GPT-2 or of a run",
                    given.string()));
  }
  if (is_there(given / formats::kCheckpointManifestName)) return open_checkpoint(given);
  if (is_there(given / kConfigName)) return {given, std::nullopt};
  if (is_folder(given / kCheckpointsName)) {
    if (auto newest = newest_checkpoint(given, notices)) return *std::move(newest);
    throw InputError(fmt::format("{}: the run folder has no checkpoint in {}/", given.string(),
                                 kCheckpointsName));
  }
  throw InputError(fmt::format(
      "{}: is no model: it has neither {} (a checkpoint or a Hugging Face GPT-2 directory) nor {}/ "
      "(a run folder)",
      given.string(), kConfigName, kCheckpointsName));
}

}  // namespace gpt2::model
