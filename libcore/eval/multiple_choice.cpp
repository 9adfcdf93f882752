// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/eval/multiple_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "formats/crc32c.h"
#include "formats/durable_file.h"
#include "formats/errors.h"
#include "formats/input_file.h"
#include "formats/token_shard.h"
#include "libcore/eval/python_text.h"

namespace gpt2::eval {
namespace {

using formats::EvalChoices;
using formats::EvalItems;
using formats::InputError;
using model::ScoredSequence;

constexpr std::uint64_t kMostItemBytes = std::uint64_t{1} << 30;

/// Encodes the choices of questions, and refuses what cannot be scored.
class ChoiceEncoder {
 public:
  ChoiceEncoder(const text::Tokenizer& tokenizer, std::int64_t context, const std::string& path)
      : tokenizer_(tokenizer), encoder_(tokenizer), context_(context), path_(path) {}

  EncodedQuestions::Item encode(const Question& question,
                                std::span<const EvalConvention> conventions) {
    line_ = question.line;
    EncodedQuestions::Item item{.label = question.label};
    for (const auto convention : conventions) {
      auto& set = item.sets.emplace_back();
      auto& lengths = item.lengths.emplace_back();
      if (convention == EvalConvention::kLlmc) {
        for (const auto& ending : question.endings) {
          set.push_back(encode_apart(question.context, " " + ending, set.size()));
          lengths.push_back(static_cast<std::uint64_t>(set.back().scored_count));
        }
      } else {
        for (const auto& choice : question.choices) {
          set.push_back(encode_together(choice.context, choice.continuation, set.size()));
          lengths.push_back(choice.characters);
        }
      }
    }
    return item;
  }

 private:
  std::vector<std::int32_t> tokens_of(std::string_view text) {
    ids_.clear();
    encoder_.encode(text, ids_);
    return {ids_.begin(), ids_.end()};
  }

  ScoredSequence encode_apart(std::string_view context, std::string_view end, std::size_t number) {
    auto tokens = tokens_of(context);
    const auto scored = tokens_of(end);
    tokens.insert(tokens.end(), scored.begin(), scored.end());
    return fit({std::move(tokens), std::ssize(scored)}, number);
  }

  ScoredSequence encode_together(std::string_view context, std::string_view end,
                                 std::size_t number) {
    const auto given = strip_right(context);  // blanks belong to the word after them
    auto tokens = tokens_of(fmt::format("{}{}", context, end));
    const auto scored_count = std::ssize(tokens) - std::ssize(tokens_of(given));
    return fit({std::move(tokens), scored_count}, number);
  }

  ScoredSequence fit(ScoredSequence sequence, std::size_t number) const {
    auto& [tokens, scored_count] = sequence;
    if (scored_count < 1) refuse(number, "has no token to score");
    if (scored_count > context_) {
      refuse(number, fmt::format("has {} tokens, more than the model's context of {}", scored_count,
                                 context_));
    }
    if (std::ssize(tokens) == scored_count) {
      if (tokenizer_.end_of_text() == formats::kNoToken) {
        refuse(number, "has no context, and the vocabulary no end-of-text to stand for it");
      }
      tokens.insert(tokens.begin(), static_cast<std::int32_t>(tokenizer_.end_of_text()));
    }
    tokens.erase(tokens.begin(),
                 tokens.begin() + std::max<std::ptrdiff_t>(0, std::ssize(tokens) - context_ - 1));
    return sequence;
  }

  [[noreturn]] void refuse(std::size_t number, std::string_view problem) const {
    throw InputError(fmt::format("{}:{}: choice {} {}", path_, line_, number, problem));
  }

  const text::Tokenizer& tokenizer_;
  text::Encoder encoder_;
  std::int64_t context_;
  const std::string& path_;
  std::uint64_t line_ = 0;
  std::vector<std::uint16_t> ids_;
};

/// The scored items of one identity, in a file that grows under a name of its own and gets its
/// final one when all that were wanted are there.
class ItemStore {
 public:
  ItemStore(const EvaluationPlan& plan, const EncodedQuestions& questions)
      : plan_(plan), questions_(questions) {
    if (std::filesystem::exists(plan.items_path)) items_ = load(plan.items_path);
  }

  std::size_t count() const { return items_.size(); }
  std::vector<EvalItem> first(std::size_t count) const {
    return {items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(count)};
  }

