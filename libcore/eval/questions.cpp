// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/eval/questions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <functional>

#include "formats/decompression.h"
#include "formats/digest.h"
#include "formats/errors.h"
#include "formats/json_reading.h"
#include "libcore/eval/python_text.h"

namespace gpt2::eval {
namespace {

using formats::InputError;
using formats::JsonObject;

constexpr std::size_t kFirstReadBytes = std::size_t{1} << 12, kMostReadBytes = std::size_t{1} << 20;
constexpr std::size_t kMostBytes = std::size_t{1} << 30;  // HellaSwag's largest file has 47 MB

/// All of a file or standard input, unpacked.
std::string read_all(const std::string& path) {
  const auto source = formats::open_byte_source(path);
  std::string text;
  // A small file costs little: pieces grow with what there is.
  for (std::size_t asked = kFirstReadBytes, got = asked; got == asked;) {
    const auto kept = text.size();
    if (kept > kMostBytes) {
      throw InputError(fmt::format("{}: has more than {} bytes; questions take less",
                                   formats::name_in_errors(path), kMostBytes));
    }
    asked = std::clamp(kept, kFirstReadBytes, kMostReadBytes);
    text.resize(kept + asked);
    got = source->read({reinterpret_cast<std::uint8_t*>(text.data()) + kept, asked});
    text.resize(kept + got);
  }
  return text;
}

/// Calls `take` with every line that is not blank, and its number.
void for_each_line(std::string_view text,
                   const std::function<void(std::string_view, std::uint64_t)>& take) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  for (std::uint64_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) take(line, number);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (auto place = text.find(from); place != std::string::npos;
       place = text.find(from, place + to.size())) {
    text.replace(place, from.size(), to);
  }
}

/// Deletes "[...]" up to the nearest "]" of the same line, from the front on.
void delete_bracketed(std::string& text) {
  std::string kept;
  for (std::size_t place = 0; place < text.size();) {
    if (text[place] == '[') {
      const auto end = text.find_first_of("]\n", place + 1);
      if (end != std::string::npos && text[end] == ']') {
        place = end + 1;
        continue;
      }
    }
    kept += text[place++];
  }
  text = std::move(kept);
}

/// A choice of lm-evaluation-harness: its text follows the context after a blank.
ChoiceTexts choice_after(std::string context, std::string_view choice) {
  return {.context = std::move(context),
          .continuation = fmt::format(" {}", choice),
          .characters = count_characters(choice)};
}

/// A label as a number or as its digits, which is how copies on the hub have it.
std::size_t read_label(const JsonObject& object, std::string_view key, std::size_t choice_count,
                       std::size_t first = 0) {
  std::uint64_t label = 0;
  if (std::string_view digits; object.at(key).get(digits) == simdjson::SUCCESS) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), label);
    if (error != std::errc{} || end != digits.data() + digits.size()) {
      object.refuse(key, fmt::format("is '{}', not the number of a choice", digits));
    }
  } else {
    label = object.whole_number(key);
  }
  if (label < first || label - first >= choice_count) {
    object.refuse(key, fmt::format("is {}; it must be from {} to {}", label, first,
                                   first + choice_count - 1));
  }
  return label - first;
}

std::vector<std::string> read_texts(const JsonObject& object, std::string_view key) {
  std::vector<std::string> texts;
  for (const auto element : object.elements(key)) {
    std::string_view text;
    if (element.get(text) != simdjson::SUCCESS) object.refuse(key, "holds something but texts");
    texts.emplace_back(text);
  }
  return texts;
}

Question hellaswag_question(const JsonObject& object) {
  constexpr std::size_t kEndings = 4;
  Question question{.context = std::string(object.text("ctx")),
                    .endings = read_texts(object, "endings")};
  if (question.endings.size() != kEndings) {
    object.refuse("endings",
                  fmt::format("has {} texts, not {}", question.endings.size(), kEndings));
  }
  question.label = read_label(object, "label", kEndings);
  const auto query =
      clean_hellaswag_text(fmt::format("{}: {} {}", object.text("activity_label"),
                                       object.text("ctx_a"), capitalize(object.text("ctx_b"))));
  for (const auto& ending : question.endings) {
    question.choices.push_back(choice_after(query, clean_hellaswag_text(ending)));
  }
  return question;
}

Question lambada_question(const JsonObject& object) {
  const auto text = object.text("text");
  const auto last_blank = text.rfind(' ');
  if (last_blank == std::string_view::npos) object.refuse("text", "has no last word after a blank");
  return {.choices = {
              choice_after(std::string(text.substr(0, last_blank)), text.substr(last_blank + 1))}};
}

/// PIQA; the label comes from the line, or later from the file of labels.
Question piqa_question(const JsonObject& object, bool has_label) {
  Question question;
  const auto query = fmt::format("Question: {}\nAnswer:", object.text("goal"));
  for (const auto* key : {"sol1", "sol2"}) {
    question.choices.push_back(choice_after(query, object.text(key)));
  }
  if (has_label) question.label = read_label(object, "label", question.choices.size());
  return question;
}

