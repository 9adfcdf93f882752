// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/checkpoint.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <set>

#include "formats/crc32c.h"
#include "formats/errors.h"
#include "formats/input_file.h"
#include "formats/json_reading.h"
#include "formats/json_text.h"

namespace gpt2::formats {
namespace {

constexpr std::uint32_t kFormatVersion = 1;
constexpr std::uint64_t kMaxManifestBytes = 16'000'000;  // 100,000 shards; parsing takes 14 times as much
constexpr std::string_view kCrcKey = "\"crc32c\": \"";  // the last key, with its opening quote
constexpr std::size_t kCrcDigits = 8;
constexpr std::string_view kEnding = "\"\n}\n";

std::string hex32(std::uint32_t value) { return fmt::format("{:08x}", value); }

std::uint32_t crc_of(const JsonObject& object, std::string_view key) {
  const auto digits = object.text(key);
  std::uint32_t crc = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), crc, 16);
  if (error != std::errc{} || digits != hex32(crc)) {
    object.refuse(key, "is not 8 hexadecimal digits");
  }
  return crc;
}

// A file name that stays inside the folder it is read from.
std::string file_name(const JsonObject& object, std::string_view key) {
  const auto name = object.text(key);
  if (name.empty() || name == "." || name == ".." ||
      name.find_first_of(std::string_view("/\0", 2)) != std::string_view::npos) {
    object.refuse(key, fmt::format("{} is not a plain file name", json_quote(name)));
  }
  return std::string(name);
}

Fingerprint fingerprint_of(const JsonObject& object, std::string_view key) {
  try {
    return fingerprint_from_hex(object.text(key));
  } catch (const InputError& error) {
    object.refuse(key, error.what());
  }
}

}  // namespace

std::string encode_checkpoint_manifest(const CheckpointManifest& manifest) {
  JsonWriter json(2);
  json.begin_object();
  json.key("format_version").value(manifest.format_version);
  json.key("step").value(manifest.step);
  json.key("epoch").value(manifest.epoch);
  json.key("sequences_consumed").value(manifest.sequences_consumed);
  json.key("seed").value(manifest.seed);
  json.key("order_version").value(manifest.order_version);
  json.key("slots").value(manifest.slots);
  json.key("rank_count").value(manifest.rank_count);
  json.key("written_at").value(manifest.written_at);
  json.key("host").value(manifest.host);
  json.key("validation_loss");
  if (manifest.validation_loss) {
    json.value(*manifest.validation_loss);
  } else {
    json.null();
  }
  json.key("tokenizer").value(to_hex(manifest.tokenizer));
  json.key("configuration").begin_object();
  for (const auto& [key, text] : manifest.configuration) json.key(key).value(text);
  json.end_object().key("state").begin_object();
  for (const auto& [key, number] : manifest.state) {
    if (!std::isfinite(number)) {
      throw UsageError(fmt::format("state {} is {}, which a checkpoint cannot hold", key, number));
    }
    json.key(key).value(number);
  }
  json.end_object().key("training_data").begin_array();
  for (const auto& shard : manifest.training_data) {
    json.begin_object().key("name").value(shard.name).key("token_count").value(shard.token_count);
    json.key("crc32c").value(hex32(shard.crc32c)).key("foreign").value(shard.foreign).end_object();
  }
  json.end_array().key("files").begin_array();
  for (const auto& file : manifest.files) {
    json.begin_object().key("name").value(file.name).key("bytes").value(file.bytes);
    json.key("crc32c").value(hex32(file.crc32c)).end_object();
  }
  json.end_array().key("tensors").begin_array();
  for (const auto& tensor : manifest.tensors) {
    json.begin_object().key("file").value(tensor.file).key("name").value(tensor.name);
    json.key("first_element").value(tensor.first_element);
    json.key("element_count").value(tensor.element_count);
    json.key("crc32c").value(hex32(tensor.crc32c)).end_object();
  }
  json.end_array();
  std::string text = json.text() + ",\n  ";
  const auto crc = crc32c(text.data(), text.size());
  text.append(kCrcKey).append(hex32(crc)).append(kEnding);
  if (text.size() > kMaxManifestBytes) {
    throw UsageError(fmt::format("the manifest of the checkpoint has {} bytes, at most {} are read",
                                 text.size(), kMaxManifestBytes));
  }
  return text;
}