  /// Makes ready to add items; what a killed process left is there again.
  void open() {
    part_.emplace(plan_.items_path);
    if (part_->bytes() == 0) return;
    try {
      auto left = load(part_->part_path());
      if (left.size() > count()) items_ = std::move(left);
    } catch (const formats::FormatError&) {  // a first line cut short: nothing is lost
    }
  }
  /// Begins the file with the first `count` of the items.
  void keep(std::size_t count) {
    items_.resize(count);
    std::string text = formats::encode_eval_identity(plan_.identity) + "\n";
    append_lines(items_, text);
    part_->restart();
    part_->append(text);
  }
  void add(std::span<const EvalItem> items) {
    std::string text;
    append_lines(items, text);
    part_->append(text);
  }
  void commit() { part_->commit(); }

 private:
  static void append_lines(std::span<const EvalItem> items, std::string& text) {
    for (const auto& item : items) text += formats::encode_eval_item(item) + "\n";
  }

  /// Throws: ExistsError if they are of another identity; InputError for damaged items.
  std::vector<EvalItem> load(const std::filesystem::path& path) const {
    auto [identity, items] =
        formats::decode_eval_items(formats::load_file(path, kMostItemBytes), path.string());
    if (identity != plan_.identity) {
      throw formats::ExistsError(
          fmt::format("{}: holds an evaluation of another model, tokenizer, task or other data; "
                      "name another file, or remove it",
                      path.string()));
    }
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i >= questions_.items.size() || !is_of(items[i], questions_.items[i])) {
        throw InputError(
            fmt::format("{}: item {} is not that of the data; remove the file", path.string(), i));
      }
    }
    return std::move(items);
  }
  bool is_of(const EvalItem& item, const EncodedQuestions::Item& question) const {
    if (item.label != question.label || item.choices.size() != questions_.conventions.size()) {
      return false;
    }
    for (std::size_t i = 0; i < questions_.conventions.size(); ++i) {
      const auto choices = item.choices.find(questions_.conventions[i]);
      if (choices == item.choices.end() || choices->second.lengths != question.lengths[i]) {
        return false;
      }
    }
    return true;
  }

  const EvaluationPlan& plan_;
  const EncodedQuestions& questions_;
  std::vector<EvalItem> items_;
  std::optional<formats::PartialFile> part_;
};

void count(bool is_correct, Accuracy& accuracy) {
  ++accuracy.item_count;
  accuracy.correct += is_correct ? 1 : 0;
}

}  // namespace

EncodedQuestions encode_questions(const QuestionFile& file, const std::string& path, Task task,
                                  std::vector<EvalConvention> conventions,
                                  const text::Tokenizer& tokenizer, std::int64_t context) {
  EncodedQuestions encoded{.task = task, .conventions = std::move(conventions)};
  ChoiceEncoder encoder(tokenizer, context, path);
  for (const auto& question : file.questions) {
    encoded.items.push_back(encoder.encode(question, encoded.conventions));
  }
  return encoded;
}

std::vector<std::size_t> pass_ends(const EncodedQuestions& questions, std::int64_t positions) {
  std::vector<std::size_t> ends;
  std::int64_t filled = 0;
  for (std::size_t i = 0; i < questions.items.size(); ++i) {
    std::int64_t of_item = 0;
    for (const auto& set : questions.items[i].sets) {
      of_item += model::SequenceScorer::position_count(set);
    }
    if (filled > 0 && filled + of_item > positions) {
      ends.push_back(i);
      filled = 0;
    }
    filled += of_item;
  }
  if (filled > 0) ends.push_back(questions.items.size());
  return ends;
}

std::vector<EvalItem> score_items(model::SequenceScorer& scorer, const EncodedQuestions& questions,
                                  std::size_t first, std::size_t end) {
  std::vector<model::SequenceSet> sets;
  for (auto i = first; i < end; ++i) {
    const auto& of_item = questions.items[i].sets;
    sets.insert(sets.end(), of_item.begin(), of_item.end());
  }
  const auto scores = scorer.score(sets, questions.task == Task::kLambada);
  std::vector<EvalItem> items;
  auto score = scores.begin();
  for (auto i = first; i < end; ++i) {
    const auto& question = questions.items[i];
    auto& item = items.emplace_back(EvalItem{.index = i, .label = question.label});
    for (std::size_t k = 0; k < questions.conventions.size(); ++k) {
      auto& choices = item.choices[questions.conventions[k]];
      choices.lengths = question.lengths[k];
      for (std::size_t choice = 0; choice < question.sets[k].size(); ++choice, ++score) {
        if (!std::isfinite(score->log_probability)) {
          throw InputError(fmt::format(
              "a log-probability is {}; the weights are damaged or diverged in training",
              score->log_probability));
        }
        choices.sums.push_back(score->log_probability);
        choices.greedy = score->greedy;
        choices.last_greedy = score->last_greedy;
      }
    }
  }
  return items;
}

