// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/cli/option_value.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <concepts>
#include <limits>
#include <utility>

#include "formats/errors.h"
#include "formats/json_text.h"
#include "formats/utf8.h"

namespace gpt2::cli {
namespace {

using formats::UsageError;
__extension__ using Wide = unsigned __int128;

/// Takes K, M, G, Ki, Mi or Gi off the end of `text` and gives what it stands for.
std::uint64_t take_unit(std::string_view& text) {
  static constexpr std::array<std::pair<std::string_view, std::uint64_t>, 6> kUnits{
      {{"Ki", 1ULL << 10},
       {"Mi", 1ULL << 20},
       {"Gi", 1ULL << 30},
       {"K", 1'000},
       {"M", 1'000'000},
       {"G", 1'000'000'000}}};
  for (const auto& [name, unit] : kUnits) {
    if (text.ends_with(name)) {
      text.remove_suffix(name.size());
      return unit;
    }
  }
  return 1;
}

bool is_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Reads 12, -3, 64Ki or 1.5M.
template <std::integral Integer>
void parse(const std::string& word, Integer& target) {
  constexpr auto kHighest = std::numeric_limits<Integer>::max();
  std::string_view text = word;
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const Wide unit = take_unit(text);
  const auto point = text.find('.');
  auto whole = text.substr(0, point);
  auto fraction = point == std::string_view::npos ? std::string_view("0") : text.substr(point + 1);
  const bool digits =
      !whole.empty() && !fraction.empty() && is_digits(whole) && is_digits(fraction);
  whole.remove_prefix(std::min(whole.find_first_not_of('0'), whole.size()));
  fraction = fraction.substr(0, fraction.find_last_not_of('0') + 1);

  // At most 20 + 9 digits times 2^30 stay below 2^128.
  constexpr std::size_t kMostWholeDigits = 20, kMostFractionDigits = 9;
  const bool too_long = whole.size() > kMostWholeDigits;
  Wide value = 0, divisor = 1;
  if (digits && !too_long && fraction.size() <= kMostFractionDigits) {
    for (const char digit : whole) value = value * 10 + static_cast<unsigned>(digit - '0');
    for (const char digit : fraction) {
      value = value * 10 + static_cast<unsigned>(digit - '0');
      divisor *= 10;
    }
    value *= unit;
  }
  if (!digits || fraction.size() > kMostFractionDigits || value % divisor != 0) {
    throw UsageError(fmt::format(
        "'{}' is not a whole number (digits, then K, M, G, Ki, Mi, Gi or nothing)", word));
  }
  value /= divisor;
  if (negative && std::unsigned_integral<Integer>) {
    throw UsageError(fmt::format("{} is too small; the least is 0", word));
  }
  const Wide limit = static_cast<Wide>(kHighest) + (negative ? 1 : 0);
  if (too_long || value > limit) {
    throw UsageError(negative ? fmt::format("{} is too small; the least is {}", word,
                                            std::numeric_limits<Integer>::min())
                              : fmt::format("{} is too large; the most is {}", word, kHighest));
  }
  const auto magnitude = static_cast<std::uint64_t>(value);
  target = static_cast<Integer>(negative ? 0 - magnitude : magnitude);
}

template <std::floating_point Float>
void parse(const std::string& word, Float& target) {
  std::string_view text = word;
  if (text.starts_with('+')) text.remove_prefix(1);
  Float value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) {
    throw UsageError(fmt::format("{} is out of the range of its type", word));
  }
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    throw UsageError(fmt::format("'{}' is not a finite number", word));
  }
  target = value;
}

void parse(const std::string& word, std::string& target) { target = word; }

void parse(const std::string& word, bool& target) {
  const bool yes = word == "true" || word == "1";
  if (!yes && word != "false" && word != "0") {
    throw UsageError(fmt::format("'{}' is neither true nor false", word));
  }
  target = yes;
}

void check_is_utf8(const std::string& word) {
  if (is_utf8(word)) return;
  throw UsageError(
      fmt::format("the word {} is not UTF-8, as YAML must be", formats::json_quote(word)));
}

std::string yaml_list(const std::vector<std::string>& words) {
  for (const auto& word : words) check_is_utf8(word);
  YAML::Emitter out;
  out.SetStringFormat(YAML::DoubleQuoted);
  out << YAML::Flow << YAML::BeginSeq;
  for (const auto& word : words) out << word;
  out << YAML::EndSeq;
  return out.c_str();
}

std::string yaml_string(const std::string& text) {
  check_is_utf8(text);
  YAML::Emitter out;
  out << YAML::DoubleQuoted << text;
  return out.c_str();
}

}  // namespace

void assign(const OptionTarget& target, const std::vector<std::string>& words) {
  std::visit(
      [&](auto* value) {
        if constexpr (std::same_as<decltype(value), std::vector<std::string>*>) {
          *value = words;
        } else {
          if (words.size() != 1) throw UsageError("takes one value, not a list");
          parse(words.front(), *value);
        }
      },
      target);
}

std::string text_of(const OptionTarget& target) {
  return std::visit(
      [](const auto* value) {
        if constexpr (std::same_as<decltype(value), const std::vector<std::string>*>) {
          return yaml_list(*value);
        } else {
          return fmt::format("{}", *value);
        }
      },
      target);
}

std::string yaml_of(const OptionTarget& target) {
  const auto* text = std::get_if<std::string*>(&target);
  return text != nullptr ? yaml_string(**text) : text_of(target);
}

std::vector<std::string> words_of(const OptionTarget& target, const std::string& text) {
  if (!std::holds_alternative<std::vector<std::string>*>(target)) return {text};
  try {
    if (find_forbidden_in_yaml(text) == text.size()) {
      auto words = YAML::Load(text).as<std::vector<std::string>>();
      if (std::ranges::all_of(words, is_utf8)) return words;
    }
  } catch (const YAML::Exception&) {
  }
  throw UsageError(fmt::format("'{}' is not a YAML list of words", text));
}

bool is_utf8(std::string_view text) { return formats::utf8_prefix_length(text) == text.size(); }

std::size_t find_forbidden_in_yaml(std::string_view text) {
  const auto control = std::ranges::find_if(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7F;
  });
  return std::min(static_cast<std::size_t>(control - text.begin()),
                  formats::utf8_prefix_length(text));
}

bool is_empty(const OptionTarget& target) {
  return std::visit(
      [](const auto* value) {
        if constexpr (requires { value->empty(); }) {
          return value->empty();
        } else {
          return false;
        }
      },
      target);
}

}  // namespace gpt2::cli
