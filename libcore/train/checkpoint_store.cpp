// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/checkpoint_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>
#include <utility>

#include "formats/durable_file.h"
#include "formats/errors.h"
#include "formats/safetensors.h"

namespace gpt2::train {
namespace {

namespace fs = std::filesystem;
using formats::InputError;

constexpr const char* kOptimizerFileName = "optimizer-00000-of-00001.safetensors";
constexpr const char* kUpdatesKey = "optimizer_updates";

std::string mean_name(const model::Parameter& parameter) { return parameter.name + ".exp_avg"; }
std::string square_name(const model::Parameter& parameter) {
  return parameter.name + ".exp_avg_sq";
}

void save_moments(const fs::path& directory, const TrainingSnapshot& snapshot,
                  formats::CheckpointManifest& manifest) {
  std::vector<formats::SafetensorsEntry> entries;
  for (const auto& parameter : snapshot.table().parameters()) {
    for (auto name : {mean_name(parameter), square_name(parameter)}) {
      entries.push_back(
          {.name = std::move(name), .dtype = "F32", .shape = {parameter.element_count}});
    }
  }
  formats::SafetensorsWriter writer(directory / kOptimizerFileName, std::move(entries), {});
  for (const auto& parameter : snapshot.table().parameters()) {
    writer.write_floats(snapshot.exp_avg(parameter));
    writer.write_floats(snapshot.exp_avg_sq(parameter));
  }
  writer.commit();
  manifest.files.push_back({kOptimizerFileName, writer.file_bytes(), writer.file_crc32c()});
  for (std::size_t i = 0; i < writer.entries().size(); ++i) {
    const auto& entry = writer.entries()[i];
    manifest.tensors.push_back(
        {kOptimizerFileName, entry.name, 0, entry.element_count(), writer.tensor_crc32c()[i]});
  }
}

void write_manifest(const fs::path& directory, const formats::CheckpointManifest& manifest) {
  formats::DurableFile file(directory / formats::kCheckpointManifestName);
  file.write(formats::encode_checkpoint_manifest(manifest));
  file.commit();
}

/// Puts moments together from the ranges that the manifest lists, however many files hold them.
class MomentReader {
 public:
  explicit MomentReader(const model::ModelDirectory& checkpoint) : directory_(checkpoint.path) {
    for (const auto& tensor : checkpoint.manifest->tensors) ranges_[tensor.name].push_back(&tensor);
    for (auto& [name, ranges] : ranges_) {
      std::ranges::sort(ranges, {}, [](const auto* range) { return range->first_element; });
    }
  }

  void read(const std::string& name, std::span<float> values) {
    std::uint64_t filled = 0;
    for (const auto* range : ranges_[name]) {
      if (range->first_element != filled || range->element_count > values.size() - filled) {
        refuse(name, "its ranges in checkpoint.json leave a gap, overlap or reach too far");
      }
      const auto& reader =
          readers_.try_emplace(range->file, directory_ / range->file).first->second;
      const auto* entry = reader.find(name);
      if (entry == nullptr || entry->element_count() != range->element_count) {
        refuse(name,
               fmt::format("{} does not hold the range that checkpoint.json states", range->file));
      }
      std::ranges::copy(reader.read_as_floats(*entry), values.subspan(filled).begin());
      filled += range->element_count;
    }
    if (filled != values.size()) refuse(name, "is missing, in part or whole, or has another shape");
  }

 private:
  [[noreturn]] void refuse(std::string_view name, std::string_view problem) const {
    throw InputError(fmt::format("{}: moment {}: {}", directory_.string(), name, problem));
  }
  fs::path directory_;
  std::map<std::string, std::vector<const formats::CheckpointTensor*>> ranges_;  // by first element
  std::map<std::string, formats::SafetensorsReader> readers_;
};

}  // namespace

void save_checkpoint(const fs::path& directory, formats::CheckpointManifest manifest,
                     const TrainingSnapshot& snapshot, const formats::TokenizerFiles* tokenizer) {
  formats::DurableDirectory folder(directory);
  const fs::path& building = folder.temporary_path();
  auto saved = model::save_model(
      building, snapshot.config(), snapshot.table(),
      [&](const model::Parameter& parameter) { return snapshot.weights(parameter); });
  manifest.files = std::move(saved.files);
  manifest.tensors = std::move(saved.tensors);
  if (tokenizer != nullptr) {
    formats::save_tokenizer_files(building, *tokenizer,
                                  static_cast<std::uint64_t>(snapshot.config().context));
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(building)) {
      const auto name = entry.path().filename().string();
      const auto known = std::any_of(manifest.files.begin(), manifest.files.end(),
                                     [&](const auto& file) { return file.name == name; });
      if (!known) names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    for (const auto& name : names) manifest.files.push_back(formats::describe_file(building, name));
  }
  save_moments(building, snapshot, manifest);
  manifest.state[kUpdatesKey] = static_cast<double>(snapshot.update_count());
  write_manifest(building, manifest);
  folder.commit();
}

void link_checkpoint(const fs::path& existing, const fs::path& directory,
                     formats::CheckpointManifest manifest) {
  auto before = formats::load_checkpoint_manifest(existing);
  formats::DurableDirectory folder(directory);
  for (const auto& file : before.files) {
    formats::link_or_copy_file(existing / file.name, folder.temporary_path() / file.name);
  }
  manifest.files = std::move(before.files);
  manifest.tensors = std::move(before.tensors);
  manifest.state[kUpdatesKey] = before.state[kUpdatesKey];
  write_manifest(folder.temporary_path(), manifest);
  folder.commit();
}

std::uint64_t state_count(const formats::CheckpointManifest& manifest, const std::string& key,
                          const std::string& where) {
  constexpr double kMostExact = 0x1p53;
  const auto found = manifest.state.find(key);
  if (found == manifest.state.end() || !(found->second >= 0 && found->second <= kMostExact)) {
    throw InputError(
        fmt::format("{}: checkpoint.json, state, {}: missing or no count", where, key));
  }
  return static_cast<std::uint64_t>(found->second);
}

void restore_checkpoint(const model::ModelDirectory& checkpoint, model::Gpt2& model,
                        optim::AdamW& optimizer) {
  model::load_weights(checkpoint, model);
  MomentReader moments(checkpoint);
  std::vector<float> mean, square;
  for (const auto& parameter : model.table().parameters()) {
    mean.resize(static_cast<std::size_t>(parameter.element_count));
    square.resize(mean.size());
    moments.read(mean_name(parameter), mean);
    moments.read(square_name(parameter), square);
    optimizer.load_moments(parameter, mean, square);
  }
  optimizer.set_step_count(static_cast<std::int64_t>(
      state_count(*checkpoint.manifest, kUpdatesKey, checkpoint.path.string())));
}

}  // namespace gpt2::train
