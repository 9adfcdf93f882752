// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/text/document_source.h"

#include <fmt/format.h>
#include <simdjson.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "formats/byte_source.h"
#include "formats/decompression.h"
#include "formats/errors.h"
#include "formats/input_file.h"
#include "formats/parquet.h"
#include "libcore/text/pretokenizer.h"

namespace gpt2::text {

using formats::InputError;

namespace {

constexpr std::size_t kFirstReadBytes = std::size_t{16} << 10, kMaxReadBytes = std::size_t{1} << 20;
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

/// What a file holds, by its name; it may be packed besides.
std::string_view format_of(std::string_view path) {
  for (const std::string_view packing : {".gz", ".zst"}) {
    if (path.ends_with(packing)) path.remove_suffix(packing.size());
  }
  if (path.ends_with(".jsonl")) return "jsonl";
  return path.ends_with(".parquet") ? "parquet" : "text";
}

/// Makes every lone surrogate escape of a line of JSON "\uFFFD"; the length stays.
void repair_lone_surrogates(std::span<char> line) {
  const auto code_unit_at = [&](std::size_t begin) -> std::optional<unsigned> {
    if (begin + 6 > line.size() || line[begin] != '\\' || line[begin + 1] != 'u') return {};
    unsigned value = 0;
    const char* digits = line.data() + begin + 2;
    const auto [end, error] = std::from_chars(digits, digits + 4, value, 16);
    if (error != std::errc{} || end != digits + 4) return {};
    return value;
  };
  const auto is_high = [](unsigned unit) { return unit >= 0xD800 && unit <= 0xDBFF; };
  const auto is_low = [](unsigned unit) { return unit >= 0xDC00 && unit <= 0xDFFF; };
  for (std::size_t place = 0; place < line.size();) {
    const void* found = std::memchr(line.data() + place, '\\', line.size() - place);
    if (found == nullptr) return;
    place = static_cast<std::size_t>(static_cast<const char*>(found) - line.data());
    const auto unit = code_unit_at(place);
    if (!unit) {
      place += 2;  // another escape: its second character may be a backslash
    } else if (const auto next = code_unit_at(place + 6); is_high(*unit) && next && is_low(*next)) {
      place += 12;
    } else {
      if (is_high(*unit) || is_low(*unit)) std::memcpy(line.data() + place + 2, "FFFD", 4);
      place += 6;
    }
  }
}

}  // namespace

/// A file or standard input, unpacked, in a window that begins at the first byte not consumed.
class DocumentSource::ByteWindow {
 public:
  ByteWindow(const std::string& path, std::uint64_t& stored_bytes_read)
      : name_(formats::name_in_errors(path)),
        source_(formats::open_byte_source(path)),
        stored_bytes_read_(stored_bytes_read) {}

  const std::string& name() const { return name_; }
  std::span<char> window() { return std::span(buffer_).subspan(begin_); }
  std::string_view text() const { return std::string_view(buffer_).substr(begin_); }
  void consume(std::size_t bytes) { begin_ += bytes; }
  bool at_end() const { return at_end_; }
  /// Lengthens the window, or finds the end of the file. Bytes behind the window may be read by
  /// simdjson.
  void read_more() {
    buffer_.erase(0, std::exchange(begin_, 0));
    const std::size_t kept = buffer_.size();
    const std::size_t wanted =
        std::exchange(next_read_bytes_, std::min(4 * next_read_bytes_, kMaxReadBytes));
    buffer_.reserve(kept + wanted + simdjson::SIMDJSON_PADDING);
    buffer_.resize(kept + wanted);
    const std::uint64_t stored_before = source_->stored_bytes_read();
    const std::size_t got =
        source_->read({reinterpret_cast<std::uint8_t*>(buffer_.data()) + kept, wanted});
    at_end_ = got < wanted;
    buffer_.resize(kept + got);
    stored_bytes_read_ += source_->stored_bytes_read() - stored_before;
  }

