// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Writing JSON text. Reading is simdjson's DOM API.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gpt2::formats {

/// `text` in double quotes; control characters, quote and backslash escaped; other bytes kept.
/// Bytes that are not UTF-8 become U+FFFD, so the result is always valid JSON.
std::string json_quote(std::string_view text);
/// Shortest form that reads back to the same double; NaN and infinities become null.
std::string json_number(double value);

/// Builds one JSON object or array with commas and indentation in place.
class JsonWriter {
 public:
  /// `indent` 0: one line.
  explicit JsonWriter(int indent = 0) : indent_(indent) {}
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(double number);
  JsonWriter& value(float number) { return value(static_cast<double>(number)); }
  JsonWriter& value(bool truth);
  JsonWriter& value(std::int64_t number);
  JsonWriter& value(std::uint64_t number);
  JsonWriter& value(int number) { return value(static_cast<std::int64_t>(number)); }
  JsonWriter& value(unsigned number) { return value(static_cast<std::uint64_t>(number)); }
  JsonWriter& null();
  JsonWriter& raw(std::string_view json);  // a value that is JSON already
  const std::string& text() const { return text_; }

 private:
  void before_value();
  void new_line();
  int indent_ = 0, depth_ = 0;
  bool first_ = true, after_key_ = false;
  std::string text_;
};

}  // namespace gpt2::formats
