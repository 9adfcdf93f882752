// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// gpt2-sample: continue a text.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/errors.h"
#include "formats/json_text.h"
#include "libcore/sample/sampler.h"
#include "libcore/sample/text_stream.h"
#include "libcore/text/document_source.h"
#include "tools/cli/model_options.h"
#include "tools/cli/tool.h"

namespace gpt2 {
namespace {

struct Settings {
  cli::ModelOptions model;
  sample::SamplingOptions sampling;
  std::string prompt, prompt_file;
  bool ignore_end_of_text = false, json = false, timing = false;
};

std::string read_prompt(const Settings& settings) {
  if (settings.prompt_file.empty()) return settings.prompt;
  if (!settings.prompt.empty()) {
    throw formats::UsageError("give the prompt by --prompt or by --prompt-file, not by both");
  }
  text::DocumentSource source({.files = {settings.prompt_file}, .format = "text"});
  std::string prompt;
  for (text::TextPiece piece; source.next(piece);) prompt += piece.text;
  return prompt;
}

/// Shows `text` at once.
void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (std::fflush(stdout) != 0) formats::throw_io_error("stdout", "writing");
}

/// Prints the sequences as they grow: each begins with the prompt, --- stands between two.
class GrowingText {
 public:
  explicit GrowingText(std::string prompt) : prompt_(std::move(prompt)) {}

  void add(std::int64_t sequence, std::string_view bytes) {
    while (sequences_begun_ <= sequence) begin_sequence();
    print(stream_.append(bytes));
  }
  void finish(std::int64_t sequence_count) {
    while (sequences_begun_ < sequence_count) begin_sequence();
    print(stream_.finish() + '\n');
  }

 private:
  void begin_sequence() {
    if (sequences_begun_ > 0) print(stream_.finish() + "\n---\n");
    ++sequences_begun_;
    print(stream_.append(prompt_));
  }

  std::string prompt_;
  sample::TextStream stream_{::isatty(STDOUT_FILENO) != 0};
  std::int64_t sequences_begun_ = 0;
};

void print_json(std::size_t sequence, const std::vector<std::int32_t>& tokens,
                std::int64_t max_tokens, const text::Tokenizer& tokenizer) {
  const std::vector<std::uint16_t> ids(tokens.begin(), tokens.end());
  formats::JsonWriter writer;
  writer.begin_object().key("sequence").value(std::uint64_t{sequence});
  writer.key("text").value(tokenizer.decode(ids)).key("tokens").begin_array();
  for (const auto token : tokens) writer.value(token);
  writer.end_array();
  writer.key("finish").value(std::ssize(tokens) < max_tokens ? "end_of_text" : "max_tokens");
  print(writer.end_object().text() + '\n');
}

/// How long the prompt took, to the first new token, and how fast the tokens after it came. Every
/// sequence has its first token from the prompt.
struct Timing {
  using Clock = std::chrono::steady_clock;
  Clock::time_point begin = Clock::now(), first_token, end;
  std::size_t prompt_tokens = 0, token_count = 0, sequence_count = 0;

