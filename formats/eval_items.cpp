// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/eval_items.h"

#include <fmt/format.h>

#include <array>

#include "formats/errors.h"
#include "formats/json_reading.h"
#include "formats/json_text.h"

namespace gpt2::formats {
namespace {

constexpr std::uint32_t kVersion = 1;
constexpr std::array kConventions{EvalConvention::kLlmc, EvalConvention::kLmEval};

/// What the lengths of a convention count, which is their key.
std::string_view length_key(EvalConvention convention) {
  return convention == EvalConvention::kLlmc ? "tokens" : "characters";
}

template <typename Score>
std::size_t first_maximum(std::size_t count, const Score& score) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < count; ++i) {
    if (score(i) > score(best)) best = i;
  }
  return best;
}

void write_choices(const EvalChoices& choices, EvalConvention convention, JsonWriter& json) {
  json.begin_object();
  json.key("sums").begin_array();
  for (const double sum : choices.sums) json.value(sum);
  json.end_array();
  json.key(length_key(convention)).begin_array();
  for (const auto length : choices.lengths) json.value(length);
  json.end_array();
  if (choices.sums.size() == 1) {
    json.key("greedy").value(choices.greedy);
    json.key("last_greedy").value(choices.last_greedy);
  } else {
    json.key("acc").value(static_cast<std::uint64_t>(choices.likeliest()));
    json.key("acc_norm").value(static_cast<std::uint64_t>(choices.likeliest_by_length()));
  }
  json.end_object();
}

EvalChoices read_choices(const JsonObject& object, EvalConvention convention) {
  EvalChoices choices;
  for (const auto element : object.elements("sums")) {
    if (element.get(choices.sums.emplace_back()) != simdjson::SUCCESS) {
      object.refuse("sums", "holds something but numbers");
    }
  }
  choices.lengths = object.whole_numbers(length_key(convention));
  if (choices.sums.empty() || choices.lengths.size() != choices.sums.size()) {
    object.refuse(length_key(convention), fmt::format("has {} values for {} sums",
                                                      choices.lengths.size(), choices.sums.size()));
  }
  if (choices.sums.size() == 1) {
    choices.greedy = object.truth("greedy");
    choices.last_greedy = object.truth("last_greedy");
  }
  return choices;
}

}  // namespace

std::string_view name_of(EvalConvention convention) {
  return convention == EvalConvention::kLlmc ? "llmc" : "lm_eval";
}

std::size_t EvalChoices::likeliest() const {
  return first_maximum(sums.size(), [&](std::size_t i) { return sums[i]; });
}

std::size_t EvalChoices::likeliest_by_length() const {
  return first_maximum(sums.size(),
                       [&](std::size_t i) { return sums[i] / static_cast<double>(lengths[i]); });
}

std::string encode_eval_identity(const EvalIdentity& identity) {
  JsonWriter json;
  json.begin_object();
  json.key("task").value(identity.task);
  json.key("version").value(kVersion);
  json.key("data").value(identity.data);
  json.key("model").value(identity.model);
  json.key("tokenizer").value(identity.tokenizer);
  return json.end_object().text();
}

std::string encode_eval_item(const EvalItem& item) {
  JsonWriter json;
  json.begin_object();
  json.key("index").value(item.index);
  json.key("label").value(item.label);
  for (const auto& [convention, choices] : item.choices) {
    json.key(name_of(convention));
    write_choices(choices, convention, json);
  }
  return json.end_object().text();
}

EvalIdentity decode_eval_identity(std::string_view json, std::string_view path,
                                  std::uint64_t line) {
  const JsonDocument document(json, fmt::format("{}:{}", path, line));
  const JsonObject object = document.root();
  if (const auto version = object.whole_number("version"); version != kVersion) {
    object.refuse("version", fmt::format("is {}, this build reads {}", version, kVersion));
  }
  return {.task = std::string(object.text("task")),
          .data = std::string(object.text("data")),
          .model = std::string(object.text("model")),
          .tokenizer = std::string(object.text("tokenizer"))};
}

EvalItem decode_eval_item(std::string_view json, std::string_view path, std::uint64_t line) {
  const JsonDocument document(json, fmt::format("{}:{}", path, line));
  const JsonObject object = document.root();
  EvalItem item{.index = object.whole_number("index"), .label = object.whole_number("label")};
  for (const auto convention : kConventions) {
    const auto key = name_of(convention);
    if (!object.find(key)) continue;
    const auto& choices = item.choices[convention] = read_choices(object.object(key), convention);
    if (item.label >= choices.sums.size()) {
      object.refuse(
          "label", fmt::format("is {}, but there are {} choices", item.label, choices.sums.size()));
    }
  }
  if (item.choices.empty()) object.refuse("llmc", "is missing, and so is lm_eval");
  return item;
}

EvalItems decode_eval_items(std::string_view text, std::string_view path) {
  EvalItems all;
  std::uint64_t line_number = 0;
  for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    const auto line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (++line_number == 1) {
      all.identity = decode_eval_identity(line, path, line_number);
      continue;
    }
    all.items.push_back(decode_eval_item(line, path, line_number));
    if (all.items.back().index != all.items.size() - 1) {
      throw FormatError(fmt::format("{}:{}: index: is {}, not {}", path, line_number,
                                    all.items.back().index, all.items.size() - 1));
    }
  }
  if (line_number == 0) throw FormatError(fmt::format("{}: has no first line", path));
  return all;
}

}  // namespace gpt2::formats
