// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/safetensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "formats/byte_codec.h"
#include "formats/crc32c.h"
#include "formats/errors.h"
#include "formats/json_reading.h"
#include "formats/json_text.h"

namespace gpt2::formats {
namespace {

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 25'000'000;
constexpr std::string_view kMetadataKey = "__metadata__";

// Bytes of a tensor; nothing when they do not fit 64 bits.
std::optional<std::uint64_t> tensor_bytes(std::size_t element_bytes,
                                          std::span<const std::int64_t> shape) {
  std::uint64_t bytes = element_bytes;
  for (const auto size : shape) {
    if (size < 0 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(size), &bytes))
      return {};
  }
  return bytes;
}

std::optional<FloatType> float_type(std::string_view dtype) {
  for (const auto type : {FloatType::kF32, FloatType::kBF16, FloatType::kF16}) {
    if (dtype == safetensors_dtype(type)) return type;
  }
  return {};
}

SafetensorsEntry decode_entry(std::string_view name, const JsonObject& object) {
  SafetensorsEntry entry{.name = std::string(name), .dtype = std::string(object.text("dtype"))};
  for (const auto field : object.fields()) {
    if (field.key != "dtype" && field.key != "shape" && field.key != "data_offsets") {
      object.refuse(json_quote(field.key), "is not a key of a tensor");
    }
  }
  const std::size_t element_bytes = safetensors_dtype_bytes(entry.dtype);
  if (element_bytes == 0) {
    object.refuse("dtype", fmt::format("{} is not known here", json_quote(entry.dtype)));
  }
  for (const auto size : object.whole_numbers("shape")) {
    entry.shape.push_back(static_cast<std::int64_t>(size));  // 2^63 and more: negative
  }
  const auto bytes = tensor_bytes(element_bytes, entry.shape);
  if (!bytes) object.refuse("shape", "the number of bytes does not fit 64 bits");
  const auto offsets = object.whole_numbers("data_offsets");
  if (offsets.size() != 2) object.refuse("data_offsets", "is not a pair");
  entry.begin = offsets[0];
  entry.end = offsets[1];
  if (entry.end < entry.begin || entry.end - entry.begin != *bytes) {
    object.refuse("data_offsets", fmt::format("is [{}, {}], but {} {} takes {} bytes", entry.begin,
                                              entry.end, entry.dtype, entry.shape, *bytes));
  }
  return entry;
}

std::vector<SafetensorsEntry> decode_entries(const JsonObject& header, const std::string& path) {
  std::vector<SafetensorsEntry> entries;
  for (const auto field : header.fields()) {
    if (field.key == kMetadataKey) continue;
    const JsonObject object(field.value, path, json_quote(field.key) + ".");
    entries.push_back(decode_entry(field.key, object));
  }
  std::ranges::stable_sort(entries, {},
                           [](const auto& entry) { return std::pair(entry.begin, entry.end); });
  return entries;
}

std::map<std::string, std::string> decode_metadata(const JsonObject& header) {
  std::map<std::string, std::string> metadata;
  if (!header.find(kMetadataKey)) return metadata;
  const JsonObject object = header.object(kMetadataKey);
  for (const auto field : object.fields()) metadata.emplace(field.key, object.text(field));
  return metadata;
}

std::string encode_header(const std::vector<SafetensorsEntry>& entries,
                          const std::map<std::string, std::string>& metadata) {
  JsonWriter json;
  json.begin_object();
  if (!metadata.empty()) {
    json.key(kMetadataKey).begin_object();
    for (const auto& [key, value] : metadata) json.key(key).value(value);
    json.end_object();
  }
  for (const auto& entry : entries) {
    json.key(entry.name).begin_object();
    json.key("dtype").value(entry.dtype).key("shape").begin_array();
    for (const auto size : entry.shape) json.value(size);
    json.end_array().key("data_offsets").begin_array();
    json.value(entry.begin).value(entry.end).end_array().end_object();
  }
  auto text = json.end_object().text();
  text.append((8 - text.size() % 8) % 8, ' ');  // the tensors begin at a multiple of 8
  return text;
}

}  // namespace