 private:
  std::string name_;
  std::unique_ptr<formats::ByteSource> source_;
  std::uint64_t& stored_bytes_read_;
  std::string buffer_;
  std::size_t begin_ = 0;
  std::size_t next_read_bytes_ = kFirstReadBytes;  // so that a folder of small files costs little
  bool at_end_ = false;
};

/// Gives the pieces of one file.
class DocumentSource::Reader {
 public:
  virtual ~Reader() = default;
  virtual bool next(TextPiece& piece) = 0;
};

class DocumentSource::TextReader : public Reader {
 public:
  TextReader(const std::string& path, DocumentSource& source)
      : file_(path, source.bytes_read_), separator_(source.input_.separator) {}

  bool next(TextPiece& piece) override {
    while (!finished_) {
      const std::string_view text = file_.text();
      if (!separator_.empty()) {
        const std::size_t found = text.find(separator_, searched_);
        if (found != std::string_view::npos) {
          give(piece, found, found + separator_.size());
          begins_document_ = true;
          return true;
        }
      }
      if (file_.at_end()) {
        give(piece, text.size(), text.size());
        finished_ = true;
        return true;
      }
      // A separator may have begun in the last bytes, so they are neither searched nor given yet.
      const std::size_t open_bytes = separator_.empty() ? 0 : separator_.size() - 1;
      searched_ = text.size() - std::min(text.size(), open_bytes);
      if (searched_ >= wanted_bytes_) {
        if (const std::size_t cut = find_safe_cut(text.substr(0, searched_)); cut > 0) {
          give(piece, cut, cut);
          wanted_bytes_ = kPieceBytes;
          return true;
        }
        wanted_bytes_ = 2 * searched_;  // so that looking back again and again stays linear
      }
      file_.read_more();
    }
    return false;
  }

 private:
  void give(TextPiece& piece, std::size_t bytes, std::size_t consumed) {
    piece.text.assign(file_.text().substr(0, bytes));
    piece.begins_document = std::exchange(begins_document_, false);
    file_.consume(consumed);
    searched_ = 0;
  }
  ByteWindow file_;
  const std::string& separator_;
  std::size_t searched_ = 0;  // bytes of the window in which no separator begins
  std::size_t wanted_bytes_ = kPieceBytes;
  bool begins_document_ = true, finished_ = false;
};

class DocumentSource::JsonlReader : public Reader {
 public:
  JsonlReader(const std::string& path, DocumentSource& source)
      : file_(path, source.bytes_read_), source_(source) {}

  bool next(TextPiece& piece) override {
    piece.begins_document = true;
    for (std::size_t line_bytes = 0; find_line(line_bytes);) {
      ++line_number_;
      std::span<char> line = file_.window().first(line_bytes);
      constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
      if (line_number_ == 1 && file_.text().starts_with(kByteOrderMark)) {
        line = line.subspan(kByteOrderMark.size());
      }
      const bool has_text = parse_line(line, piece.text);
      file_.consume(std::min(line_bytes + 1, file_.text().size()));
      if (has_text) return true;
    }
    return false;
  }

 private:
  /// Brings a whole line to the start of the window; false at the end of the file.
  bool find_line(std::size_t& line_bytes) {
    for (std::size_t searched = 0;;) {
      const std::string_view text = file_.text();
      const std::size_t found = text.find('\n', searched);
      line_bytes = std::min(found, text.size());
      if (found != std::string_view::npos) return true;
      if (file_.at_end()) return !text.empty();
      searched = text.size();
      file_.read_more();
    }
  }
  [[noreturn]] void refuse(std::string_view problem) const {
    throw InputError(fmt::format("{}:{}: {}", file_.name(), line_number_, problem));
  }
  /// False for a line without a document: blank, or a null text.
  bool parse_line(std::span<char> line, std::string& text) {
    const std::string_view view(line.data(), line.size());
    if (view.find_first_not_of(" \t\r") == std::string_view::npos) return false;
    repair_lone_surrogates(line);
    simdjson::dom::element parsed;
    // ByteWindow keeps the padding that simdjson wants readable behind the line.
    if (const auto error = parser_.parse(line.data(), line.size(), false).get(parsed)) {
      refuse(fmt::format("is not valid JSON: {}", simdjson::error_message(error)));
    }
    simdjson::dom::object object;
    if (parsed.get(object)) refuse("is not a JSON object; each line of JSONL must be one");
    std::optional<simdjson::dom::element> value;
    const std::string& wanted = source_.input_.text_field;
    for (const auto field : object) {
      if (field.key == wanted) value = field.value;  // of equal keys the last, as everywhere
    }
    if (!value) {
      refuse(fmt::format("has no field \"{}\"; name the right one by --text-field", wanted));
    }
    if (value->is_null()) {
      ++source_.null_text_count_;
      return false;
    }
    std::string_view found;
    if (value->get(found)) refuse(fmt::format("field \"{}\" is not a string", wanted));
    text.assign(found);
    return true;
  }

