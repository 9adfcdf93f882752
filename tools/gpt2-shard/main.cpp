// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// gpt2-shard: a token stream to shards and back, and a look into shards.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

#include "formats/errors.h"
#include "libcore/data/cut_into_shards.h"
#include "libcore/data/join_shards.h"
#include "libcore/data/shard_set.h"
#include "tools/cli/tool.h"
#include "tools/gpt2-shard/inspect_commands.h"

namespace gpt2::shard {
namespace {

class WriteCommand {
 public:
  explicit WriteCommand(cli::Tool& tool) {
    cli::Command& command = tool.command(
        "write", "Cut a token stream into token shards.", [this] { run(); }, /*is_default=*/true);
    command.reads("a token stream on stdin (formats/token_stream.md)");
    command.redirection("< STREAM");
    command.writes("PREFIX_{val,test,train}_NNNNNN.bin in --out-dir (formats/token_shard.md)");
    command.option("--out-dir DIR", cut_.out_dir, "folder for the shards; made if missing");
    command.required();
    command.option("--prefix NAME", cut_.prefix, "what the file names begin with");
    command.required();
    command.option("--tokens-per-shard N", cut_.tokens_per_shard,
                   "tokens in each shard but the last of val, test and train");
    command.option("--val-tokens N", cut_.val_tokens, "the first N tokens are the val set");
    command.option("--test-tokens N", cut_.test_tokens, "the N tokens after val are the test set");
    command.option("--val-documents N", cut_.val_documents,
                   "as --val-tokens, but the first N documents");
    command.option("--test-documents N", cut_.test_documents,
                   "as --test-tokens, but the N documents after val");
    command.flag("--force", cut_.force,
                 "replace the shards of this prefix, once the new ones are complete");
    command.example(
        "gpt2-tokenize --vocab gpt2 docs.jsonl | gpt2-shard --out-dir shards --prefix docs");
  }

 private:
  /// Of a stream that is a file, so that the time left can be told; 0: a pipe does not say.
  static std::uint64_t about_token_count() {
    struct stat status {};
    const bool is_file = ::fstat(STDIN_FILENO, &status) == 0 && S_ISREG(status.st_mode);
    return is_file ? static_cast<std::uint64_t>(status.st_size) / 2 : 0;
  }

  void run() const {
    if (::isatty(STDIN_FILENO) != 0) {
      throw formats::UsageError("standard input is a terminal; pipe gpt2-tokenize into gpt2-shard");
    }
    ::fcntl(STDIN_FILENO, F_SETPIPE_SZ, 1 << 20);  // a third faster than the usual 64 KiB
    cli::ProgressLine progress("sharding", "tokens", about_token_count());
    const auto result =
        data::cut_into_shards(std::cin, "standard input", cut_,
                              [&](std::uint64_t token_count) { progress.update(token_count); });
    progress.clear();
    if (cli::verbosity() > 0) {
      cli::notice(fmt::format("{} shards, {} tokens, {} documents in {}", result.shards.size(),
                              result.token_count, result.document_count, cut_.out_dir));
    }
  }

  data::ShardCut cut_;
};

class CatCommand {
 public:
  explicit CatCommand(cli::Tool& tool) {
    cli::Command& command = tool.command(
        "cat", "Turn shards back into one token stream, in the order named.", [this] { run(); });
    command.reads("token shards, ours or another trainer's (formats/foreign_tokens.md)");
    command.writes("a token stream on stdout (formats/token_stream.md)");
    command.flag("--from-bare", from_bare_, "the files hold nothing but 16-bit tokens (nanoGPT)");
    command.flag("--to-bare", to_bare_, "write nothing but 16-bit tokens, for nanoGPT");
    command.option("--vocab-size N", foreign_.vocab_size, "vocabulary size of foreign shards");
    command.option("--end-of-text ID", foreign_.end_of_text,
                   "token that begins each document of foreign shards");
    command.positional("FILE...", files_, "shards, or globs in quotes");
    command.required();
    command.example(
        "gpt2-shard cat shards/docs_val_000000.bin | gpt2-tokenize decode --vocab gpt2");
    command.example("gpt2-shard cat 'a/*_val_*' 'a/*_train_*' | gpt2-shard --out-dir b --prefix p");
    command.example(
        "gpt2-shard cat --from-bare train.bin | gpt2-shard --out-dir shards --prefix owt");
  }

 private:
  void run() const {
    cli::refuse_binary_to_terminal(STDOUT_FILENO, to_bare_ ? "tokens" : "a token stream");
    const auto paths = data::find_shards(files_);
    std::vector<formats::TokenShardReader> shards;
    if (from_bare_) {
      for (const auto& path : paths) shards.push_back(formats::TokenShardReader::bare(path));
    } else {
      shards = data::open_shards(paths);
    }
    const auto join = to_bare_ ? data::join_bare : data::join_shards;
    join(shards, foreign_, std::cout);
  }

  bool from_bare_ = false, to_bare_ = false;
  data::ForeignVocabulary foreign_;
  std::vector<std::string> files_;
};

}  // namespace
}  // namespace gpt2::shard

int main(int argc, char** argv) {
  gpt2::cli::Tool tool("gpt2-shard", "Cut token streams into token shards, and look into shards.");
  gpt2::shard::WriteCommand write(tool);
  gpt2::shard::InfoCommand info(tool);
  gpt2::shard::VerifyCommand verify(tool);
  gpt2::shard::CatCommand cat(tool);
  return tool.run(argc, argv);
}
