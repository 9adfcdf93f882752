// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// gpt2-eval-hellaswag: HellaSwag and other multiple choice, by both conventions that scores are
// quoted by.
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "formats/byte_source.h"
#include "formats/errors.h"
#include "formats/json_text.h"
#include "libcore/eval/multiple_choice.h"
#include "tools/cli/model_options.h"
#include "tools/cli/tool.h"

namespace gpt2 {
namespace {

struct Settings {
  cli::ModelOptions model;
  std::string data, labels, items;
  std::string task{eval::name_of(eval::Task::kHellaSwag)};
  std::uint64_t limit = 0;
  bool json = false;
};

struct Evaluation {
  std::vector<eval::EvalItem> items;
  std::size_t question_count = 0;
  eval::Task task = eval::Task::kHellaSwag;
};

void write_accuracy(std::string_view name, const eval::Accuracy& accuracy,
                    formats::JsonWriter& json) {
  json.key(name).value(accuracy.value());
  json.key(fmt::format("{}_stderr", name)).value(accuracy.standard_error());
  json.key(fmt::format("{}_correct", name)).value(accuracy.correct);
}

std::string as_json(const Evaluation& evaluation) {
  formats::JsonWriter json(2);
  json.begin_object();
  json.key("task").value(eval::name_of(evaluation.task));
  json.key("item_count").value(static_cast<std::uint64_t>(evaluation.items.size()));
  for (const auto convention : eval::conventions_of(evaluation.task)) {
    const auto summary = eval::summarize(evaluation.items, convention);
    json.key(formats::name_of(convention)).begin_object();
    write_accuracy("acc", summary.acc, json);
    if (evaluation.task == eval::Task::kLambada) {
      write_accuracy("last_token_acc", summary.last_token, json);
      json.key("perplexity").value(summary.perplexity);
      json.key("perplexity_stderr").value(summary.perplexity_error);
    } else {
      write_accuracy("acc_norm", summary.acc_norm, json);
    }
    json.end_object();
  }
  return json.end_object().text() + "\n";
}

std::string as_line(std::string_view name, const eval::Accuracy& accuracy, std::string_view what) {
  return fmt::format("  {:<15} {:.4f} +- {:.4f}   {} of {}   {}\n", name, accuracy.value(),
                     accuracy.standard_error(), accuracy.correct, accuracy.item_count, what);
}

std::string as_lines(const Evaluation& evaluation) {
  const auto count = evaluation.items.size();
  auto text = fmt::format(
      "{}: {}{} items\n", eval::name_of(evaluation.task), count,
      count < evaluation.question_count ? fmt::format(" of {}", evaluation.question_count) : "");
  for (const auto convention : eval::conventions_of(evaluation.task)) {
    const auto summary = eval::summarize(evaluation.items, convention);
    const bool is_llmc = convention == eval::EvalConvention::kLlmc;
    text += is_llmc ? "as llm.c and build-nanogpt\n" : "as lm-evaluation-harness\n";
    if (evaluation.task == eval::Task::kLambada) {
      text += as_line("acc", summary.acc, "each token of the last word is the likeliest");
      text += as_line("last_token_acc", summary.last_token, "its last token is");
      text += fmt::format("  {:<15} {:.4f} +- {:.4f}   of a last word\n", "perplexity",
                          summary.perplexity, summary.perplexity_error);
    } else {
      text += as_line("acc", summary.acc, "largest log-probability");
      text += as_line("acc_norm", summary.acc_norm,
                      is_llmc ? "divided by tokens" : "divided by characters");
    }
  }
  return text;
}

Evaluation evaluate(const Settings& settings) {
  Evaluation evaluation{.task = eval::task_of(settings.task)};
  const auto questions = eval::load_questions(settings.data, evaluation.task, settings.labels);
  evaluation.question_count = questions.questions.size();
  const auto opened = cli::open_model(settings.model);
  const auto tokenizer = cli::open_tokenizer(settings.model, opened);
  const auto encoded = eval::encode_questions(
      questions, formats::name_in_errors(settings.data), evaluation.task,
      eval::conventions_of(evaluation.task), tokenizer, opened.model->config().context);
  eval::EvaluationPlan plan{.items_path = settings.items, .limit = settings.limit};
  if (!settings.items.empty()) {
    plan.identity = {.task = settings.task,
                     .data = questions.sha256,
                     .model = eval::model_identity(*opened.model),
                     .tokenizer = formats::to_hex(tokenizer.fingerprint())};
  }
  cli::ProgressLine line("eval", "items", 0);
  evaluation.items = eval::evaluate(*opened.model, encoded, plan,
                                    [&](std::size_t done, std::size_t total, std::size_t kept) {
                                      line.set_total(total - kept);
                                      line.update(done - kept);
                                    });
  return evaluation;
}

}  // namespace
}  // namespace gpt2

int main(int argc, char** argv) {
  gpt2::Settings settings;
  gpt2::cli::Tool tool("gpt2-eval-hellaswag",
                       "Accuracy of a model on HellaSwag and other multiple choice.");
  tool.reads("a model, and the questions as their authors publish them (JSONL)");
  tool.writes("the figures on stdout: lines, or one JSON object with --json");
  settings.model.declare(tool);
  tool.option("--data FILE", settings.data, "the questions, .gz or .zst too; - for stdin");
  tool.required();
  tool.choice("--task NAME", settings.task, gpt2::eval::task_names(), "what the questions are");
  tool.option("--labels FILE", settings.labels, "answers of piqa, where they have their own file");
  tool.option("--limit N", settings.limit, "only the first N questions; 0: all");
  tool.option("--items FILE", settings.items,
              "scores of each question (formats/eval_items.md); those there are not scored again");
  tool.flag("--json", settings.json, "print one JSON object");
  tool.example("gpt2-eval-hellaswag --checkpoint models/gpt2 --data hellaswag/hellaswag_val.jsonl");
  return tool.run(argc, argv, [&] {
    const auto evaluation = gpt2::evaluate(settings);
    gpt2::cli::print(settings.json ? gpt2::as_json(evaluation) : gpt2::as_lines(evaluation));
  });
}
