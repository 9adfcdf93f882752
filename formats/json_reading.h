// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Reading JSON from hostile files: simdjson's DOM, with errors that name the file and the place in
// it.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpt2::formats {

class JsonObjects;

/// One JSON object. A value of another type than asked for is a FormatError "path: place.key:
/// problem". Its texts live as long as the document.
class JsonObject {
 public:
  /// `place` names the object in errors: empty for the outermost, else it ends with a dot.
  /// Throws: FormatError if `element` is no object or has a key twice.
  JsonObject(simdjson::dom::element element, std::string path, std::string place);

  /// All fields in the order of the file.
  simdjson::dom::object fields() const { return object_; }
  /// The value of `key`; nothing if it is missing or null.
  std::optional<simdjson::dom::element> find(std::string_view key) const;
  /// Throws: FormatError if `key` is missing; a null is a value.
  simdjson::dom::element at(std::string_view key) const;

  // The value of `key` as a type. Throws: FormatError if it is missing or of another type.
  std::string_view text(std::string_view key) const;
  std::uint64_t whole_number(std::string_view key) const;
  std::uint32_t small_number(std::string_view key) const;  // at most 32 bits
  double number(std::string_view key) const;
  bool truth(std::string_view key) const;
  std::vector<std::uint64_t> whole_numbers(std::string_view key) const;
  std::vector<simdjson::dom::element> elements(std::string_view key) const;
  JsonObject object(std::string_view key) const;
  /// The fields of an object whose keys the caller checks: a vocabulary has tens of thousands.
  simdjson::dom::object fields_of(std::string_view key) const;
  JsonObjects objects(std::string_view key) const;

  // The same of one of fields(): a search for each key of an object would take quadratic time.
  std::string_view text(const simdjson::dom::key_value_pair& field) const;
  double number(const simdjson::dom::key_value_pair& field) const;

  /// FormatError about the value of `key`.
  [[noreturn]] void refuse(std::string_view key, std::string_view problem) const;

 private:
  template <typename Type>
  Type convert(std::string_view key, simdjson::dom::element value, const char* type_name) const;
  template <typename Type>
  Type value_of(std::string_view key, const char* type_name) const;
  simdjson::dom::object object_;
  std::string path_, place_;
};

/// The objects of an array, each checked when a loop comes to it: a short text can hold millions.
class JsonObjects {
 public:
  JsonObjects(simdjson::dom::array array, std::string path, std::string place)
      : array_(array), path_(std::move(path)), place_(std::move(place)) {}

  class Iterator {
   public:
    Iterator(const JsonObjects& objects, simdjson::dom::array::iterator element)
        : objects_(objects), element_(element) {}
    JsonObject operator*() const;
    Iterator& operator++();
    bool operator!=(const Iterator& other) const { return element_ != other.element_; }

   private:
    const JsonObjects& objects_;
    simdjson::dom::array::iterator element_;
    std::size_t index_ = 0;
  };
  Iterator begin() const { return {*this, array_.begin()}; }
  Iterator end() const { return {*this, array_.end()}; }

 private:
  simdjson::dom::array array_;
  std::string path_, place_;
};

/// A parsed JSON text whose outermost value is an object. It stays where it is made: its parts
/// point into it.
class JsonDocument {
 public:
  /// `path` names the file in errors. Throws: FormatError: no JSON, no UTF-8, nested too deeply.
  JsonDocument(std::string_view text, std::string path);
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;
  JsonObject root() const { return {root_, path_, ""}; }
  /// As JsonObject::fields_of, of the outermost object.
  simdjson::dom::object fields() const;

 private:
  std::string path_;
  simdjson::dom::parser parser_;
  simdjson::dom::element root_;
};

}  // namespace gpt2::formats