  ByteWindow file_;
  DocumentSource& source_;
  simdjson::dom::parser parser_;
  std::uint64_t line_number_ = 0;
};

class DocumentSource::ParquetReader : public Reader {
 public:
  ParquetReader(const std::string& path, DocumentSource& source)
      : file_(formats::is_standard_input(path) ? formats::InputFile::standard_input()
                                               : formats::InputFile(path),
              source.input_.text_field),
        source_(source) {}

  bool next(TextPiece& piece) override {
    const std::uint64_t nulls_before = file_.null_count();
    const std::uint64_t stored_before = file_.stored_bytes_read();
    std::string_view text;
    const bool found = file_.next(text);
    source_.null_text_count_ += file_.null_count() - nulls_before;
    source_.bytes_read_ += file_.stored_bytes_read() - stored_before;
    if (!found) return false;
    piece.text.assign(text);
    piece.begins_document = true;
    return true;
  }

 private:
  formats::ParquetTextReader file_;
  DocumentSource& source_;
};

DocumentSource::DocumentSource(DocumentInput input) : input_(std::move(input)) {
  constexpr std::array<std::string_view, 4> kFormats{"auto", "text", "jsonl", "parquet"};
  if (std::ranges::find(kFormats, input_.format) == kFormats.end()) {
    throw formats::UsageError(
        fmt::format("format {} is not known; text, jsonl and parquet are", input_.format));
  }
  if (input_.files.empty()) input_.files.emplace_back("-");
  bool all_sizes_known = true;
  for (const std::string& path : input_.files) {
    if (path.empty())
      throw InputError("a file name is empty; name a file, or - for standard input");
    const bool is_file = !formats::is_standard_input(path);
    struct stat status {};
    const int failed = is_file ? ::stat(path.c_str(), &status) : ::fstat(STDIN_FILENO, &status);
    if (failed != 0 || (is_file && ::access(path.c_str(), R_OK) != 0)) {
      throw InputError(fmt::format("{}: {}", formats::name_in_errors(path), std::strerror(errno)));
    }
    if (S_ISDIR(status.st_mode)) {
      throw InputError(
          fmt::format("{}: is a directory; name the files in it", formats::name_in_errors(path)));
    }
    all_sizes_known = all_sizes_known && S_ISREG(status.st_mode);
    total_bytes_ += static_cast<std::uint64_t>(status.st_size);
  }
  if (!all_sizes_known) total_bytes_ = 0;
}

DocumentSource::~DocumentSource() = default;

std::unique_ptr<DocumentSource::Reader> DocumentSource::open_reader(const std::string& path) {
  const std::string_view format = input_.format == "auto" ? format_of(path) : input_.format;
  if (format == "jsonl") return std::make_unique<JsonlReader>(path, *this);
  if (format == "parquet") return std::make_unique<ParquetReader>(path, *this);
  return std::make_unique<TextReader>(path, *this);
}

bool DocumentSource::next(TextPiece& piece) {
  for (;;) {
    if (reader_ && reader_->next(piece)) {
      if (piece.begins_document) ++document_count_;
      return true;
    }
    if (next_file_ == input_.files.size()) {
      reader_.reset();
      return false;
    }
    reader_.reset();
    reader_ = open_reader(input_.files[next_file_++]);
  }
}

}  // namespace gpt2::text