/// ARC as its authors publish it (question.stem, question.choices) or as on the hub (question,
/// choices.text, choices.label).
Question arc_question(const JsonObject& object) {
  Question question;
  std::string stem;
  std::vector<std::string> labels, texts;
  if (object.at("question").is_object()) {
    const auto inner = object.object("question");
    stem = inner.text("stem");
    for (const auto choice : inner.objects("choices")) {
      labels.emplace_back(choice.text("label"));
      texts.emplace_back(choice.text("text"));
    }
  } else {
    stem = object.text("question");
    const auto choices = object.object("choices");
    labels = read_texts(choices, "label");
    texts = read_texts(choices, "text");
  }
  if (texts.empty() || labels.size() != texts.size()) {
    object.refuse("choices",
                  fmt::format("has {} texts and {} labels", texts.size(), labels.size()));
  }
  const auto answer = std::ranges::find(labels, object.text("answerKey"));
  if (answer == labels.end()) {
    object.refuse("answerKey", fmt::format("is '{}', not one of {}", object.text("answerKey"),
                                           fmt::join(labels, ", ")));
  }
  question.label = static_cast<std::size_t>(answer - labels.begin());
  for (const auto& text : texts) {
    question.choices.push_back(choice_after(fmt::format("Question: {}\nAnswer:", stem), text));
  }
  return question;
}

/// The options stand in the context; what comes after them is scored.
Question winogrande_question(const JsonObject& object) {
  Question question;
  const auto sentence = object.text("sentence");
  const auto gap = sentence.find('_');
  if (gap == std::string_view::npos) object.refuse("sentence", "has no _ for the options");
  for (const auto* key : {"option1", "option2"}) {
    question.choices.push_back(
        choice_after(fmt::format("{}{}", sentence.substr(0, gap), object.text(key)),
                     strip(sentence.substr(gap + 1))));
  }
  question.label = read_label(object, "answer", question.choices.size(), 1);
  return question;
}

Question read_question(const JsonObject& object, Task task, bool has_label) {
  switch (task) {
    case Task::kHellaSwag:
      return hellaswag_question(object);
    case Task::kLambada:
      return lambada_question(object);
    case Task::kPiqa:
      return piqa_question(object, has_label);
    case Task::kArcEasy:
      return arc_question(object);
    case Task::kWinoGrande:
      return winogrande_question(object);
  }
  throw formats::UsageError("there is no such task");
}

/// A number a line, one for each question.
void read_labels(std::string_view text, const std::string& path, std::vector<Question>& questions) {
  std::size_t count = 0;
  for_each_line(text, [&](std::string_view line, std::uint64_t number) {
    line = strip(line);
    std::size_t label = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), label);
    const std::size_t choices = count < questions.size() ? questions[count].choices.size() : 0;
    if (error != std::errc{} || end != line.data() + line.size() || label >= choices) {
      throw InputError(fmt::format("{}:{}: '{}' is not the number of a choice of question {} of {}",
                                   path, number, line, count + 1, questions.size()));
    }
    questions[count++].label = label;
  });
  if (count != questions.size()) {
    throw InputError(
        fmt::format("{}: has {} labels for {} questions", path, count, questions.size()));
  }
}

}  // namespace

const std::vector<std::string>& task_names() {
  static const std::vector<std::string> kNames{"hellaswag", "lambada", "piqa", "arc-easy",
                                               "winogrande"};
  return kNames;
}

Task task_of(std::string_view name) {
  const auto& names = task_names();
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) {
    throw formats::UsageError(
        fmt::format("there is no task '{}'; there are {}", name, fmt::join(names, ", ")));
  }
  return static_cast<Task>(found - names.begin());
}

std::string_view name_of(Task task) { return task_names()[static_cast<std::size_t>(task)]; }

std::vector<EvalConvention> conventions_of(Task task) {
  if (task == Task::kHellaSwag) return {EvalConvention::kLlmc, EvalConvention::kLmEval};
  return {EvalConvention::kLmEval};
}

QuestionFile load_questions(const std::string& path, Task task, const std::string& labels) {
  if (!labels.empty() && task != Task::kPiqa) {
    throw formats::UsageError(
        fmt::format("--labels: {} has its answers in its lines", name_of(task)));
  }
  const auto name = formats::name_in_errors(path);
  const auto text = read_all(path);
  QuestionFile file;
  for_each_line(text, [&](std::string_view line, std::uint64_t number) {
    const formats::JsonDocument document(line, fmt::format("{}:{}", name, number));
    file.questions.push_back(read_question(document.root(), task, labels.empty()));
    file.questions.back().line = number;
  });
  if (file.questions.empty()) throw InputError(fmt::format("{}: has no question", name));
  formats::Digest digest;
  digest.update(text);
  if (!labels.empty()) {
    const auto label_text = read_all(labels);
    read_labels(label_text, formats::name_in_errors(labels), file.questions);
    digest.update(label_text);
  }
  file.sha256 = digest.hex();
  return file;
}

std::string clean_hellaswag_text(std::string_view text) {
  std::string cleaned(strip(text));
  replace_all(cleaned, " [title]", ". ");
  delete_bracketed(cleaned);
  replace_all(cleaned, "  ", " ");
  return cleaned;
}

}  // namespace gpt2::eval
