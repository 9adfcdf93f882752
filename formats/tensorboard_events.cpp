// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/tensorboard_events.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <type_traits>

#include "formats/byte_codec.h"
#include "formats/crc32c.h"
#include "formats/durable_file.h"
#include "formats/errors.h"
#include "formats/protobuf_message.h"

namespace gpt2::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFileStem = "events.out.tfevents.";

/// TFRecord's form of a checksum, so that one over bytes that hold checksums is no special case.
std::uint32_t masked_crc32c(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes.data(), bytes.size());
  return ((crc >> 15U) | (crc << 17U)) + 0xA282EAD8U;
}

std::string framed(std::string_view payload) {
  std::array<std::uint8_t, 8> length{};
  store_u64(length.data(), payload.size());
  const std::string_view length_bytes(reinterpret_cast<const char*>(length.data()), length.size());
  const auto put_crc = [](std::string& record, std::string_view bytes) {
    std::array<std::uint8_t, 4> crc{};
    store_u32(crc.data(), masked_crc32c(bytes));
    record.append(reinterpret_cast<const char*>(crc.data()), crc.size());
  };
  std::string record(length_bytes);
  put_crc(record, length_bytes);
  record += payload;
  put_crc(record, payload);
  return record;
}

ProtobufMessage scalar_value(const std::string& tag, float value) {
  ProtobufMessage message;
  message.text(1, tag).real(2, value);
  return message;
}

/// A tensor of one string, shown by the plugin "text".
ProtobufMessage text_value(const std::string& tag, const std::string& text) {
  constexpr std::uint64_t kStringType = 7;
  ProtobufMessage dimension, shape, tensor, plugin, metadata, message;
  dimension.whole(1, 1);
  shape.message(2, dimension);
  tensor.whole(1, kStringType).message(2, shape).text(8, text);
  plugin.text(1, "text");
  metadata.message(1, plugin);
  message.text(1, tag + "/text_summary").message(8, tensor).message(9, metadata);
  return message;
}

ProtobufMessage histogram_value(const std::string& tag, const TensorboardHistogram& histogram) {
  const auto& [low, high, sum, sum_squares, counts] = histogram;
  const auto bin_count = static_cast<double>(counts.size());
  double element_count = 0;
  std::vector<double> upper_edges, heights;
  for (const auto count : counts) {
    heights.push_back(static_cast<double>(count));
    element_count += heights.back();
    const auto bins_below = static_cast<double>(heights.size());
    upper_edges.push_back(low + (high - low) * bins_below / bin_count);
  }
  ProtobufMessage proto, message;
  proto.real(1, low).real(2, high).real(3, element_count).real(4, sum).real(5, sum_squares);
  proto.reals(6, upper_edges).reals(7, heights);
  message.text(1, tag).message(5, proto);
  return message;
}

ProtobufMessage encode_value(const TensorboardValue& value) {
  return std::visit(
      [&](const auto& content) {
        using Content = std::decay_t<decltype(content)>;
        if constexpr (std::is_same_v<Content, float>) {
          return scalar_value(value.tag, content);
        } else if constexpr (std::is_same_v<Content, std::string>) {
          return text_value(value.tag, content);
        } else {
          return histogram_value(value.tag, content);
        }
      },
      value.value);
}

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : "host";
}

/// Event files of earlier starts.
std::vector<fs::path> event_files(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().filename().string().starts_with(kFileStem)) files.push_back(entry.path());
  }
  return files;
}

}  // namespace

std::string encode_tensorboard_head(double time) {
  constexpr std::uint64_t kStart = 1;
  ProtobufMessage version, session, start;
  version.real(1, time).text(3, "brain.Event:2");
  session.whole(1, kStart);
  start.real(1, time).whole(2, 0).message(7, session);
  return framed(version.bytes()) + framed(start.bytes());
}

std::string encode_tensorboard_event(const TensorboardEvent& event) {
  ProtobufMessage summary, message;
  for (const auto& value : event.values) summary.message(1, encode_value(value));
  message.real(1, event.time).whole(2, event.step).message(5, summary);
  return framed(message.bytes());
}

TensorboardWriter::TensorboardWriter(const fs::path& directory,
                                     std::span<const TensorboardEvent> so_far, double time) {
  fs::create_directories(directory);
  const auto before = event_files(directory);
  path_ = directory / fmt::format("{}{:010.0f}.{}.{}.0", kFileStem, time, host_name(), getpid());
  DurableFile file(path_);
  file.write(encode_tensorboard_head(time));
  for (const auto& event : so_far) file.write(encode_tensorboard_event(event));
  file.commit();
  for (const auto& old : before) {
    if (old != path_) fs::remove(old);
  }
  file_.open(path_, std::ios::app | std::ios::binary);
  if (!file_) throw_io_error(path_.string(), "opening");
}

void TensorboardWriter::write(const TensorboardEvent& event) {
  const auto record = encode_tensorboard_event(event);
  file_.write(record.data(), std::ssize(record)).flush();
  if (!file_) throw_io_error(path_.string(), "writing");
}

}  // namespace gpt2::formats
