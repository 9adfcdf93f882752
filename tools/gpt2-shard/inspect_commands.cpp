// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/gpt2-shard/inspect_commands.h"

#include <fmt/format.h>

#include <functional>
#include <optional>
#include <utility>

#include "formats/errors.h"
#include "formats/json_text.h"
#include "libcore/data/shard_set.h"
#include "tools/cli/console.h"

namespace gpt2::shard {
namespace {

using Refused = std::function<void(const std::filesystem::path&, const formats::InputError&)>;

/// Opens the shards that `patterns` name; one that is refused is told on stderr and to `refused`,
/// and does not hide the others. Throws: InputError at the end if any was refused, or at once when
/// a pattern names no file.
void for_each_shard(const std::vector<std::string>& patterns,
                    const std::function<void(const formats::TokenShardReader&)>& action,
                    const Refused& refused = {}) {
  const auto paths = data::find_shards(patterns);
  std::size_t refused_count = 0;
  for (const auto& path : paths) {
    try {
      action(data::open_shard(path));
    } catch (const formats::InputError& error) {
      if (refused) refused(path, error);
      if (paths.size() == 1) throw;
      cli::complain(error.what());
      ++refused_count;
    }
  }
  if (refused_count > 0) {
    throw formats::InputError(fmt::format("{} of {} files refused", refused_count, paths.size()));
  }
}

std::string token_or_none(std::uint32_t token) {
  return token == formats::kNoToken ? "none" : std::to_string(token);
}

void print_row(std::string_view tokens, std::string_view documents, std::string_view vocab,
               std::string_view end_of_text, std::string_view tokenizer, std::string_view file) {
  cli::print(fmt::format("{:>12} {:>10} {:>6} {:>11}  {:<32}  {}\n", tokens, documents, vocab,
                         end_of_text, tokenizer, file));
}

void print_as_row(const formats::TokenShardReader& shard) {
  const auto& header = shard.header();
  const std::string tokens = std::to_string(header.token_count);
  if (header.foreign) {
    print_row(tokens, "-", "-", "-", "- (foreign)", shard.path().string());
    return;
  }
  print_row(tokens, std::to_string(header.document_count), std::to_string(header.vocab_size),
            token_or_none(header.end_of_text),
            formats::is_unknown(header.tokenizer) ? "unknown" : formats::to_hex(header.tokenizer),
            shard.path().string());
}

/// What a foreign shard does not say is null.
void print_as_json(const formats::TokenShardReader& shard) {
  const auto& header = shard.header();
  formats::JsonWriter json;
  const auto field = [&json](std::string_view name, bool known, const auto& value) {
    json.key(name);
    known ? json.value(value) : json.null();
  };
  json.begin_object();
  field("file", true, shard.path().string());
  field("token_count", true, header.token_count);
  field("foreign", true, header.foreign);
  field("document_count", !header.foreign, header.document_count);
  field("vocab_size", !header.foreign, header.vocab_size);
  field("end_of_text", header.end_of_text != formats::kNoToken, header.end_of_text);
  field("tokenizer", !formats::is_unknown(header.tokenizer), formats::to_hex(header.tokenizer));
  json.end_object();
  cli::print(json.text() + "\n");
}

/// What a shard that was refused says of itself is null: there is no `header` to believe.
void print_verdict(const std::filesystem::path& path, const formats::TokenShardHeader* header,
                   std::string_view problem) {
  formats::JsonWriter json;
  json.begin_object();
  json.key("file").value(path.string());
  json.key("good").value(header != nullptr);
  json.key("token_count");
  header != nullptr ? json.value(header->token_count) : json.null();
  json.key("foreign");
  header != nullptr ? json.value(header->foreign) : json.null();
  json.key("problem");
  header != nullptr ? json.null() : json.value(problem);
  json.end_object();
  cli::print(json.text() + "\n");
}

}  // namespace

InfoCommand::InfoCommand(cli::Tool& tool) {
  cli::Command& command =
      tool.command("info", "Show what the headers of shards say.", [this] { run(); });
  command.reads("the headers of token shards, ours or another trainer's");
  command.writes("a table on stdout, or with --json one object a line");
  command.flag("--json", json_, "one JSON object for each shard");
  command.positional("FILE...", files_, "shards, or globs in quotes");
  command.required();
  command.example("gpt2-shard info 'shards/docs_*.bin'");
}

void InfoCommand::run() const {
  bool is_first = true;
  for_each_shard(files_, [&](const formats::TokenShardReader& shard) {
    if (json_) {
      print_as_json(shard);
      return;
    }
    if (std::exchange(is_first, false)) {
      print_row("tokens", "documents", "vocab", "end-of-text", "tokenizer", "file");
    }
    print_as_row(shard);
  });
}

VerifyCommand::VerifyCommand(cli::Tool& tool) {
  cli::Command& command =
      tool.command("verify", "Read shards whole and check every byte of them.", [this] { run(); });
  command.reads("token shards, ours or another trainer's");
  command.writes("nothing, or with --json one object a line; exit 65 if a shard is damaged");
  command.option("--vocab-size N", vocab_size_,
                 "foreign shards have no checksum, but their tokens must be below N; 0: any");
  command.flag("--json", json_, "one JSON object for each shard; what is wrong, or null");
  command.positional("FILE...", files_, "shards, or globs in quotes");
  command.required();
  command.example("gpt2-shard verify 'shards/docs_*.bin'");
}

void VerifyCommand::run() const {
  const auto vocab_size = vocab_size_ > 0 ? std::optional(vocab_size_) : std::nullopt;
  cli::ProgressLine progress("verifying", "shards", data::find_shards(files_).size());
  std::uint64_t begun = 0;
  const auto verify = [&](const formats::TokenShardReader& shard) {
    progress.update(begun++, shard.path().filename().string());
    const bool foreign = shard.header().foreign;
    shard.verify(foreign ? vocab_size : std::nullopt);
    if (json_) print_verdict(shard.path(), &shard.header(), {});
    if (foreign) {
      cli::notice(
          fmt::format("{}: foreign, unverified: it has no checksum", shard.path().string()));
    } else if (cli::verbosity() > 0) {
      cli::notice(
          fmt::format("{}: good, {} tokens", shard.path().string(), shard.header().token_count));
    }
  };
  for_each_shard(files_, verify, [&](const auto& path, const auto& error) {
    if (json_) print_verdict(path, nullptr, error.what());
  });
}

}  // namespace gpt2::shard