double Accuracy::value() const {
  return static_cast<double>(correct) / static_cast<double>(item_count);
}

double Accuracy::standard_error() const {
  if (item_count < 2) return std::numeric_limits<double>::quiet_NaN();
  return std::sqrt(value() * (1 - value()) / (static_cast<double>(item_count) - 1));
}

EvalSummary summarize(std::span<const EvalItem> items, EvalConvention convention) {
  EvalSummary summary;
  double sum = 0, sum_of_squares = 0;
  for (const auto& item : items) {
    const auto& choices = item.choices.at(convention);
    const bool single = choices.sums.size() == 1;
    count(single ? choices.greedy : choices.likeliest() == item.label, summary.acc);
    count(single ? choices.greedy : choices.likeliest_by_length() == item.label, summary.acc_norm);
    count(choices.last_greedy, summary.last_token);
    sum += choices.sums.front();
  }
  const auto item_count = static_cast<double>(items.size()), mean = sum / item_count;
  for (const auto& item : items) {
    const double difference = item.choices.at(convention).sums.front() - mean;
    sum_of_squares += difference * difference;
  }
  summary.perplexity = std::exp(-mean);
  // To first order: the error of the mean, times the derivative of exp.
  summary.perplexity_error =
      summary.perplexity * std::sqrt(sum_of_squares / (item_count - 1) / item_count);
  return summary;
}

Accuracy accuracy_of_ranks(model::Gpt2& model, const EncodedQuestions& questions,
                           comm::Communicator& ranks, const std::function<void()>& next_turn) {
  const auto ends = pass_ends(questions, kPassPositions);
  const auto own = static_cast<std::size_t>(ranks.rank());
  const auto turn = static_cast<std::size_t>(ranks.size());
  model::SequenceScorer scorer(model);
  std::vector<EvalItem> items;
  for (std::size_t done = 0; done < ends.size(); done += turn) {
    if (const auto pass = done + own; pass < ends.size()) {
      const auto scored =
          score_items(scorer, questions, pass == 0 ? 0 : ends[pass - 1], ends[pass]);
      items.insert(items.end(), scored.begin(), scored.end());
    }
    next_turn();
  }
  const auto share = summarize(items, questions.conventions.front()).acc_norm;
  std::array<double, 2> counts{static_cast<double>(share.correct),
                               static_cast<double>(share.item_count)};
  ranks.tree_sum(counts);
  return {static_cast<std::uint64_t>(counts[0]), static_cast<std::uint64_t>(counts[1])};
}

std::string model_identity(const model::Gpt2& model) {
  const auto text = model::encode_config(model.config(), "float32");
  std::uint32_t crc = formats::crc32c(text.data(), text.size());
  std::vector<float> values;
  for (const auto& parameter : model.table().parameters()) {
    values.resize(static_cast<std::size_t>(parameter.element_count));
    model.store_parameter(parameter, values);
    crc = formats::crc32c(values.data(), values.size() * sizeof(float), crc);
  }
  return fmt::format("{:08x}", crc);
}

std::vector<EvalItem> evaluate(model::Gpt2& model, const EncodedQuestions& questions,
                               const EvaluationPlan& plan, const ItemProgress& progress) {
  const auto all = questions.items.size();
  const auto wanted = plan.limit == 0 ? all : std::min(plan.limit, all);
  std::optional<ItemStore> store;
  if (!plan.items_path.empty()) {
    store.emplace(plan, questions);
    if (store->count() >= wanted) return store->first(wanted);
    store->open();
    // An evaluation of more items that did not end is left for the one that wants them.
    if (store->count() > wanted) return store->first(wanted);
  }
  std::vector<EvalItem> items;
  const auto ends = pass_ends(questions, kPassPositions);
  auto next_end = ends.begin();
  if (store) {
    // What stands in a pass that was cut short is scored again, in the whole pass.
    while (next_end != ends.end() && *next_end <= store->count()) ++next_end;
    const auto kept = store->count() == wanted   ? wanted
                      : next_end == ends.begin() ? 0
                                                 : *(next_end - 1);
    store->keep(kept);
    items = store->first(kept);
  }
  const auto kept = items.size();
  model::SequenceScorer scorer(model);
  while (items.size() < wanted) {
    const auto scored = score_items(scorer, questions, items.size(), std::min(wanted, *next_end++));
    if (store) store->add(scored);
    items.insert(items.end(), scored.begin(), scored.end());
    if (progress) progress(items.size(), wanted, kept);
  }
  if (store) store->commit();
  return items;
}

}  // namespace gpt2::eval
