// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What a model made of each question of an evaluation, a line each. Spec: formats/eval_items.md;
// change both together.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gpt2::formats {

/// How texts become tokens, and by what a choice's log-probability is divided: llm.c and
/// build-nanogpt by its tokens, lm-evaluation-harness by its characters.
enum class EvalConvention : std::uint8_t { kLlmc, kLmEval };
/// "llmc", "lm_eval".
std::string_view name_of(EvalConvention convention);

/// The choices of one question.
struct EvalChoices {
  std::vector<double> sums;                  // log-probability of each
  std::vector<std::uint64_t> lengths;        // tokens or characters of each
  bool greedy = false, last_greedy = false;  // of a question with a single choice

  /// The first choice with the largest sum; with the largest sum / length.
  std::size_t likeliest() const;
  std::size_t likeliest_by_length() const;
  bool operator==(const EvalChoices&) const = default;
};

struct EvalItem {
  std::uint64_t index = 0;  // place in the data, from 0 on
  std::uint64_t label = 0;  // the right choice
  std::map<EvalConvention, EvalChoices> choices;
  bool operator==(const EvalItem&) const = default;
};

/// The first line: items of equal identities are the same but for rounding.
struct EvalIdentity {
  std::string task;       // hellaswag ...
  std::string data;       // SHA-256
  std::string model;      // CRC-32C over configuration and weights
  std::string tokenizer;  // fingerprint
  bool operator==(const EvalIdentity&) const = default;
};

/// One line each, without its end.
std::string encode_eval_identity(const EvalIdentity& identity);
std::string encode_eval_item(const EvalItem& item);
/// Throws: FormatError naming `path` and `line`.
EvalIdentity decode_eval_identity(std::string_view json, std::string_view path, std::uint64_t line);
EvalItem decode_eval_item(std::string_view json, std::string_view path, std::uint64_t line);

struct EvalItems {
  EvalIdentity identity;
  std::vector<EvalItem> items;  // with the indices 0, 1, 2 ...
};
/// The text of a whole file; a last line without its end was cut short and is left out. Throws:
/// FormatError; also for a text without a first line, and items that are not in order.
EvalItems decode_eval_items(std::string_view text, std::string_view path);

}  // namespace gpt2::formats
