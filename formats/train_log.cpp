// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/train_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <limits>
#include <span>

#include "formats/durable_file.h"
#include "formats/errors.h"
#include "formats/input_file.h"
#include "formats/json_reading.h"
#include "formats/json_text.h"

namespace gpt2::formats {
namespace {

constexpr const char* kMetricsName = "metrics.jsonl";
constexpr const char* kLogName = "log.txt";
constexpr std::size_t kMostLineBytes = std::size_t{16} << 20;  // a sample's text is far shorter

/// What of a record log.txt shows.
struct LogColumn {
  std::string_view kind, number;
  int decimals;
};
constexpr std::array<LogColumn, 3> kLogColumns{
    {{"train", "loss", 6}, {"val", "loss", 4}, {"hella", "accuracy", 4}}};

const LogColumn* find_log_column(std::string_view kind) {
  for (const auto& column : kLogColumns) {
    if (column.kind == kind) return &column;
  }
  return nullptr;
}

using Decode =
    std::function<TrainLogRecord(std::string_view text, std::string_view path, std::uint64_t line)>;

/// Calls `take` with each line of a file but a last one without its end, which was cut short.
/// Throws: InputError if it is missing or no regular file; FormatError for an endless line;
/// IoError.
void for_each_line(const std::filesystem::path& path,
                   const std::function<void(std::string_view)>& take) {
  constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;
  const InputFile file(path);
  std::string window;  // begins with a line
  for (std::uint64_t offset = 0; offset < file.bytes();) {
    const std::size_t kept = window.size();
    if (kept > kMostLineBytes) {
      throw FormatError(path.string(), offset - kept, "line",
                        fmt::format("has more than {} bytes", kMostLineBytes));
    }
    window.resize(kept + std::min(kPieceBytes, file.bytes() - offset));
    const auto piece = std::span(window).subspan(kept);
    file.read(offset, {reinterpret_cast<std::uint8_t*>(piece.data()), piece.size()});
    offset += piece.size();
    std::size_t begin = 0;
    for (auto end = window.find('\n', kept); end != std::string::npos;
         end = window.find('\n', begin)) {
      take(std::string_view(window).substr(begin, end - begin));
      begin = end + 1;
    }
    window.erase(0, begin);
  }
}

std::vector<TrainLogRecord> load_lines(const std::filesystem::path& path, const Decode& decode) {
  std::vector<TrainLogRecord> records;
  for_each_line(path, [&](std::string_view line) {
    records.push_back(decode(line, path.string(), records.size() + 1));
  });
  return records;
}

/// Rewrites the file with the lines that are records of steps <= `keep_through_step`.
void cut_back(const std::filesystem::path& path, std::uint64_t keep_through_step,
              const Decode& decode) {
  DurableFile kept(path);
  if (keep_through_step > 0 && std::filesystem::exists(path)) {
    for_each_line(path, [&](std::string_view line) {
      try {
        if (decode(line, path.string(), 0).step > keep_through_step) return;
      } catch (const FormatError&) {
        return;
      }
      kept.write(line);
      kept.write("\n");
    });
  }
  kept.commit();
}

void append_line(std::ofstream& file, const std::filesystem::path& path, std::string line) {
  line += '\n';
  file.write(line.data(), std::ssize(line)).flush();
  if (!file) throw_io_error(path.string(), "writing");
}

}  // namespace

TrainLogWriter::TrainLogWriter(const std::filesystem::path& run_directory,
                               std::uint64_t keep_through_step)
    : run_directory_(run_directory) {
  const auto open = [&](std::ofstream& file, const char* name, const Decode& decode) {
    const auto path = run_directory / name;
    cut_back(path, keep_through_step, decode);
    file.open(path, std::ios::app);
    if (!file) throw_io_error(path.string(), "opening");
  };
  open(metrics_, kMetricsName, decode_train_log_record);
  open(log_, kLogName, decode_log_line);
}

void TrainLogWriter::write(const TrainLogRecord& record) {
  append_line(metrics_, run_directory_ / kMetricsName, encode_train_log_record(record));
  const auto* column = find_log_column(record.kind);
  if (column == nullptr) return;
  const auto number = record.numbers.find(std::string(column->number));
  if (number == record.numbers.end()) return;
  append_line(
      log_, run_directory_ / kLogName,
      fmt::format("{} {} {:.{}f}", record.step, record.kind, number->second, column->decimals));
}

std::string encode_train_log_record(const TrainLogRecord& record) {
  JsonWriter json;
  json.begin_object();
  json.key("kind").value(record.kind);
  json.key("step").value(record.step);
  json.key("time").value(record.time);
  for (const auto& [name, value] : record.numbers) json.key(name).value(value);
  if (!record.text.empty()) json.key("text").value(record.text);
  if (!record.counts.empty()) {
    json.key("counts").begin_array();
    for (const auto count : record.counts) json.value(count);
    json.end_array();
  }
  json.end_object();
  return json.text();
}

TrainLogRecord decode_train_log_record(std::string_view json, std::string_view path,
                                       std::uint64_t line) {
  const JsonDocument document(json, fmt::format("{}:{}", path, line));
  const JsonObject object = document.root();
  TrainLogRecord record;
  record.kind = object.text("kind");
  record.step = object.whole_number("step");
  record.time = object.number("time");
  for (const auto field : object.fields()) {
    if (field.key == "kind" || field.key == "step" || field.key == "time") continue;
    if (field.key == "text") {
      record.text = object.text(field);
    } else if (field.key == "counts") {
      record.counts = object.whole_numbers("counts");
    } else {
      record.numbers[std::string(field.key)] =
          field.value.is_null() ? std::numeric_limits<double>::quiet_NaN() : object.number(field);
    }
  }
  if (record.kind == "histogram") {
    for (const char* name : {"low", "high", "sum", "sum_squares"}) object.number(name);
    if (object.text("text").empty()) object.refuse("text", "is empty");
    if (object.whole_numbers("counts").empty()) object.refuse("counts", "is empty");
  }
  return record;
}

TrainLogRecord decode_log_line(std::string_view text, std::string_view path, std::uint64_t line) {
  const auto first = text.find(' ');
  const auto second = first == std::string_view::npos ? first : text.find(' ', first + 1);
  if (second != std::string_view::npos) {
    const auto step_text = text.substr(0, first), value_text = text.substr(second + 1);
    const auto* column = find_log_column(text.substr(first + 1, second - first - 1));
    const auto whole = [](std::string_view number, auto& value) {
      const auto [end, error] =
          std::from_chars(number.data(), number.data() + number.size(), value);
      return error == std::errc() && end == number.data() + number.size();
    };
    TrainLogRecord record;
    double value = 0;
    if (column != nullptr && whole(step_text, record.step) && whole(value_text, value)) {
      record.kind = column->kind;
      record.numbers[std::string(column->number)] = value;
      return record;
    }
  }
  throw FormatError(fmt::format("{}:{}: is not 'STEP train|val|hella NUMBER'", path, line));
}

std::vector<TrainLogRecord> load_train_log(const std::filesystem::path& run_directory) {
  return load_lines(run_directory / kMetricsName, decode_train_log_record);
}

std::vector<TrainLogRecord> load_log_text(const std::filesystem::path& run_directory) {
  return load_lines(run_directory / kLogName, decode_log_line);
}

}  // namespace gpt2::formats
