// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <set>
#include <string_view>

#include "formats/byte_codec.h"
#include "formats/errors.h"
#include "formats/half_precision.h"
#include "formats/stored_floats.h"

namespace gpt2::formats {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr std::uint32_t kVersion = 3;
constexpr std::size_t kAlignment = 32, kMostAxes = 4;
/// Q8_0: a scale as F16, then as many bytes as values.
constexpr std::size_t kBlockValues = 32, kBlockBytes = 34;

enum ValueType : std::uint32_t {
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9
};

std::uint64_t padded(std::uint64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

std::uint64_t tensor_bytes(const GgufTensor& tensor) {
  switch (tensor.type) {
    case GgufType::kQ8_0:
      return tensor.element_count() / kBlockValues * kBlockBytes;
    case GgufType::kF16:
    case GgufType::kBF16:
      return tensor.element_count() * 2;
    case GgufType::kF32:
      break;
  }
  return tensor.element_count() * 4;
}

/// The header, grown field by field.
class HeaderText {
 public:
  void add(std::string_view bytes) { text_ += bytes; }
  void add_u32(std::uint32_t value) {
    std::array<std::uint8_t, 4> bytes{};
    store_u32(bytes.data(), value);
    text_.append(bytes.begin(), bytes.end());
  }
  void add_u64(std::uint64_t value) {
    std::array<std::uint8_t, 8> bytes{};
    store_u64(bytes.data(), value);
    text_.append(bytes.begin(), bytes.end());
  }
  void add_string(std::string_view text) {
    add_u64(text.size());
    add(text);
  }
  void add_value(const GgufValue& value) {
    std::visit([this](const auto& typed) { add_typed(typed); }, value);
  }
  /// Zeros up to where tensors may begin.
  std::string finished() && {
    text_.resize(padded(text_.size()), '\0');
    return std::move(text_);
  }

 private:
  void add_typed(std::uint32_t value) {
    add_u32(kUint32);
    add_u32(value);
  }
  void add_typed(float value) {
    add_u32(kFloat32);
    add_u32(std::bit_cast<std::uint32_t>(value));
  }
  void add_typed(bool value) {
    add_u32(kBool);
    text_ += value ? '\1' : '\0';
  }
  void add_typed(const std::string& value) {
    add_u32(kString);
    add_string(value);
  }
  void add_typed(const std::vector<std::int32_t>& values) {
    add_array(kInt32, values.size());
    for (const auto value : values) add_u32(static_cast<std::uint32_t>(value));
  }
  void add_typed(const std::vector<std::string>& values) {
    add_array(kString, values.size());
    for (const auto& value : values) add_string(value);
  }
  void add_array(ValueType element, std::uint64_t count) {
    add_u32(kArray);
    add_u32(element);
    add_u64(count);
  }
  std::string text_;
};

void check(const std::filesystem::path& path, const std::vector<GgufTensor>& tensors) {
  std::set<std::string_view> names;
  for (const auto& tensor : tensors) {
    const auto refuse = [&](std::string_view problem) {
      throw UsageError(fmt::format("{}: tensor {}: {}", path.string(), tensor.name, problem));
    };
    if (!names.insert(tensor.name).second) refuse("is there twice");
    if (tensor.shape.empty() || tensor.shape.size() > kMostAxes) refuse("has no axis or above 4");
    if (tensor.type == GgufType::kQ8_0 && tensor.shape.back() % kBlockValues != 0) {
      refuse(fmt::format("has rows of {} values; q8_0 needs a multiple of {}, so choose f16",
                         tensor.shape.back(), kBlockValues));
    }
  }
}

/// One block of Q8_0: value i is scale x byte i. The scale is taken before it is rounded to F16, as
/// llama.cpp does.
void encode_block(std::span<const float, kBlockValues> values, std::uint8_t* bytes) {
  float most = 0;
  for (const float value : values) most = std::max(most, std::abs(value));
  const float scale = most / 127;
  const bool is_zero = scale < std::numeric_limits<float>::min();  // its inverse may be infinite
  const float inverse = is_zero ? 0 : 1 / scale;
  store_u16(bytes, half_from_float(scale));
  for (std::size_t i = 0; i < kBlockValues; ++i) {
    bytes[2 + i] =
        static_cast<std::uint8_t>(static_cast<std::int8_t>(std::round(values[i] * inverse)));
  }
}

void encode_blocks(std::span<const float> values, const WriteBytes& write) {
  constexpr std::size_t kPieceBlocks = 2048;
  std::vector<std::uint8_t> piece(kPieceBlocks * kBlockBytes);
  while (!values.empty()) {
    const auto count = std::min(values.size() / kBlockValues, kPieceBlocks);
    for (std::size_t block = 0; block < count; ++block) {
      encode_block(values.subspan(block * kBlockValues).first<kBlockValues>(),
                   piece.data() + block * kBlockBytes);
    }
    write({piece.data(), count * kBlockBytes});
    values = values.subspan(count * kBlockValues);
  }
}

void encode(GgufType type, std::span<const float> values, const WriteBytes& write) {
  switch (type) {
    case GgufType::kQ8_0:
      return encode_blocks(values, write);
    case GgufType::kF16:
      return encode_floats(FloatType::kF16, values, write);
    case GgufType::kBF16:
      return encode_floats(FloatType::kBF16, values, write);
    case GgufType::kF32:
      break;
  }
  encode_floats(FloatType::kF32, values, write);
}

}  // namespace

std::uint64_t GgufTensor::element_count() const {
  std::uint64_t count = 1;
  for (const auto size : shape) count *= size;
  return count;
}

GgufWriter::GgufWriter(const std::filesystem::path& path, const GgufMetadata& metadata,
                       std::vector<GgufTensor> tensors)
    : file_(path), tensors_(std::move(tensors)) {
  check(path, tensors_);
  HeaderText header;
  header.add(kMagic);
  header.add_u32(kVersion);
  header.add_u64(tensors_.size());
  header.add_u64(metadata.size());
  for (const auto& [key, value] : metadata) {
    header.add_string(key);
    header.add_value(value);
  }
  std::uint64_t offset = 0;
  for (const auto& tensor : tensors_) {
    header.add_string(tensor.name);
    header.add_u32(static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto size = tensor.shape.rbegin(); size != tensor.shape.rend(); ++size) {
      header.add_u64(*size);
    }
    header.add_u32(static_cast<std::uint32_t>(tensor.type));
    header.add_u64(offset);
    offset += padded(tensor_bytes(tensor));
  }
  file_.write(std::move(header).finished());
}

void GgufWriter::write(std::span<const float> values) {
  if (written_ == tensors_.size() || values.size() != tensors_[written_].element_count()) {
    throw UsageError(fmt::format("{}: {} elements do not make the next of its {} tensors",
                                 file_.path().string(), values.size(), tensors_.size()));
  }
  const auto& tensor = tensors_[written_++];
  encode(tensor.type, values, [this](std::span<const std::uint8_t> bytes) { file_.write(bytes); });
  const auto bytes = tensor_bytes(tensor);
  file_.write(std::string(padded(bytes) - bytes, '\0'));
}

void GgufWriter::commit() {
  if (written_ != tensors_.size()) {
    throw UsageError(fmt::format("{}: only {} of its {} tensors are written", file_.path().string(),
                                 written_, tensors_.size()));
  }
  file_.commit();
}

}  // namespace gpt2::formats