std::size_t safetensors_dtype_bytes(std::string_view dtype) {
  using Type = std::pair<std::string_view, std::size_t>;
  static constexpr std::array kTypes = {
      Type{"F64", 8}, Type{"F32", 4}, Type{"F16", 2}, Type{"BF16", 2}, Type{"I64", 8},
      Type{"I32", 4}, Type{"I16", 2}, Type{"I8", 1},  Type{"U64", 8},  Type{"U32", 4},
      Type{"U16", 2}, Type{"U8", 1},  Type{"BOOL", 1}};
  for (const auto& [name, bytes] : kTypes) {
    if (name == dtype) return bytes;
  }
  return 0;
}

std::string_view safetensors_dtype(FloatType type) {
  switch (type) {
    case FloatType::kBF16:
      return "BF16";
    case FloatType::kF16:
      return "F16";
    case FloatType::kF32:
      break;
  }
  return "F32";
}

std::uint64_t SafetensorsEntry::element_count() const {
  std::uint64_t count = 1;
  for (const auto size : shape) count *= static_cast<std::uint64_t>(size);
  return count;
}

SafetensorsReader::SafetensorsReader(const std::filesystem::path& path) : file_(path) {
  const auto name = path.string();
  if (file_.bytes() < kLengthBytes) {
    throw FormatError(name, 0, "header length",
                      fmt::format("the file has {} bytes, too short", file_.bytes()));
  }
  std::array<std::uint8_t, kLengthBytes> length_bytes{};
  file_.read(0, length_bytes);
  const auto header_bytes = load_u64(length_bytes.data());
  const auto limit = std::min(kMaxHeaderBytes, file_.bytes() - kLengthBytes);
  if (header_bytes > limit) {
    throw FormatError(name, 0, "header length",
                      fmt::format("is {}, at most {} is possible here", header_bytes, limit));
  }
  std::string text(header_bytes, '\0');
  file_.read(kLengthBytes, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  if (text.empty() || text[0] != '{') {
    throw FormatError(name, kLengthBytes, "header", "does not begin with {");
  }
  buffer_offset_ = kLengthBytes + header_bytes;
  const JsonDocument document(text, name);
  entries_ = decode_entries(document.root(), name);
  metadata_ = decode_metadata(document.root());
  std::uint64_t covered = 0;
  for (const auto& entry : entries_) {
    by_name_.emplace(entry.name, by_name_.size());
    if (entry.begin != covered) {
      throw FormatError(name, buffer_offset_ + std::min(covered, entry.begin), "data_offsets",
                        fmt::format("{} begins at {} of the tensors' bytes, expected {}: {}",
                                    json_quote(entry.name), entry.begin, covered,
                                    entry.begin < covered ? "an overlap" : "a hole"));
    }
    covered = entry.end;
  }
  if (covered != file_.bytes() - buffer_offset_) {
    throw FormatError(name, buffer_offset_ + covered, "end of the tensors",
                      fmt::format("tensors take {} bytes, the file has {} for them", covered,
                                  file_.bytes() - buffer_offset_));
  }
}

const SafetensorsEntry* SafetensorsReader::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &entries_[found->second];
}

void SafetensorsReader::read(const SafetensorsEntry& entry, std::uint64_t first,
                             std::span<std::uint8_t> out) const {
  const auto bytes = entry.end - entry.begin;
  if (first > bytes || out.size() > bytes - first) {
    throw UsageError(fmt::format("{}: tensor {} has {} bytes, asked for {} from {} on",
                                 path().string(), entry.name, bytes, out.size(), first));
  }
  file_.read(buffer_offset_ + entry.begin + first, out);
}

