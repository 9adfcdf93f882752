// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// gpt2-sample: continue a text.
#include <fmt/format.h>
#include <unistd.h>

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
  bool json = false;
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
                const text::Tokenizer& tokenizer) {
  const std::vector<std::uint16_t> ids(tokens.begin(), tokens.end());
  formats::JsonWriter writer;
  writer.begin_object().key("sequence").value(std::uint64_t{sequence});
  writer.key("text").value(tokenizer.decode(ids)).key("tokens").begin_array();
  for (const auto token : tokens) writer.value(token);
  writer.end_array().end_object();
  print(writer.text() + '\n');
}

void sample_text(const Settings& settings) {
  settings.sampling.check();
  auto prompt = read_prompt(settings);
  const auto opened = cli::open_model(settings.model);
  const auto tokenizer = cli::open_tokenizer(settings.model, opened);
  const auto ids = tokenizer.encode(prompt);
  const std::vector<std::int32_t> prompt_tokens(ids.begin(), ids.end());
  if (const auto context = opened.model->config().context; std::ssize(ids) > context) {
    cli::notice(
        fmt::format("the prompt has {} tokens; the model reads the last {}", ids.size(), context));
  }

  GrowingText growing(std::move(prompt));
  sample::OnToken on_token;
  if (!settings.json) {
    on_token = [&](std::int64_t sequence, std::int32_t token) {
      growing.add(sequence, tokenizer.token_bytes(static_cast<std::uint16_t>(token)));
    };
  }
  const auto begin = std::chrono::steady_clock::now();
  const auto sequences =
      sample::generate(*opened.model, prompt_tokens, settings.sampling, on_token);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;

  std::size_t token_count = 0;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    token_count += sequences[i].size();
    if (settings.json) print_json(i, sequences[i], tokenizer);
  }
  if (!settings.json) growing.finish(settings.sampling.num_sequences);
  if (cli::verbosity() > 0) {
    cli::notice(fmt::format("{} tokens in {:.2f} s, {:.1f} tokens/s", token_count, seconds.count(),
                            static_cast<double>(token_count) / seconds.count()));
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
      "with --json an object a line: sequence, text and tokens, without the prompt");
  settings.model.declare(tool);
  auto& sampling = settings.sampling;
  tool.option("--prompt TEXT", settings.prompt, "what is continued");
  tool.option("--prompt-file FILE", settings.prompt_file, "the prompt as a file, - for stdin");
  tool.option("--max-tokens N", sampling.max_tokens, "new tokens of a sequence at most");
  tool.at_least(1);
  tool.option("--num-sequences N", sampling.num_sequences, "continuations to make");
  tool.at_least(1);
  tool.option("--temperature X", sampling.temperature, "0: always the most likely token");
  tool.at_least(0);
  tool.option("--top-k K", sampling.top_k, "choose among the K most likely tokens; 0: all");
  tool.at_least(0);
  tool.option("--top-p P", sampling.top_p, "choose among the likeliest that make up P together");
  tool.option("--seed N", sampling.seed, "other seeds give other texts");
  tool.flag("--json", settings.json, "print one JSON object a sequence");
  tool.example("gpt2-sample --checkpoint runs/demo/run --prompt 'In the beginning'");
  return tool.run(argc, argv, [&] { gpt2::sample_text(settings); });
}