CheckpointManifest decode_checkpoint_manifest(std::string_view text, std::string_view path) {
  const auto ending_bytes = kCrcKey.size() + kCrcDigits + kEnding.size();
  const auto ending =
      text.size() < ending_bytes ? std::string_view() : text.substr(text.size() - ending_bytes);
  if (!ending.starts_with(kCrcKey) || !ending.ends_with(kEnding)) {
    throw FormatError(path, text.size(), "crc32c",
                      "is not the last key: the file is cut short, changed, or no manifest");
  }
  const auto covered = text.substr(0, text.size() - ending_bytes);
  const auto found = ending.substr(kCrcKey.size(), kCrcDigits);
  const auto expected = hex32(crc32c(covered.data(), covered.size()));
  if (found != expected) {
    throw FormatError(
        path, covered.size(), "crc32c",
        fmt::format("is {}, the text before it gives {}: the file is damaged", found, expected));
  }
  const JsonDocument document(text, std::string(path));
  const JsonObject root = document.root();
  CheckpointManifest manifest;
  manifest.format_version = root.small_number("format_version");
  if (manifest.format_version != kFormatVersion) {
    root.refuse("format_version",
                fmt::format("is {}, this build reads {}", manifest.format_version, kFormatVersion));
  }
  manifest.step = root.whole_number("step");
  manifest.epoch = root.number("epoch");
  manifest.sequences_consumed = root.whole_number("sequences_consumed");
  manifest.seed = root.small_number("seed");
  manifest.order_version = root.small_number("order_version");
  manifest.slots = root.whole_number("slots");
  manifest.rank_count = root.whole_number("rank_count");
  manifest.written_at = root.text("written_at");
  manifest.host = root.text("host");
  if (!root.at("validation_loss").is_null()) {
    manifest.validation_loss = root.number("validation_loss");
  }
  manifest.tokenizer = fingerprint_of(root, "tokenizer");
  const JsonObject configuration = root.object("configuration"), state = root.object("state");
  for (const auto field : configuration.fields()) {
    manifest.configuration.emplace(field.key, configuration.text(field));
  }
  for (const auto field : state.fields()) {
    manifest.state.emplace(field.key, state.number(field));
  }
  for (const JsonObject& shard : root.objects("training_data")) {
    manifest.training_data.push_back({.name = std::string(shard.text("name")),
                                      .token_count = shard.whole_number("token_count"),
                                      .crc32c = crc_of(shard, "crc32c"),
                                      .foreign = shard.truth("foreign")});
  }
  std::set<std::string_view> names;
  for (const JsonObject& file : root.objects("files")) {
    manifest.files.push_back({.name = file_name(file, "name"),
                              .bytes = file.whole_number("bytes"),
                              .crc32c = crc_of(file, "crc32c")});
    if (!names.insert(file.text("name")).second) file.refuse("name", "is there twice");
  }
  for (const JsonObject& tensor : root.objects("tensors")) {
    manifest.tensors.push_back({.file = std::string(tensor.text("file")),
                                .name = std::string(tensor.text("name")),
                                .first_element = tensor.whole_number("first_element"),
                                .element_count = tensor.whole_number("element_count"),
                                .crc32c = crc_of(tensor, "crc32c")});
    if (!names.contains(tensor.text("file"))) {
      tensor.refuse("file",
                    fmt::format("{} is not among the files", json_quote(tensor.text("file"))));
    }
  }
  return manifest;
}

CheckpointManifest load_checkpoint_manifest(const std::filesystem::path& directory) {
  const auto path = directory / kCheckpointManifestName;
  return decode_checkpoint_manifest(load_file(path, kMaxManifestBytes), path.string());
}

void verify_checkpoint(const std::filesystem::path& directory, const CheckpointManifest& manifest) {
  for (const auto& expected : manifest.files) {
    const InputFile file(directory / expected.name);
    const auto path = file.path().string();
    if (file.bytes() != expected.bytes) {
      throw FormatError(
          path, file.bytes(), "size",
          fmt::format("is {} bytes, checkpoint.json says {}", file.bytes(), expected.bytes));
    }
    const auto crc = crc32c_of_file(file);
    if (crc != expected.crc32c) {
      throw FormatError(path, 0, "contents",
                        fmt::format("have CRC-32C {}, checkpoint.json says {}: the file is damaged",
                                    hex32(crc), hex32(expected.crc32c)));
    }
  }
}

CheckpointFile describe_file(const std::filesystem::path& directory, std::string_view name) {
  const InputFile file(directory / name);
  return {.name = std::string(name), .bytes = file.bytes(), .crc32c = crc32c_of_file(file)};
}

}  // namespace gpt2::formats
