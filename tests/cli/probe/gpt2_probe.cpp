// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// gpt2-probe: has an option of every type and prints what they came out as.
#include <fmt/format.h>

#include <iostream>
#include <utility>

#include "tools/cli/option_value.h"
#include "tools/cli/tool.h"

int main(int argc, char** argv) {
  std::string out_dir, kind = "square", text;
  std::uint64_t tokens_per_shard = 100'000'000;
  std::int64_t offset = -1;
  std::uint32_t small = 7;
  int layers = 12;
  float learning_rate = 6e-4F;
  double epsilon = 1e-8;
  bool json = false;
  std::vector<std::string> train, files;

  gpt2::cli::Tool tool("gpt2-probe", "Print every option as the tool sees it.");
  tool.reads(
      "nothing; this line is long so that it has to be broken, which is what is looked at in "
      "the test of the page that --help prints");
  tool.writes("name=value on stdout");
  tool.redirection("< STREAM");
  tool.example("gpt2-probe --out-dir shards --tokens-per-shard 1M");
  tool.option("--out-dir DIR", out_dir, "folder for the shards; made if missing");
  tool.required();
  tool.option("--tokens-per-shard N", tokens_per_shard, "tokens in each shard but the last");
  tool.option("--offset N", offset, "may be negative");
  tool.option("--small N", small, "32 bits");
  tool.option("--layers N", layers, "an int");
  tool.option("--learning-rate X", learning_rate, "a float");
  tool.option("--epsilon X", epsilon, "a double");
  tool.option("--text TEXT", text,
              "a text that may be empty, explained at such a length that the explanation needs a "
              "second line under the first");
  tool.option("--train GLOB", train, "several words");
  tool.choice("--kind KIND", kind, {"round", "square"}, "one of two");
  tool.flag("--json", json, "a flag");
  tool.positional("FILE...", files, "files; stdin without");
  return tool.run(argc, argv, [&] {
    const std::vector<std::pair<std::string, gpt2::cli::OptionTarget>> options{
        {"out-dir", &out_dir}, {"tokens-per-shard", &tokens_per_shard},
        {"offset", &offset},   {"small", &small},
        {"layers", &layers},   {"learning-rate", &learning_rate},
        {"epsilon", &epsilon}, {"text", &text},
        {"train", &train},     {"kind", &kind},
        {"json", &json}};
    for (const auto& [name, target] : options) {
      std::cout << fmt::format("{}={}{}\n", name, gpt2::cli::text_of(target),
                               tool.given(name) ? " (given)" : "");
    }
    for (const auto& file : files) std::cout << "FILE=" << file << "\n";
  });
}
