// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Questions that are accepted can be scored: a right answer among the choices, and a text for each.
#include "formats/errors.h"
#include "libcore/eval/python_text.h"
#include "libcore/eval/questions.h"
#include "tests/fuzz/fuzz_target.h"

namespace gpt2::fuzz {
namespace {

void check_task(eval::Task task, const std::string& path) {
  eval::QuestionFile file;
  try {
    file = eval::load_questions(path, task);
  } catch (const formats::InputError&) {
    return;
  }
  require(!file.questions.empty(), "a file without a question is refused");
  std::uint64_t line = 0;
  for (const auto& question : file.questions) {
    require(question.line > line, "each question has a line of its own");
    line = question.line;
    require(question.label < question.choices.size(), "the label is one of the choices");
    require(question.endings.empty() || question.endings.size() == question.choices.size(),
            "both conventions have the same choices");
    for (const auto& choice : question.choices) {
      require(choice.continuation.starts_with(' '), "a blank divides context and choice");
      require(eval::count_characters(choice.continuation) == choice.characters + 1,
              "the blank is no character of the choice");
    }
  }
}

}  // namespace

void check(std::string_view input) {
  const auto path = write_scratch_file("questions", input);
  for (const auto& name : eval::task_names()) check_task(eval::task_of(name), path);
}

}  // namespace gpt2::fuzz
