// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/data/cut_into_shards.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "formats/durable_file.h"
#include "formats/errors.h"
#include "formats/temporary_path.h"
#include "formats/token_shard.h"
#include "formats/token_stream.h"
#include "libcore/data/shard_names.h"

namespace gpt2::data {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t kMaxShards = 1'000'000;  // six digits, so that names sort by number

void check(const ShardCut& cut) {
  constexpr std::uint64_t kMostTokens =
      std::numeric_limits<std::int32_t>::max();  // a header's count
  if (cut.tokens_per_shard < 1 || cut.tokens_per_shard > kMostTokens) {
    throw formats::UsageError(fmt::format("--tokens-per-shard is {}; a shard holds 1 to {} tokens",
                                          cut.tokens_per_shard, kMostTokens));
  }
  if (cut.val_tokens > 0 && cut.val_documents > 0) {
    throw formats::UsageError(
        "--val-tokens and --val-documents both say how long val is; give one");
  }
  if (cut.test_tokens > 0 && cut.test_documents > 0) {
    throw formats::UsageError(
        "--test-tokens and --test-documents both say how long test is; give one");
  }
  if (cut.prefix.empty() || cut.prefix.front() == '.' || cut.prefix.front() == '-' ||
      cut.prefix.find('/') != std::string::npos) {
    throw formats::UsageError(
        fmt::format("--prefix '{}' cannot begin a file name: it is not empty, has no '/', and does "
                    "not begin with '.' or '-'",
                    cut.prefix));
  }
}

/// val, test or train: where it ends, in tokens or in documents that begin in it.
class Split {
 public:
  Split(std::string_view name, std::uint64_t token_limit, std::uint64_t document_limit)
      : name_(name),
        tokens_left_(document_limit > 0 ? kNoLimit : token_limit),
        documents_left_(document_limit),
        by_documents_(document_limit > 0) {}
  std::string_view name() const { return name_; }
  bool ended() const { return tokens_left_ == 0; }
  /// May the stream end here, or does the split lack tokens or documents that it was promised?
  bool complete() const { return by_documents_ ? documents_left_ == 0 : ended(); }
  /// How many of `tokens`, from the front, belong to this split; counts them.
  std::size_t take(std::span<const std::uint16_t> tokens, std::uint32_t end_of_text) {
    const std::size_t most = std::min<std::uint64_t>(tokens.size(), tokens_left_);
    std::size_t taken = by_documents_ ? 0 : most;
    for (; taken < most; ++taken) {
      if (tokens[taken] != end_of_text) continue;
      if (documents_left_ == 0) {
        tokens_left_ = taken;
        break;
      }
      --documents_left_;
    }
    tokens_left_ -= taken;
    return taken;
  }

 private:
  std::string_view name_;
  std::uint64_t tokens_left_, documents_left_;
  bool by_documents_;
};

/// Takes the tokens of a stream in order and keeps the shards they fill out of sight until
/// publish().
class ShardCutter {
 public:
  ShardCutter(const ShardCut& cut, const formats::TokenShardHeader& base)
      : cut_(cut),
        base_(base),
        out_dir_((made_.make_folder(cut.out_dir), cut.out_dir)),
        staging_(
            out_dir_ / cut.prefix,
            [this](const fs::path& left) { undo_publish_shards(left, cut_.prefix, out_dir_); }),
        splits_{{{"val", cut.val_tokens, cut.val_documents},
                 {"test", cut.test_tokens, cut.test_documents},
                 {"train", kNoLimit, 0}}} {
    refuse_what_is_in_the_way();
    if ((cut.val_documents > 0 || cut.test_documents > 0) &&
        base.end_of_text == formats::kNoToken) {
      throw formats::UsageError(
          "the stream's vocabulary has no end-of-text, so documents cannot be counted; give "
          "--val-tokens and --test-tokens");
    }
  }

  void append(std::span<const std::uint16_t> tokens) {
    while (!tokens.empty()) {
      const std::uint64_t room = cut_.tokens_per_shard - (writer_ ? writer_->token_count() : 0);
      Split& split = splits_[split_];
      const auto taken = tokens.first(split.take(
          tokens.first(std::min<std::uint64_t>(tokens.size(), room)), base_.end_of_text));
      if (!taken.empty()) {
        if (!writer_) begin_shard(split.name());
        writer_->append(taken);
        tokens = tokens.subspan(taken.size());
      }
      if (split.ended() || taken.size() == room) end_shard();
      if (split.ended()) ++split_;
    }
  }