std::vector<float> SafetensorsReader::read_as_floats(const SafetensorsEntry& entry) const {
  const auto type = float_type(entry.dtype);
  if (!type) {
    throw FormatError(path().string(), kLengthBytes, entry.name,
                      fmt::format("dtype is {}, expected F32, BF16 or F16", entry.dtype));
  }
  std::vector<float> values(entry.element_count());
  read_floats(file_, buffer_offset_ + entry.begin, *type, values);
  return values;
}

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path,
                                     std::vector<SafetensorsEntry> entries,
                                     const std::map<std::string, std::string>& metadata)
    : file_(path), entries_(std::move(entries)) {
  std::uint64_t offset = 0;
  std::set<std::string_view> names;
  for (auto& entry : entries_) {
    const std::size_t element_bytes = safetensors_dtype_bytes(entry.dtype);
    const auto bytes = tensor_bytes(element_bytes, entry.shape);
    entry.begin = offset;
    if (element_bytes == 0 || !bytes || __builtin_add_overflow(offset, *bytes, &offset) ||
        entry.name == kMetadataKey || !simdjson::validate_utf8(entry.name) ||
        !names.insert(entry.name).second) {
      throw UsageError(fmt::format(
          "{}: tensor {}, {} {}: its name is taken or no UTF-8, or its type or shape cannot be "
          "written",
          path.string(), json_quote(entry.name), entry.dtype, entry.shape));
    }
    entry.end = offset;
  }
  tensor_crc_.assign(entries_.size(), 0);
  const auto header = encode_header(entries_, metadata);
  if (header.size() > kMaxHeaderBytes) {
    throw UsageError(fmt::format("{}: names and metadata take {} bytes, at most {} can be read",
                                 path.string(), header.size(), kMaxHeaderBytes));
  }
  std::array<std::uint8_t, kLengthBytes> length_bytes{};
  store_u64(length_bytes.data(), header.size());
  file_.write(length_bytes);
  file_.write(header);
  file_crc_ = crc32c(header.data(), header.size(), crc32c(length_bytes));
  finish_tensors();
}

void SafetensorsWriter::finish_tensors() {
  while (current_ < entries_.size() &&
         written_in_current_ == entries_[current_].end - entries_[current_].begin) {
    ++current_;
    written_in_current_ = 0;
  }
}

void SafetensorsWriter::write(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return;
  if (current_ == entries_.size()) {
    throw UsageError(fmt::format("{}: more bytes than tensors", file_.path().string()));
  }
  const auto& entry = entries_[current_];
  if (bytes.size() > entry.end - entry.begin - written_in_current_) {
    throw UsageError(fmt::format("{}: tensor {} has {} bytes, more were written",
                                 file_.path().string(), entry.name, entry.end - entry.begin));
  }
  file_.write(bytes);
  file_crc_ = crc32c(bytes, file_crc_);
  tensor_crc_[current_] = crc32c(bytes, tensor_crc_[current_]);
  written_in_current_ += bytes.size();
  finish_tensors();
}

void SafetensorsWriter::write_floats(std::span<const float> values) {
  if (values.empty()) return;
  if (current_ == entries_.size()) {
    throw UsageError(fmt::format("{}: more values than tensors", file_.path().string()));
  }
  const auto& entry = entries_[current_];
  const auto type = float_type(entry.dtype);
  if (!type) {
    throw UsageError(fmt::format("{}: tensor {}: floats cannot be written as {}",
                                 file_.path().string(), entry.name, entry.dtype));
  }
  encode_floats(*type, values, [this](std::span<const std::uint8_t> bytes) { write(bytes); });
}

void SafetensorsWriter::commit() {
  if (current_ != entries_.size()) {
    throw UsageError(fmt::format("{}: tensor {} is not complete", file_.path().string(),
                                 entries_[current_].name));
  }
  file_.commit();
}

}  // namespace gpt2::formats
