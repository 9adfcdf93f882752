// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The questions of evaluations by multiple choice, out of the files that their authors publish, and
// the texts that are scored for them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/eval_items.h"

namespace gpt2::eval {

using formats::EvalConvention;

enum class Task : std::uint8_t { kHellaSwag, kLambada, kPiqa, kArcEasy, kWinoGrande };
/// hellaswag, lambada, piqa, arc-easy, winogrande: in the order of Task.
const std::vector<std::string>& task_names();
/// Throws: UsageError naming the five.
Task task_of(std::string_view name);
std::string_view name_of(Task task);
/// The conventions by which a task is scored: HellaSwag by both, the others by lm-eval's alone.
std::vector<EvalConvention> conventions_of(Task task);

/// A text that is given, and one that is scored after it.
struct ChoiceTexts {
  std::string context, continuation;
  std::uint64_t characters = 0;  // code points of the choice, which lm-eval divides by
};

struct Question {
  std::uint64_t line = 0;            // in its file, from 1 on
  std::size_t label = 0;             // number of the right choice, from 0 on
  std::string context;               // HellaSwag alone: what llm.c's convention gives ...
  std::vector<std::string> endings;  // ... and scores
  std::vector<ChoiceTexts> choices;  // lm-eval's
};

struct QuestionFile {
  std::vector<Question> questions;  // at least one
  std::string sha256;               // of the unpacked file, and of the labels' if there is one
};

/// Reads a file of `task`: JSONL, packed by gzip or zstd or not; "-" is standard input. PIQA's
/// answers lie in a file of their own, `labels`, a number a line; empty: each line has its "label".
/// Sources: hellaswag and winogrande as lm-evaluation-harness 0.4 makes them, versions 1.0; the
/// others in their first versions there.
/// Throws: InputError naming file, line and field: no JSON, a field missing or of another type, not
/// four endings, a label out of range, no question at all; UsageError for labels that the task does
/// not take.
QuestionFile load_questions(const std::string& path, Task task, const std::string& labels = {});

/// What lm-evaluation-harness makes of a text of HellaSwag: without blanks around it, marks of
/// WikiHow such as "[step]" and doubled blanks.
std::string clean_hellaswag_text(std::string_view text);

}  // namespace gpt2::eval
