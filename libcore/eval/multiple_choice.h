// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Evaluation by multiple choice: which answer a model finds likeliest.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "formats/eval_items.h"
#include "libcore/comm/communicator.h"
#include "libcore/eval/questions.h"
#include "libcore/model/sequence_scorer.h"
#include "libcore/text/tokenizer.h"

namespace gpt2::eval {

using formats::EvalItem;

/// Questions as tokens.
struct EncodedQuestions {
  struct Item {
    std::uint64_t label = 0;
    std::vector<model::SequenceSet> sets;             // one for each convention: the choices
    std::vector<std::vector<std::uint64_t>> lengths;  // of their choices, as EvalChoices has them
  };
  Task task = Task::kHellaSwag;
  std::vector<EvalConvention> conventions;
  std::vector<Item> items;
};

/// By llm.c's convention context and " " + ending are encoded apart; by lm-eval's together, and
/// what the context alone does not have belongs to the choice. A sequence with more than context +
/// 1 tokens loses the first ones, as in lm-eval; where no context is given, end-of-text is. `path`
/// names the file in errors. Throws: InputError naming the line for a choice without a token, one
/// that is longer than the context, or no context and no end-of-text.
EncodedQuestions encode_questions(const QuestionFile& file, const std::string& path, Task task,
                                  std::vector<EvalConvention> conventions,
                                  const text::Tokenizer& tokenizer, std::int64_t context);

/// Where passes over the items end: as many items in each as fill `positions`, one at least. The
/// last number is the number of items.
std::vector<std::size_t> pass_ends(const EncodedQuestions& questions, std::int64_t positions);

/// How many positions a pass has: enough to keep every thread busy, on a CPU at least.
inline constexpr std::int64_t kPassPositions = 2048;

/// The items from `first` up to `end`, by one pass. Throws: InputError when a sum has no number.
std::vector<EvalItem> score_items(model::SequenceScorer& scorer, const EncodedQuestions& questions,
                                  std::size_t first, std::size_t end);

struct Accuracy {
  std::uint64_t correct = 0, item_count = 0;
  double value() const;
  /// Of the mean, from the sample's variance: sqrt(p (1 - p) / (n - 1)); NaN of a single item.
  double standard_error() const;
};
/// What the items show by one convention. Of LAMBADA acc counts the words of which every token is
/// the likeliest, and last_token those of which the last one is.
struct EvalSummary {
  Accuracy acc, acc_norm, last_token;
  double perplexity = 0, perplexity_error = 0;  // of the choices' sums, a word of LAMBADA each
};
EvalSummary summarize(std::span<const EvalItem> items, EvalConvention convention);

/// The acc_norm of all items by the first convention of the questions. The ranks score a pass each
/// in turn, so that their number does not matter. `next_turn` is called on all ranks alike, and may
/// talk to them. Throws: InputError when a sum has no number.
Accuracy accuracy_of_ranks(model::Gpt2& model, const EncodedQuestions& questions,
                           comm::Communicator& ranks, const std::function<void()>& next_turn);

/// What identifies a model: its configuration and its weights.
std::string model_identity(const model::Gpt2& model);

struct EvaluationPlan {
  std::filesystem::path items_path;  // where scored items are kept; empty: nowhere
  formats::EvalIdentity identity;    // of what is kept there
  std::size_t limit = 0;             // only the first items; 0: all
};
/// Called with the items done and in all, and how many of them were found scored.
using ItemProgress = std::function<void(std::size_t done, std::size_t total, std::size_t kept)>;
/// Scores the questions. Items that items_path (or, of an evaluation that did not end, its .part)
/// holds are not scored again, and those that an interrupted evaluation scored are the same to the
/// bit as without interruption. Throws: ExistsError when items_path holds an evaluation of another
/// identity, or another process writes it; InputError; IoError.
std::vector<EvalItem> evaluate(model::Gpt2& model, const EncodedQuestions& questions,
                               const EvaluationPlan& plan, const ItemProgress& progress = {});

}  // namespace gpt2::eval
