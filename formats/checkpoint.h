// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// checkpoint.json: the manifest that makes a Hugging Face directory a checkpoint. Spec:
// formats/checkpoint.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/fingerprint.h"

namespace gpt2::formats {

struct CheckpointFile {
  std::string name;  // relative to the folder
  std::uint64_t bytes = 0;
  std::uint32_t crc32c = 0;

  bool operator==(const CheckpointFile&) const = default;
};
struct CheckpointTensor {
  std::string file, name;
  std::uint64_t first_element = 0, element_count = 0;  // range within the whole tensor's elements
  std::uint32_t crc32c = 0;                            // of the tensor's bytes in that file

  bool operator==(const CheckpointTensor&) const = default;
};
/// One shard of the data set that the run trains on: how it is recognised on resume.
struct DataIdentity {
  std::string name;  // file name; only foreign shards are compared by it
  std::uint64_t token_count = 0;
  std::uint32_t crc32c = 0;  // payload CRC, or of the first and last MiB of a foreign shard
  bool foreign = false;

  bool operator==(const DataIdentity&) const = default;
};

struct CheckpointManifest {
  std::uint32_t format_version = 1;
  std::uint64_t step = 0;                // optimizer steps done
  double epoch = 0;                      // sequences_consumed / windows in the training set
  std::uint64_t sequences_consumed = 0;  // position in the order of the data
  std::uint32_t seed = 0;
  std::uint32_t order_version = 1;  // version of the permutation (DECISIONS: Order)
  std::uint64_t slots = 1;          // gradient slots S
  std::uint64_t rank_count = 1;
  std::string written_at, host;  // ISO 8601 UTC; the only file with time or host
  std::optional<double> validation_loss;
  Fingerprint tokenizer{};
  std::vector<DataIdentity> training_data;
  std::map<std::string, std::string> configuration;  // resolved run configuration: key -> text
  std::map<std::string, double> state;  // small numbers that resume needs (loss scale ...)
  std::vector<CheckpointFile> files;
  std::vector<CheckpointTensor> tensors;

  bool operator==(const CheckpointManifest&) const = default;
};

inline constexpr const char* kCheckpointManifestName = "checkpoint.json";

/// JSON text that ends with its own crc32c.
std::string encode_checkpoint_manifest(const CheckpointManifest& manifest);
/// Throws: FormatError: not JSON, a wrong or missing crc32c, another version, a missing key, a name
/// with '/' or '..'.
CheckpointManifest decode_checkpoint_manifest(std::string_view text, std::string_view path);
/// Reads DIR/checkpoint.json. Throws: InputError if missing; FormatError; IoError.
CheckpointManifest load_checkpoint_manifest(const std::filesystem::path& directory);
/// Reads every file of the manifest and compares size and CRC-32C. Throws: FormatError, IoError.
void verify_checkpoint(const std::filesystem::path& directory, const CheckpointManifest& manifest);
/// Size and CRC-32C of one file, for the manifest. Throws: InputError, IoError.
CheckpointFile describe_file(const std::filesystem::path& directory, std::string_view name);

}  // namespace gpt2::formats