  bool has_val_and_test() const { return splits_[0].complete() && splits_[1].complete(); }

  std::vector<CutShard> publish() {
    end_shard();
    std::vector<fs::path> names;
    for (const auto& shard : shards_) names.push_back(shard.path.filename());
    const auto lock = formats::lock_temporary_paths();  // an interruption waits for the last name
    try {
      publish_shards(staging_.path(), cut_.prefix, names, out_dir_);
    } catch (...) {
      undo();
      throw;
    }
    made_.keep();
    return std::move(shards_);
  }

 private:
  void refuse_what_is_in_the_way() const {
    for (const auto& name : find_shards_of(cut_.prefix, out_dir_)) {
      const fs::path path = out_dir_ / name;
      if (fs::is_directory(path)) {
        throw formats::ExistsError(
            fmt::format("{}: is a folder with the name of a shard; move it away", path.string()));
      }
      if (cut_.force) continue;
      throw formats::ExistsError(fmt::format(
          "{}: is there already; --force replaces the shards of prefix '{}' when the new ones are "
          "complete",
          path.string(), cut_.prefix));
    }
  }
  void undo() {
    try {
      undo_publish_shards(staging_.path(), cut_.prefix, out_dir_);
    } catch (const std::exception&) {
      staging_.release();  // it holds shards that were there: the next cut puts them back
    }
  }
  void begin_shard(std::string_view split_name) {
    if (shards_.size() == kMaxShards) {
      throw formats::UsageError(
          fmt::format("the stream fills more than {} shards of {} tokens; raise --tokens-per-shard",
                      kMaxShards, cut_.tokens_per_shard));
    }
    const std::string name =
        fmt::format("{}_{}_{:06}.bin", cut_.prefix, split_name, shards_.size());
    shards_.push_back({.path = out_dir_ / name});
    writer_.emplace(staging_.path() / name, base_);
  }
  void end_shard() {
    if (!writer_) return;
    writer_->commit(/*replace=*/false);
    shards_.back().token_count = writer_->token_count();
    writer_.reset();
  }

  const ShardCut& cut_;
  const formats::TokenShardHeader base_;
  formats::MadePaths made_;
  const fs::path out_dir_;
  formats::TemporaryDirectory staging_;
  std::array<Split, 3> splits_;
  std::size_t split_ = 0;
  std::optional<formats::TokenShardWriter> writer_;
  std::vector<CutShard> shards_;
};

std::string describe_val_and_test(const ShardCut& cut) {
  std::string options;
  const auto add = [&options](std::string_view option, std::uint64_t value) {
    if (value > 0) options += fmt::format(" {} {}", option, value);
  };
  add("--val-tokens", cut.val_tokens);
  add("--val-documents", cut.val_documents);
  add("--test-tokens", cut.test_tokens);
  add("--test-documents", cut.test_documents);
  return options;
}

}  // namespace

ShardCutResult cut_into_shards(std::istream& stream, const std::string& stream_name,
                               const ShardCut& cut,
                               const std::function<void(std::uint64_t)>& progress) {
  check(cut);
  formats::TokenStreamReader reader(stream, stream_name);
  ShardCutter cutter(cut, {.vocab_size = reader.header().vocab_size,
                           .end_of_text = reader.header().end_of_text,
                           .tokenizer = reader.header().tokenizer});
  std::vector<std::uint16_t> tokens;
  while (reader.next(tokens)) {
    cutter.append(tokens);
    if (progress) progress(reader.token_count());
  }
  if (!cutter.has_val_and_test()) {
    throw formats::UsageError(fmt::format("{} holds {} tokens in {} documents, too few for{}",
                                          stream_name, reader.token_count(),
                                          reader.document_count(), describe_val_and_test(cut)));
  }
  if (reader.token_count() == 0) {
    throw formats::InputError(
        fmt::format("{}: holds no token, so there is no shard to write", stream_name));
  }
  return {.shards = cutter.publish(),
          .token_count = reader.token_count(),
          .document_count = reader.document_count()};
}

}  // namespace gpt2::data
