// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/wandb_run.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <random>

#include "formats/byte_codec.h"
#include "formats/durable_file.h"
#include "formats/errors.h"
#include "formats/json_text.h"
#include "formats/protobuf_message.h"

namespace gpt2::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFileHead{":W&B\xE1\xBE\x00", 7};  // tag, 0xBEE1, version 0
constexpr std::size_t kBlockBytes = 32768, kPieceHeadBytes = 7;
constexpr std::string_view kFolderStem = "offline-run-";
constexpr std::size_t kIdLength = 8;

// Fields of wandb's Record.
constexpr std::uint32_t kHistory = 2, kSummary = 3, kRun = 17, kExit = 18, kHeader = 21;

enum PieceKind : std::uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

/// One piece of a record: CRC-32 of kind and data, length, kind, data.
std::string piece(PieceKind kind, std::string_view data) {
  std::string bytes(kPieceHeadBytes, '\0');
  bytes += data;
  auto* head = reinterpret_cast<std::uint8_t*>(bytes.data());
  head[6] = kind;
  store_u16(head + 4, static_cast<std::uint16_t>(data.size()));
  store_u32(head,
            static_cast<std::uint32_t>(crc32(0, head + 6, static_cast<unsigned>(1 + data.size()))));
  return bytes;
}

ProtobufMessage json_item(std::uint32_t key_field, const std::string& key,
                          const std::string& json) {
  ProtobufMessage item;
  item.text(key_field, key).text(16, json);
  return item;
}

std::string new_id() {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::random_device source;
  std::string id;
  while (id.size() < kIdLength) id += kLetters[source() % kLetters.size()];
  return id;
}

/// The newest run of `wandb`; empty: there is none.
fs::path newest_run(const fs::path& wandb) {
  fs::path newest;
  if (!fs::is_directory(wandb)) return newest;
  for (const auto& entry : fs::directory_iterator(wandb)) {
    const auto name = entry.path().filename().string();
    const bool is_run =
        name.starts_with(kFolderStem) && name.size() > kFolderStem.size() + kIdLength;
    if (is_run && entry.is_directory()) newest = std::max(newest, entry.path());
  }
  return newest;
}

}  // namespace

std::string WandbEncoder::record(std::uint32_t field, std::string_view message) {
  ProtobufMessage whole;
  whole.whole(1, ++record_count_).text(field, message);
  std::string_view left = whole.bytes();
  std::string bytes;
  for (bool first = true; first || !left.empty(); first = false) {
    std::size_t room = kBlockBytes - (file_bytes_ + bytes.size()) % kBlockBytes;
    if (room < kPieceHeadBytes) {  // no piece begins there
      bytes.append(room, '\0');
      room = kBlockBytes;
    }
    const auto data = left.substr(0, room - kPieceHeadBytes);
    left.remove_prefix(data.size());
    bytes +=
        piece(first ? (left.empty() ? kFull : kFirst) : (left.empty() ? kLast : kMiddle), data);
  }
  file_bytes_ += bytes.size();
  return bytes;
}

std::string WandbEncoder::begin(const WandbRun& run) {
  file_bytes_ = kFileHead.size();
  start_time_ = run.start_time;
  ProtobufMessage version, header;
  version.text(1, "0.31.0")
      .text(2, "0.70.0");  // the release whose records these are; its oldest reader
  header.message(1, version);

  ProtobufMessage configuration, start, message;
  for (const auto& [key, json] : run.configuration) {
    configuration.message(1, json_item(1, key, json));
  }
  configuration.message(1, json_item(1, "_wandb", "{}"));
  const double whole_seconds = std::floor(run.start_time);
  start.whole(1, static_cast<std::uint64_t>(whole_seconds))
      .whole(2, static_cast<std::uint64_t>((run.start_time - whole_seconds) * 1e9));
  message.text(1, run.id);
  if (!run.entity.empty()) message.text(2, run.entity);
  message.text(3, run.project).message(4, configuration).text(8, run.name);
  for (const auto& tag : run.tags) message.text(10, tag);
  message.text(13, run.host).message(17, start);
  std::string bytes(kFileHead);
  bytes += record(kHeader, header.bytes());
  return bytes + record(kRun, message.bytes());
}

std::string WandbEncoder::row(const WandbRow& row) {
  auto values = row.values;
  values["_step"] = std::to_string(row.step);
  values["_timestamp"] = json_number(row.time);
  values["_runtime"] = json_number(row.time - start_time_);
  ProtobufMessage history, step;
  for (const auto& [name, json] : values) {
    history.message(1, json_item(2, name, json));
    newest_[name] = json;
  }
  step.whole(1, row.step);
  history.message(2, step);
  return record(kHistory, history.bytes());
}

std::string WandbEncoder::end(int exit_code, double time) {
  ProtobufMessage summary, exit;
  for (const auto& [name, json] : newest_) summary.message(1, json_item(2, name, json));
  exit.whole(1, static_cast<std::uint64_t>(exit_code))
      .whole(2, static_cast<std::uint64_t>(std::max(0.0, time - start_time_)));
  const auto bytes = record(kSummary, summary.bytes());
  return bytes + record(kExit, exit.bytes());
}

WandbRunWriter::WandbRunWriter(const fs::path& wandb, WandbRun run,
                               const std::vector<WandbRow>& so_far) {
  directory_ = newest_run(wandb);
  if (directory_.empty()) {
    run.id = new_id();
    const auto begin = static_cast<std::time_t>(run.start_time);
    directory_ =
        wandb / fmt::format("{}{:%Y%m%d_%H%M%S}-{}", kFolderStem, fmt::gmtime(begin), run.id);
  } else {
    const auto name = directory_.filename().string();
    run.id = name.substr(name.size() - kIdLength);
  }
  fs::create_directories(directory_ / "files");
  fs::create_directories(directory_ / "logs");
  path_ = directory_ / fmt::format("run-{}.wandb", run.id);
  DurableFile file(path_);
  file.write(encoder_.begin(run));
  for (const auto& row : so_far) file.write(encoder_.row(row));
  file.commit();
  fs::remove(fs::path(path_) += ".synced");  // what was sent before is not all of it any more
  file_.open(path_, std::ios::app | std::ios::binary);
  if (!file_) throw_io_error(path_.string(), "opening");
}

void WandbRunWriter::append(std::string_view bytes) {
  file_.write(bytes.data(), std::ssize(bytes)).flush();
  if (!file_) throw_io_error(path_.string(), "writing");
}

void WandbRunWriter::write(const WandbRow& row) { append(encoder_.row(row)); }
void WandbRunWriter::finish(int exit_code, double time) { append(encoder_.end(exit_code, time)); }

}  // namespace gpt2::formats
