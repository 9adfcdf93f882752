// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/checkpoint_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "formats/durable_file.h"
#include "formats/errors.h"
#include "formats/safetensors.h"
#include "libcore/model/model_weights.h"

namespace gpt2::train {
namespace {

namespace fs = std::filesystem;
using formats::InputError;

constexpr const char* kUpdatesKey = "optimizer_updates";

std::string mean_name(const model::Parameter& parameter) { return parameter.name + ".exp_avg"; }
std::string square_name(const model::Parameter& parameter) {
  return parameter.name + ".exp_avg_sq";
}

/// Adds file and tensors to `manifest`.
void save_moments(const fs::path& directory, const TrainingSnapshot& snapshot, int rank,
                  int rank_count, formats::CheckpointManifest& manifest) {
  std::vector<formats::SafetensorsEntry> entries;
  std::vector<std::int64_t> first_elements;
  for (const auto& parameter : snapshot.table().parameters()) {
    const auto share = snapshot.share_of(parameter);
    if (share.count == 0) continue;
    for (auto name : {mean_name(parameter), square_name(parameter)}) {
      entries.push_back({.name = std::move(name), .dtype = "F32", .shape = {share.count}});
      first_elements.push_back(share.first);
    }
  }
  if (entries.empty()) return;
  const auto file_name = fmt::format("optimizer-{:05d}-of-{:05d}.safetensors", rank, rank_count);
  formats::SafetensorsWriter writer(directory / file_name, std::move(entries), {});
  for (const auto& parameter : snapshot.table().parameters()) {
    writer.write_floats(snapshot.exp_avg(parameter));
    writer.write_floats(snapshot.exp_avg_sq(parameter));
  }
  writer.commit();
  manifest.files.push_back({file_name, writer.file_bytes(), writer.file_crc32c()});
  for (std::size_t i = 0; i < writer.entries().size(); ++i) {
    const auto& entry = writer.entries()[i];
    manifest.tensors.push_back({file_name, entry.name,
                                static_cast<std::uint64_t>(first_elements[i]),
                                entry.element_count(), writer.tensor_crc32c()[i]});
  }
}

std::vector<formats::CheckpointFile> save_tokenizer(const fs::path& empty_directory,
                                                    const formats::TokenizerFiles& tokenizer,
                                                    std::int64_t context) {
  formats::save_tokenizer_files(empty_directory, tokenizer, static_cast<std::uint64_t>(context));
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(empty_directory))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  std::vector<formats::CheckpointFile> files;
  for (const auto& name : names) files.push_back(formats::describe_file(empty_directory, name));
  return files;
}

/// The files and tensors that each rank wrote, of all ranks on rank 0.
void join_parts(formats::CheckpointManifest& manifest, comm::Communicator& communicator) {
  formats::CheckpointManifest part;
  part.files = std::move(manifest.files);
  part.tensors = std::move(manifest.tensors);
  manifest.files.clear();
  manifest.tensors.clear();
  for (const auto& text : communicator.gather(formats::encode_checkpoint_manifest(part))) {
    const auto other = formats::decode_checkpoint_manifest(text, "another rank's part");
    manifest.files.insert(manifest.files.end(), other.files.begin(), other.files.end());
    manifest.tensors.insert(manifest.tensors.end(), other.tensors.begin(), other.tensors.end());
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

  /// The elements `part` of the moment `name`, which has `element_count`.
  void read(const std::string& name, std::int64_t element_count, comm::ElementRange part,
            std::span<float> values) {
    const auto whole = static_cast<std::uint64_t>(element_count);
    std::uint64_t filled = 0;
    for (const auto* range : ranges_[name]) {
      if (range->first_element != filled || range->element_count > whole - filled) {
        refuse(name, "its ranges in checkpoint.json leave a gap, overlap or reach too far");
      }
      const comm::ElementRange stored{static_cast<std::int64_t>(filled),
                                      static_cast<std::int64_t>(range->element_count)};
      filled += range->element_count;
      const auto wanted = stored.intersect(part);
      if (wanted.count == 0) continue;
      const auto& reader =
          readers_.try_emplace(range->file, directory_ / range->file).first->second;
      const auto* entry = reader.find(name);
      if (entry == nullptr || entry->element_count() != range->element_count) {
        refuse(name,
               fmt::format("{} does not hold the range that checkpoint.json states", range->file));
      }
      const auto floats = reader.read_as_floats(*entry);
      std::copy_n(floats.begin() + (wanted.first - stored.first), wanted.count,
                  values.begin() + (wanted.first - part.first));
    }
    if (filled != whole) refuse(name, "is missing, in part or whole, or has another shape");
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
                     const TrainingSnapshot& snapshot, const formats::TokenizerFiles* tokenizer,
                     comm::Communicator& communicator) {
  const bool is_first = communicator.rank() == 0;
  std::optional<formats::DurableDirectory> folder;
  std::vector<formats::CheckpointFile> tokenizer_files;
  communicator.together([&] {
    if (!is_first) return;
    folder.emplace(directory);
    if (tokenizer == nullptr) return;
    tokenizer_files =
        save_tokenizer(folder->temporary_path(), *tokenizer, snapshot.config().context);
  });
  const fs::path building =
      communicator.from_first(is_first ? folder->temporary_path().string() : "");
  communicator.together([&] {
    if (is_first) {
      auto saved = model::save_model(
          building, snapshot.config(), snapshot.table(),
          [&](const model::Parameter& parameter) { return snapshot.weights(parameter); });
      manifest.files = std::move(saved.files);
      manifest.tensors = std::move(saved.tensors);
      manifest.files.insert(manifest.files.end(), tokenizer_files.begin(), tokenizer_files.end());
    }
    save_moments(building, snapshot, communicator.rank(), communicator.size(), manifest);
  });
  join_parts(manifest, communicator);
  communicator.together([&] {
    if (!is_first) return;
    manifest.state[kUpdatesKey] = static_cast<double>(snapshot.update_count());
    write_manifest(building, manifest);
    folder->commit();
  });
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
    const auto part = optimizer.owned_part(parameter);
    mean.resize(static_cast<std::size_t>(part.count));
    square.resize(mean.size());
    moments.read(mean_name(parameter), parameter.element_count, part, mean);
    moments.read(square_name(parameter), parameter.element_count, part, square);
    optimizer.load_moments(parameter, mean, square);
  }
  optimizer.set_update_count(static_cast<std::int64_t>(
      state_count(*checkpoint.manifest, kUpdatesKey, checkpoint.path.string())));
}

}  // namespace gpt2::train
