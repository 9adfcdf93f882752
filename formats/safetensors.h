// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// safetensors: named tensors in one file. Spec: formats/safetensors.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/durable_file.h"
#include "formats/input_file.h"
#include "formats/stored_floats.h"

namespace gpt2::formats {

/// One tensor of a file: offsets are relative to the byte buffer after the JSON header.
struct SafetensorsEntry {
  std::string name;
  std::string dtype;  // F32, BF16, F16 ... as stored
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;
  std::uint64_t element_count() const;  // 1 for a scalar
};

/// Bytes of one element; 0 for a dtype this build does not know.
std::size_t safetensors_dtype_bytes(std::string_view dtype);
std::string_view safetensors_dtype(FloatType type);

/// A file open for reading; the header is checked whole before anything is believed. Move-only.
class SafetensorsReader {
 public:
  /// Throws: InputError (missing), FormatError (header, overlap, hole, size ...), IoError.
  explicit SafetensorsReader(const std::filesystem::path& path);
  const std::vector<SafetensorsEntry>& entries() const { return entries_; }  // in order of offset
  const SafetensorsEntry* find(std::string_view name) const;                 // null if absent
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::filesystem::path& path() const { return file_.path(); }
  /// The raw bytes [first, first + out.size()) of one tensor. Throws: IoError, FormatError.
  void read(const SafetensorsEntry& entry, std::uint64_t first, std::span<std::uint8_t> out) const;
  /// A F32, BF16 or F16 tensor as floats (exact). Throws: FormatError for another dtype, IoError.
  std::vector<float> read_as_floats(const SafetensorsEntry& entry) const;

 private:
  InputFile file_;
  std::uint64_t buffer_offset_ = 0;
  std::vector<SafetensorsEntry> entries_;
  std::map<std::string, std::size_t, std::less<>> by_name_;  // place in entries_
  std::map<std::string, std::string> metadata_;
};

/// Writes a file tensor by tensor in the order of `entries` (begin and end are set here).
class SafetensorsWriter {
 public:
  SafetensorsWriter(const std::filesystem::path& path, std::vector<SafetensorsEntry> entries,
                    const std::map<std::string, std::string>& metadata);
  /// Appends bytes of the current tensor; a tensor may come in several pieces. Throws: IoError,
  /// UsageError.
  void write(std::span<const std::uint8_t> bytes);
  /// Converts to the current tensor's dtype (round to nearest even). Throws: as write.
  void write_floats(std::span<const float> values);
  /// Throws: UsageError when a tensor is not complete; IoError.
  void commit();
  const std::vector<SafetensorsEntry>& entries() const { return entries_; }
  std::uint32_t file_crc32c() const { return file_crc_; }  // of all bytes, valid after commit()
  std::uint64_t file_bytes() const { return file_.bytes_written(); }
  /// CRC-32C of each tensor's bytes in the order of entries(), valid after commit().
  const std::vector<std::uint32_t>& tensor_crc32c() const { return tensor_crc_; }

 private:
  void finish_tensors();
  DurableFile file_;
  std::vector<SafetensorsEntry> entries_;
  std::size_t current_ = 0;
  std::uint64_t written_in_current_ = 0;
  std::uint32_t file_crc_ = 0;
  std::vector<std::uint32_t> tensor_crc_;
};

}  // namespace gpt2::formats
