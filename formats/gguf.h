// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// GGUF, the one file that llama.cpp reads a model from. Written only. Spec: formats/gguf.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "formats/durable_file.h"

namespace gpt2::formats {

enum class GgufType : std::uint32_t { kF32 = 0, kF16 = 1, kQ8_0 = 8, kBF16 = 30 };

using GgufValue = std::variant<std::uint32_t, float, bool, std::string, std::vector<std::int32_t>,
                               std::vector<std::string>>;
using GgufMetadata = std::vector<std::pair<std::string, GgufValue>>;

struct GgufTensor {
  std::string name;
  std::vector<std::uint64_t> shape;  // last axis fastest, as everywhere here; 1 to 4 axes
  GgufType type = GgufType::kF32;
  std::uint64_t element_count() const;
};

/// Writes a file tensor by tensor.
class GgufWriter {
 public:
  /// Throws: UsageError: a name that is taken, no axis or more than four, Q8_0 with a last axis
  /// that is not a multiple of 32; as DurableFile.
  GgufWriter(const std::filesystem::path& path, const GgufMetadata& metadata,
             std::vector<GgufTensor> tensors);
  /// All of the next tensor, rounded to its type. Throws: UsageError for another count of elements;
  /// IoError.
  void write(std::span<const float> values);
  /// Throws: UsageError when a tensor is missing; IoError.
  void commit();

 private:
  DurableFile file_;
  std::vector<GgufTensor> tensors_;
  std::size_t written_ = 0;  // tensors
};

}  // namespace gpt2::formats
