// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/llmc.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "formats/byte_codec.h"
#include "formats/errors.h"

namespace gpt2::formats {
namespace {

constexpr std::uint32_t kModelMagic = 20240326, kTokenizerMagic = 20240328;
constexpr std::uint32_t kF32Version = 3, kBF16Version = 5, kTokenizerVersion = 2;
/// Far above every model, and so low that no size computed from the counts overflows 64 bits.
constexpr std::uint32_t kMostCount = 1U << 19;
constexpr std::size_t kFirstReservedOffset = 32;

struct Field {
  std::size_t offset;
  const char* name;
  std::uint32_t LlmcModelHeader::*member;
};
constexpr std::array<Field, 6> kCounts{
    {{8, "max_seq_len", &LlmcModelHeader::context},
     {12, "vocab_size", &LlmcModelHeader::vocab_size},
     {16, "num_layers", &LlmcModelHeader::layers},
     {20, "num_heads", &LlmcModelHeader::heads},
     {24, "channels", &LlmcModelHeader::channels},
     {28, "padded_vocab_size", &LlmcModelHeader::padded_vocab_size}}};

std::uint64_t tensor_bytes(const LlmcTensor& tensor, FloatType type) {
  return (tensor.element_count() + tensor.padding_elements) * stored_bytes(type);
}

/// Without a list of the tensors, for which a wrong count would ask for much memory.
std::uint64_t model_bytes(const LlmcModelHeader& header) {
  const std::uint64_t C = header.channels;
  const auto embeddings = (std::uint64_t{header.padded_vocab_size} + header.context) * C;
  const auto layers = header.layers * (12 * C * C + 13 * C);
  return kLlmcHeaderBytes + (embeddings + layers + 2 * C) * stored_bytes(header.type);
}

}  // namespace

bool begins_as_llmc_model(const std::filesystem::path& path) {
  try {
    std::array<std::uint8_t, 4> magic{};
    const InputFile file(path);
    if (file.bytes() < magic.size()) return false;
    file.read(0, magic);
    return load_u32(magic.data()) == kModelMagic;
  } catch (const Error&) {
    return false;
  }
}

std::uint64_t LlmcTensor::element_count() const {
  std::uint64_t count = 1;
  for (const auto size : shape) count *= static_cast<std::uint64_t>(size);
  return count;
}

std::array<std::uint8_t, kLlmcHeaderBytes> encode_llmc_model_header(const LlmcModelHeader& header) {
  std::array<std::uint8_t, kLlmcHeaderBytes> bytes{};
  if (header.type == FloatType::kF16) throw UsageError("llm.c has no model files of f16");
  store_u32(bytes.data(), kModelMagic);
  store_u32(bytes.data() + 4, header.type == FloatType::kBF16 ? kBF16Version : kF32Version);
  for (const auto& field : kCounts) {
    const auto count = header.*field.member;
    if (count < 1 || count > kMostCount) {
      throw UsageError(fmt::format("a model file of llm.c cannot have {} as {}; at most {}", count,
                                   field.name, kMostCount));
    }
    store_u32(bytes.data() + field.offset, count);
  }
  return bytes;
}

LlmcModelHeader decode_llmc_model_header(std::span<const std::uint8_t, kLlmcHeaderBytes> bytes,
                                         std::uint64_t file_bytes, std::string_view path) {
  const auto refuse = [path](std::uint64_t offset, std::string_view field, std::string problem) {
    throw FormatError(path, offset, field, problem);
  };
  const auto magic = load_u32(bytes.data()), version = load_u32(bytes.data() + 4);
  if (magic != kModelMagic) {
    refuse(0, "magic", fmt::format("is {}, a model file of llm.c has {}", magic, kModelMagic));
  }
  if (version != kF32Version && version != kBF16Version) {
    refuse(4, "version",
           fmt::format("is {}, this build reads {} (all F32) and {} (all BF16)", version,
                       kF32Version, kBF16Version));
  }
  LlmcModelHeader header{.type = version == kBF16Version ? FloatType::kBF16 : FloatType::kF32};
  for (const auto& field : kCounts) {
    const auto count = load_u32(bytes.data() + field.offset);
    if (count < 1 || count > kMostCount) {
      refuse(field.offset, field.name, fmt::format("is {}, expected 1 to {}", count, kMostCount));
    }
    header.*field.member = count;
  }
  if (header.padded_vocab_size < header.vocab_size) {
    refuse(
        28, "padded_vocab_size",
        fmt::format("is {}, less than the {} tokens", header.padded_vocab_size, header.vocab_size));
  }
  for (auto offset = kFirstReservedOffset; offset < kLlmcHeaderBytes; offset += 4) {
    if (load_u32(bytes.data() + offset) != 0) refuse(offset, "reserved", "is set, expected 0");
  }
  if (const auto expected = model_bytes(header); file_bytes != expected) {
    refuse(kLlmcHeaderBytes, "size",
           fmt::format("the file has {} bytes, its header makes it {}", file_bytes, expected));
  }
  return header;
}

std::vector<LlmcTensor> llmc_tensors(const LlmcModelHeader& header) {
  const std::int64_t C = header.channels, F = 4 * C;
  std::vector<LlmcTensor> tensors;
  std::uint64_t offset = kLlmcHeaderBytes;
  const auto add = [&](LlmcTensor tensor) {
    tensor.offset = offset;
    offset += tensor_bytes(tensor, header.type);
    tensors.push_back(std::move(tensor));
  };
  const auto add_layers = [&](const char* name, std::vector<std::int64_t> shape) {
    for (std::uint32_t layer = 0; layer < header.layers; ++layer) {
      add({.name = fmt::format("h.{}.{}", layer, name),
           .shape = shape,
           .is_transposed = shape.size() == 2});
    }
  };
  add({.name = "wte.weight",
       .shape = {header.vocab_size, C},
       .padding_elements =
           std::uint64_t{header.padded_vocab_size - header.vocab_size} * header.channels});
  add({.name = "wpe.weight", .shape = {header.context, C}});
  add_layers("ln_1.weight", {C});
  add_layers("ln_1.bias", {C});
  add_layers("attn.c_attn.weight", {C, 3 * C});
  add_layers("attn.c_attn.bias", {3 * C});
  add_layers("attn.c_proj.weight", {C, C});
  add_layers("attn.c_proj.bias", {C});
  add_layers("ln_2.weight", {C});
  add_layers("ln_2.bias", {C});
  add_layers("mlp.c_fc.weight", {C, F});
  add_layers("mlp.c_fc.bias", {F});
  add_layers("mlp.c_proj.weight", {F, C});
  add_layers("mlp.c_proj.bias", {C});
  add({.name = "ln_f.weight", .shape = {C}});
  add({.name = "ln_f.bias", .shape = {C}});
  return tensors;
}

LlmcModelReader::LlmcModelReader(const std::filesystem::path& path) : file_(path) {
  if (file_.bytes() < kLlmcHeaderBytes) {
    throw FormatError(path.string(), 0, "header",
                      fmt::format("the file has {} bytes, a model file of llm.c begins with {}",
                                  file_.bytes(), kLlmcHeaderBytes));
  }
  std::array<std::uint8_t, kLlmcHeaderBytes> bytes{};
  file_.read(0, bytes);
  header_ = decode_llmc_model_header(bytes, file_.bytes(), path.string());
  tensors_ = llmc_tensors(header_);
}

std::vector<float> LlmcModelReader::read(const LlmcTensor& tensor) const {
  std::vector<float> values(tensor.element_count());
  read_floats(file_, tensor.offset, header_.type, values);
  if (!tensor.is_transposed) return values;
  return transposed(values, static_cast<std::size_t>(tensor.shape[1]),
                    static_cast<std::size_t>(tensor.shape[0]));
}

LlmcModelWriter::LlmcModelWriter(const std::filesystem::path& path, const LlmcModelHeader& header)
    : file_(path), type_(header.type) {
  file_.write(encode_llmc_model_header(header));
  tensors_ = llmc_tensors(header);
}

void LlmcModelWriter::write(std::span<const float> values) {
  if (written_ == tensors_.size() || values.size() != tensors_[written_].element_count()) {
    throw UsageError(fmt::format("{}: {} elements do not make the next of its {} parameters",
                                 file_.path().string(), values.size(), tensors_.size()));
  }
  const auto& tensor = tensors_[written_++];
  const auto write = [this](std::span<const std::uint8_t> bytes) { file_.write(bytes); };
  if (tensor.is_transposed) {
    encode_floats(type_,
                  transposed(values, static_cast<std::size_t>(tensor.shape[0]),
                             static_cast<std::size_t>(tensor.shape[1])),
                  write);
  } else {
    encode_floats(type_, values, write);
    encode_floats(type_, std::vector<float>(tensor.padding_elements), write);
  }
}

void LlmcModelWriter::commit() {
  if (written_ != tensors_.size()) {
    throw UsageError(fmt::format("{}: only {} of its {} parameters are written",
                                 file_.path().string(), written_, tensors_.size()));
  }
  file_.commit();
}

std::string encode_llmc_tokenizer(const TokenizerFiles& files) {
  const auto end_of_text = files.end_of_text();
  if (!end_of_text) throw UsageError("llm.c needs a vocabulary with <|endoftext|>");
  std::array<std::uint8_t, kLlmcHeaderBytes> header{};
  store_u32(header.data(), kTokenizerMagic);
  store_u32(header.data() + 4, kTokenizerVersion);
  store_u32(header.data() + 8, files.vocab_size());
  store_u32(header.data() + 12, *end_of_text);
  std::string bytes(header.begin(), header.end());
  for (std::size_t id = 0; id < files.token_bytes.size(); ++id) {
    constexpr std::size_t kMostBytes = 255;
    const auto& token = files.token_bytes[id];
    if (token.empty() || token.size() > kMostBytes) {
      throw UsageError(fmt::format("token {} has {} bytes; llm.c prints tokens of 1 to {}", id,
                                   token.size(), kMostBytes));
    }
    bytes += static_cast<char>(token.size());
    bytes += token;
  }
  return bytes;
}

}  // namespace gpt2::formats
