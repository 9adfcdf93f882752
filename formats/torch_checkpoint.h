// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What torch.save writes: tensors by name and the settings beside them, read as data, so that no
// code in a file is ever run. Spec: formats/torch_checkpoint.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/pickle.h"
#include "formats/stored_floats.h"
#include "formats/zip_archive.h"

namespace gpt2::formats {

/// One tensor of a state dict, its elements one after the other in a record of the archive.
struct TorchTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::string storage_type;         // FloatStorage, BFloat16Storage ... as PyTorch names it
  std::string record;               // in the archive
  std::uint64_t first_element = 0;  // in the record
  std::uint64_t record_elements = 0;
  std::uint64_t element_count() const;  // 1 for a scalar
};

/// Does the file begin as an archive does, or as what PyTorch before 1.6 wrote? False also when it
/// cannot be read.
bool begins_as_torch_checkpoint(const std::filesystem::path& path);

/// A file of torch.save: a state dict, or a dict that holds one as `model` or `state_dict`.
class TorchCheckpoint {
 public:
  /// Throws: InputError (missing, no archive, no state dict, older than PyTorch 1.6, big-endian);
  /// FormatError (a broken pickle, a tensor that is not what its record holds).
  explicit TorchCheckpoint(const std::filesystem::path& path);
  const std::filesystem::path& path() const { return archive_.path(); }
  /// In the order of the state dict.
  const std::vector<TorchTensor>& tensors() const { return tensors_; }
  /// A whole number, or a truth as 0 or 1, that the file keeps beside the state dict: in its dict
  /// `model_args` (nanoGPT), or in `config`, a dict or an object (build-nanogpt).
  std::optional<std::int64_t> setting(std::string_view name) const;
  /// A tensor of 32-bit, 16-bit or bfloat16 floats (exact). Throws: FormatError for another type;
  /// InputError if its record is damaged.
  std::vector<float> read_as_floats(const TorchTensor& tensor) const;

 private:
  void find_tensors(const PickleValue& state);
  void add_tensor(const std::string& name, const PickleValue& value);
  [[noreturn]] void refuse(std::string_view name, std::string_view problem) const;

  ZipArchive archive_;
  std::string folder_;  // of all records in the archive
  std::optional<Pickle> pickle_;
  std::vector<TorchTensor> tensors_;
};

}  // namespace gpt2::formats
