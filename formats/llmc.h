// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// llm.c's model file and its vocabulary for decoding. Spec: formats/llmc.md.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/durable_file.h"
#include "formats/input_file.h"
#include "formats/stored_floats.h"
#include "formats/tokenizer_files.h"

namespace gpt2::formats {

inline constexpr std::size_t kLlmcHeaderBytes = 1024;

/// What the header of a model file says.
struct LlmcModelHeader {
  FloatType type = FloatType::kF32;  // of every tensor; F32 or BF16
  std::uint32_t context = 0;         // positions
  std::uint32_t vocab_size = 0;      // tokens
  std::uint32_t layers = 0, heads = 0, channels = 0;
  std::uint32_t padded_vocab_size = 0;  // rows of the token embedding in the file

  bool operator==(const LlmcModelHeader&) const = default;
};

/// One parameter of the model, by Hugging Face's name without "transformer." and of its shape: a
/// matrix is [in, out], though the file has it as [out, in]; the token embedding has vocab_size
/// rows, though the file has more.
struct LlmcTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  bool is_transposed = false;          // in the file
  std::uint64_t padding_elements = 0;  // that follow it in the file
  std::uint64_t offset = 0;            // of its first byte in the file
  std::uint64_t element_count() const;
};

/// Does the file begin as a model file? False also when it cannot be read.
bool begins_as_llmc_model(const std::filesystem::path& path);
/// Throws: UsageError for a count that no file can have, or F16.
std::array<std::uint8_t, kLlmcHeaderBytes> encode_llmc_model_header(const LlmcModelHeader& header);
/// Units: `file_bytes` counts header and tensors. Throws: FormatError: another magic or version, a
/// count out of range, a set reserved word, a size that is not the file's.
LlmcModelHeader decode_llmc_model_header(std::span<const std::uint8_t, kLlmcHeaderBytes> bytes,
                                         std::uint64_t file_bytes, std::string_view path);
/// The parameters in the order of the file: by kind, then by layer.
std::vector<LlmcTensor> llmc_tensors(const LlmcModelHeader& header);

/// A model file open for reading; its header and size are checked. Move-only.
class LlmcModelReader {
 public:
  /// Throws: InputError (missing); FormatError as decode_llmc_model_header; IoError.
  explicit LlmcModelReader(const std::filesystem::path& path);
  const std::filesystem::path& path() const { return file_.path(); }
  const LlmcModelHeader& header() const { return header_; }
  const std::vector<LlmcTensor>& tensors() const { return tensors_; }
  /// The elements of one of tensors(), in the order of its shape. Throws: IoError; FormatError.
  std::vector<float> read(const LlmcTensor& tensor) const;

 private:
  InputFile file_;
  LlmcModelHeader header_;
  std::vector<LlmcTensor> tensors_;
};

/// Writes a model file parameter by parameter.
class LlmcModelWriter {
 public:
  /// Throws: UsageError as encode_llmc_model_header; as DurableFile.
  LlmcModelWriter(const std::filesystem::path& path, const LlmcModelHeader& header);
  const std::vector<LlmcTensor>& tensors() const { return tensors_; }
  /// The next of tensors(), in the order of its shape. Throws: UsageError for another count of
  /// elements; IoError.
  void write(std::span<const float> values);
  /// Throws: UsageError when a parameter is missing; IoError.
  void commit();

 private:
  DurableFile file_;
  FloatType type_;
  std::vector<LlmcTensor> tensors_;
  std::size_t written_ = 0;  // tensors
};

/// The bytes of every token by id, as llm.c reads them to print what it samples. Throws: UsageError
/// for a token without bytes or of more than 255, or a vocabulary without end-of-text.
std::string encode_llmc_tokenizer(const TokenizerFiles& files);

}  // namespace gpt2::formats
