// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// gpt2-eval-loss: loss, perplexity and bits per byte of a model on token shards or text.
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "formats/byte_source.h"
#include "formats/errors.h"
#include "formats/json_text.h"
#include "libcore/eval/loss.h"
#include "tools/cli/model_options.h"
#include "tools/cli/tool.h"

namespace gpt2 {
namespace {

struct Settings {
  cli::ModelOptions model;
  std::vector<std::string> shards;
  std::string text, separator;
  std::uint64_t word_count = 0;
  eval::SlidingWindows windows;
  bool json = false;

  void check() const {
    if (shards.empty() == text.empty()) {
      throw formats::UsageError(
          "give the tokens by --shards or the text by --text, one of the two");
    }
    if (text.empty() && !separator.empty()) {
      throw formats::UsageError("--separator divides a --text; shards hold their own documents");
    }
  }
};

/// The tokenizer that the shards' bytes are counted with, if there is one.
std::optional<text::Tokenizer> open_tokenizer_of(const data::ShardSet& set,
                                                 const Settings& settings,
                                                 const cli::OpenedModel& opened) {
  const auto& config = opened.model->config();
  const auto first_shard = set.shards().front().path().string();
  if (set.vocab_size() != 0 && !model::is_table_of(config.vocab_size, set.vocab_size())) {
    throw formats::ContradictionError(
        fmt::format("{} has a vocabulary of {} tokens, but the model in {} has {}", first_shard,
                    set.vocab_size(), opened.directory.string(), config.vocab_size));
  }
  const auto directory = cli::tokenizer_directory(settings.model, opened);
  if (settings.model.vocab.empty() && !formats::has_tokenizer_files(directory)) {
    cli::notice(
        fmt::format("{}: no tokenizer files, so bytes are not counted; name a folder that "
                    "has them with --vocab",
                    directory.string()));
    return {};
  }
  auto tokenizer = cli::open_tokenizer(settings.model, opened);
  if (!formats::may_match(set.tokenizer(), tokenizer.fingerprint())) {
    throw formats::ContradictionError(
        fmt::format("{} was made with another tokenizer (fingerprint {}) than the one in {} ({})",
                    first_shard, formats::to_hex(set.tokenizer()), directory.string(),
                    formats::to_hex(tokenizer.fingerprint())));
  }
  if (formats::is_unknown(set.tokenizer())) {
    cli::notice(fmt::format("{} does not say which tokenizer made it; bytes are counted with {}",
                            first_shard, directory.string()));
  }
  return tokenizer;
}

void print(const eval::LossResult& result, const std::string& vocabulary, bool json) {
  const auto bits_per_byte = result.bits_per_byte(), word_perplexity = result.word_perplexity();
  if (json) {
    formats::JsonWriter writer(2);
    const auto value_or_null = [&writer](std::string_view key, const auto& value) {
      writer.key(key);
      value ? writer.value(*value) : writer.null();
    };
    writer.begin_object();
    writer.key("loss").value(result.loss);
    writer.key("perplexity").value(result.perplexity());
    value_or_null("word_perplexity", word_perplexity);
    value_or_null("bits_per_byte", bits_per_byte);
    writer.key("token_count").value(result.token_count);
    value_or_null("word_count", result.word_count);
    value_or_null("byte_count", result.byte_count);
    writer.end_object();
    cli::print(writer.text() + "\n");
    return;
  }
  std::string lines = fmt::format("loss           {:.6f} nats a token\n", result.loss);
  lines += fmt::format("perplexity     {:.4f}\n", result.perplexity());
  if (word_perplexity) lines += fmt::format("per word       {:.4f}\n", *word_perplexity);
  if (bits_per_byte) lines += fmt::format("bits per byte  {:.6f}\n", *bits_per_byte);
  lines += fmt::format("tokens         {}\n", result.token_count);
  if (result.word_count) lines += fmt::format("words          {}\n", *result.word_count);
  if (result.byte_count) {
    lines += fmt::format("bytes          {} by the vocabulary in {}; an end-of-text counts none\n",
                         *result.byte_count, vocabulary);
  }
  cli::print(lines);
}

void evaluate(const Settings& settings) {
  settings.check();
  std::optional<data::ShardSet> set;
  if (!settings.shards.empty()) {
    set.emplace(settings.shards);
    for (const auto& shard : set->shards()) shard.verify();  // no figure from damaged data
  }
  const auto opened = cli::open_model(settings.model);
  const auto tokenizer = set ? open_tokenizer_of(*set, settings, opened)
                             : std::optional(cli::open_tokenizer(settings.model, opened));
  cli::ProgressLine progress("eval", "tokens", set ? set->token_count() : 0);
  const auto score = [&](eval::TokenSource& source) {
    return eval::sequence_loss(*opened.model, source, settings.windows,
                               tokenizer ? &*tokenizer : nullptr,
                               [&](std::uint64_t done) { progress.update(done); });
  };
  const auto score_shards = [&] {
    eval::ShardTokens tokens(*set, static_cast<std::uint32_t>(opened.model->config().vocab_size));
    return score(tokens);
  };
  const auto score_text = [&] {
    text::DocumentSource source({.files = {settings.text}, .separator = settings.separator});
    eval::TextTokens tokens(source, *tokenizer);
    return score(tokens);
  };
  auto result = set ? score_shards() : score_text();
  if (result.token_count == 0) {
    throw formats::InputError(fmt::format(
        "{}: there is no token to score: the first one is only context",
        set ? set->shards().front().path().string() : formats::name_in_errors(settings.text)));
  }
  if (!std::isfinite(result.loss)) {
    throw formats::InputError(
        fmt::format("{}: the loss is {}; the weights are damaged or diverged in training",
                    opened.directory.string(), result.loss));
  }
  if (settings.word_count > 0) result.word_count = settings.word_count;
  progress.clear();
  print(result, cli::tokenizer_directory(settings.model, opened).string(), settings.json);
}

}  // namespace
}  // namespace gpt2

int main(int argc, char** argv) {
  gpt2::Settings settings;
  gpt2::cli::Tool tool("gpt2-eval-loss", "Loss, perplexity and bits per byte of a model.");
  tool.reads("a model, and token shards (formats/token_shard.md) or text (.txt, .jsonl)");
  tool.writes("the figures on stdout: lines, or one JSON object with --json");
  settings.model.declare(tool);
  tool.option("--shards GLOB", settings.shards,
              "token shards, joined in the order of their names; every token is scored");
  tool.option("--text FILE", settings.text,
              "text to score, - for stdin; end-of-text goes before each document");
  tool.option("--separator TEXT", settings.separator, "divides the text into documents");
  tool.option("--context T", settings.windows.context,
              "tokens in a window; 0: the model's context");
  tool.at_least(0);
  tool.option("--stride N", settings.windows.stride,
              "tokens between the beginnings of two windows; 0: the window's length");
  tool.at_least(0);
  tool.option("--batch-size B", settings.windows.B, "windows that are run at once");
  tool.at_least(1);
  tool.option("--word-count N", settings.word_count,
              "words of the text as it was before it was detokenised; 0: those scored");
  tool.flag("--json", settings.json, "print one JSON object");
  tool.example("gpt2-eval-loss --checkpoint gpt2 --text wiki.test.raw --json");
  tool.example("gpt2-eval-loss --checkpoint runs/demo/run --text chapter.txt --stride 128");
  return tool.run(argc, argv, [&] { gpt2::evaluate(settings); });
}
