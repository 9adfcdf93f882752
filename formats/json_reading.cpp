// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/json_reading.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "formats/errors.h"
#include "formats/json_text.h"
#include "formats/text_index.h"

namespace gpt2::formats {

JsonObject::JsonObject(simdjson::dom::element element, std::string path, std::string place)
    : path_(std::move(path)), place_(std::move(place)) {
  if (element.get(object_) != simdjson::SUCCESS) refuse("", "is not an object");
  TextIndex keys(object_.size());
  for (const auto field : object_) {
    if (!keys.add(field.key)) refuse(json_quote(field.key), "is there twice");
  }
}

void JsonObject::refuse(std::string_view key, std::string_view problem) const {
  std::string place = place_ + std::string(key);
  if (place.ends_with('.')) place.pop_back();
  throw FormatError(fmt::format("{}: {}: {}", path_, place.empty() ? "JSON" : place, problem));
}

std::optional<simdjson::dom::element> JsonObject::find(std::string_view key) const {
  simdjson::dom::element value;
  if (object_.at_key(key).get(value) != simdjson::SUCCESS || value.is_null()) return {};
  return value;
}

simdjson::dom::element JsonObject::at(std::string_view key) const {
  simdjson::dom::element value;
  if (object_.at_key(key).get(value) != simdjson::SUCCESS) refuse(key, "is missing");
  return value;
}

template <typename Type>
Type JsonObject::convert(std::string_view key, simdjson::dom::element value,
                         const char* type_name) const {
  Type converted{};
  if (value.get(converted) != simdjson::SUCCESS) refuse(key, fmt::format("is not {}", type_name));
  return converted;
}

template <typename Type>
Type JsonObject::value_of(std::string_view key, const char* type_name) const {
  return convert<Type>(key, at(key), type_name);
}

std::string_view JsonObject::text(std::string_view key) const {
  return value_of<std::string_view>(key, "a text");
}

std::string_view JsonObject::text(const simdjson::dom::key_value_pair& field) const {
  return convert<std::string_view>(field.key, field.value, "a text");
}

std::uint64_t JsonObject::whole_number(std::string_view key) const {
  return value_of<std::uint64_t>(key, "a whole number from 0 on");
}

std::uint32_t JsonObject::small_number(std::string_view key) const {
  const std::uint64_t value = whole_number(key);
  if (value > std::numeric_limits<std::uint32_t>::max()) refuse(key, "does not fit 32 bits");
  return static_cast<std::uint32_t>(value);
}

double JsonObject::number(std::string_view key) const { return value_of<double>(key, "a number"); }

double JsonObject::number(const simdjson::dom::key_value_pair& field) const {
  return convert<double>(field.key, field.value, "a number");
}

bool JsonObject::truth(std::string_view key) const { return value_of<bool>(key, "true or false"); }

std::vector<simdjson::dom::element> JsonObject::elements(std::string_view key) const {
  std::vector<simdjson::dom::element> elements;
  for (const auto element : value_of<simdjson::dom::array>(key, "an array")) {
    elements.push_back(element);
  }
  return elements;
}

std::vector<std::uint64_t> JsonObject::whole_numbers(std::string_view key) const {
  std::vector<std::uint64_t> numbers;
  for (const auto element : value_of<simdjson::dom::array>(key, "an array")) {
    std::uint64_t number = 0;
    if (element.get(number) != simdjson::SUCCESS) {
      refuse(key, "holds something else than whole numbers from 0 on");
    }
    numbers.push_back(number);
  }
  return numbers;
}

simdjson::dom::object JsonObject::fields_of(std::string_view key) const {
  return value_of<simdjson::dom::object>(key, "an object");
}

JsonObject JsonObject::object(std::string_view key) const {
  return {at(key), path_, fmt::format("{}{}.", place_, key)};
}

JsonObjects JsonObject::objects(std::string_view key) const {
  return {value_of<simdjson::dom::array>(key, "an array"), path_, fmt::format("{}{}", place_, key)};
}

JsonObject JsonObjects::Iterator::operator*() const {
  return {*element_, objects_.path_, fmt::format("{}[{}].", objects_.place_, index_)};
}

JsonObjects::Iterator& JsonObjects::Iterator::operator++() {
  ++element_;
  ++index_;
  return *this;
}

JsonDocument::JsonDocument(std::string_view text, std::string path) : path_(std::move(path)) {
  const auto error = parser_.parse(text.data(), text.size()).get(root_);
  if (error != simdjson::SUCCESS) {
    throw FormatError(
        fmt::format("{}: is no valid JSON: {}", path_, simdjson::error_message(error)));
  }
}

simdjson::dom::object JsonDocument::fields() const {
  simdjson::dom::object object;
  if (root_.get(object) != simdjson::SUCCESS) {
    throw FormatError(fmt::format("{}: JSON: is not an object", path_));
  }
  return object;
}

}  // namespace gpt2::formats