  static double seconds(Clock::duration duration) {
    return std::chrono::duration<double>(duration).count();
  }
  double prompt_seconds() const { return seconds(first_token - begin); }
  double token_seconds() const { return seconds(end - first_token); }
  double tokens_per_second() const {
    const auto stepped = token_count - sequence_count;
    return stepped == 0 ? 0 : static_cast<double>(stepped) / token_seconds();
  }
  std::string json() const {
    formats::JsonWriter writer;
    writer.begin_object().key("prompt_tokens").value(std::uint64_t{prompt_tokens});
    writer.key("prompt_seconds").value(prompt_seconds());
    writer.key("token_count").value(std::uint64_t{token_count});
    writer.key("token_seconds").value(token_seconds());
    return writer.key("tokens_per_second").value(tokens_per_second()).end_object().text();
  }
  std::string sentence() const {
    return fmt::format("{} prompt tokens in {:.3f} s, {} new tokens, {:.1f} tokens/s",
                       prompt_tokens, prompt_seconds(), token_count, tokens_per_second());
  }
};

void sample_text(Settings settings) {
  settings.sampling.check();
  auto prompt = read_prompt(settings);
  const auto opened = cli::open_model(settings.model);
  const auto tokenizer = cli::open_tokenizer(settings.model, opened);
  const auto ids = tokenizer.encode(prompt);
  const std::vector<std::int32_t> prompt_tokens(ids.begin(), ids.end());
  const auto context = opened.model->config().context;
  if (std::ssize(ids) > context) {
    cli::notice(
        fmt::format("the prompt has {} tokens; the model reads the last {}", ids.size(), context));
  }
  settings.sampling.vocab_size = tokenizer.vocab_size();
  settings.sampling.stop_at_end_of_text = !settings.ignore_end_of_text;

  GrowingText growing(std::move(prompt));
  Timing timing;
  const auto on_token = [&](std::int64_t sequence, std::int32_t token) {
    if (timing.token_count++ == 0) timing.first_token = Timing::Clock::now();
    if (settings.json) return;
    growing.add(sequence, tokenizer.token_bytes(static_cast<std::uint16_t>(token)));
  };
  const auto sequences =
      sample::generate(*opened.model, prompt_tokens, settings.sampling, on_token);
  timing.end = Timing::Clock::now();
  if (timing.token_count == 0) timing.first_token = timing.end;
  timing.prompt_tokens = std::clamp<std::size_t>(ids.size(), 1, static_cast<std::size_t>(context));

  for (std::size_t i = 0; i < sequences.size(); ++i) {
    if (!sequences[i].empty()) ++timing.sequence_count;
    if (settings.json) print_json(i, sequences[i], settings.sampling.max_tokens, tokenizer);
  }
  if (!settings.json) growing.finish(settings.sampling.num_sequences);
  if (settings.json && settings.timing) {
    print(timing.json() + '\n');
  } else if (settings.timing || cli::verbosity() > 0) {
    cli::notice(timing.sentence());
  }
}

}  // namespace
}  // namespace gpt2

int main(int argc, char** argv) {
  gpt2::Settings settings;
  gpt2::cli::Tool tool("gpt2-sample", "Continue a text with a GPT-2 model.");
  tool.reads("a model, and a prompt; without a prompt the text begins anew");
  tool.writes(
      "the prompt and its continuation on stdout, --- between two sequences; "
      "with --json an object a line: sequence, text, tokens and finish (end_of_text or "
      "max_tokens), without the prompt");
  settings.model.declare(tool);
  auto& sampling = settings.sampling;
  tool.option("--prompt TEXT", settings.prompt, "what is continued");
  tool.option("--prompt-file FILE", settings.prompt_file, "the prompt as a file, - for stdin");
  tool.option(
      "--max-tokens N", sampling.max_tokens,
      "new tokens of a sequence at most; where they and the prompt exceed the model's context, "
      "it goes on from the newer half of it, again and again");
  tool.at_least(1);
  tool.option("--num-sequences N", sampling.num_sequences, "continuations to make");
  tool.at_least(1);
  tool.option("--temperature X", sampling.temperature, "0: always the most likely token");
  tool.at_least(0);
  tool.option("--top-k K", sampling.top_k, "choose among the K most likely tokens; 0: all");
  tool.at_least(0);
  tool.option("--top-p P", sampling.top_p, "choose among the likeliest that make up P together");
  tool.option("--seed N", sampling.seed, "other seeds give other texts");
  tool.flag("--ignore-end-of-text", settings.ignore_end_of_text,
            "go on after an end-of-text, to --max-tokens");
  tool.flag("--json", settings.json, "print one JSON object a sequence");
  tool.flag("--timing", settings.timing,
            "say how fast it went: on stderr, as -v does; with --json as a last object");
  tool.example("gpt2-sample --checkpoint runs/demo/run --prompt 'In the beginning'");
  return tool.run(argc, argv, [&] { gpt2::sample_text(settings); });
}
