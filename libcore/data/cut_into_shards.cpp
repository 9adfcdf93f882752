// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/data/cut_into_shards.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
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

bool is_shard_of(std::string_view prefix, std::string_view file_name) {
  constexpr std::array<std::string_view, 3> kSplits{"_val_", "_test_", "_train_"};
  constexpr std::string_view kEnding = ".bin";
  if (!file_name.starts_with(prefix) || !file_name.ends_with(kEnding)) return false;
  file_name.remove_prefix(prefix.size());
  for (const auto split : kSplits) {
    if (!file_name.starts_with(split)) continue;
    const auto number =
        file_name.substr(split.size(), file_name.size() - split.size() - kEnding.size());
    return !number.empty() && number.find_first_not_of("0123456789") == std::string_view::npos;
  }
  return false;
}

/// Names in `folder` that an earlier cut with this prefix left, by bytes.
std::vector<fs::path> find_shards_of(const std::string& prefix, const fs::path& folder) {
  std::vector<fs::path> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (is_shard_of(prefix, entry.path().filename().native())) {
      names.push_back(entry.path().filename());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// Renames, all or none: the destructor undoes those done unless keep() was called.
class Renames {
 public:
  Renames() = default;
  Renames(const Renames&) = delete;
  Renames& operator=(const Renames&) = delete;
  ~Renames() {
    for (auto pair = done_.rbegin(); pair != done_.rend(); ++pair) {
      ::rename(pair->second.c_str(), pair->first.c_str());
    }
  }
  void rename(const fs::path& from, const fs::path& to) {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      formats::throw_io_error(to.string(), "renaming a finished shard");
    }
    done_.emplace_back(from, to);
  }
  void keep() { done_.clear(); }

 private:
  std::vector<std::pair<fs::path, fs::path>> done_;
};

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
        staging_(out_dir_ / cut.prefix),
        replaced_(find_shards_of(cut.prefix, out_dir_)),
        splits_{{{"val", cut.val_tokens, cut.val_documents},
                 {"test", cut.test_tokens, cut.test_documents},
                 {"train", kNoLimit, 0}}} {
    if (!replaced_.empty() && !cut.force) {
      throw formats::ExistsError(fmt::format(
          "{}: is there already; --force replaces the shards of prefix '{}' when the new ones are "
          "complete",
          (out_dir_ / replaced_.front()).string(), cut.prefix));
    }
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
    const auto lock = formats::lock_temporary_paths();  // an interruption waits for the last name
    const fs::path replaced_dir = staging_.path() / "replaced";
    made_.make_folder(replaced_dir);
    Renames renames;
    for (const auto& name : replaced_) renames.rename(out_dir_ / name, replaced_dir / name);
    // 000000 leaves first and comes last: where it is, the whole set is, even if this process is
    // killed between two renames.
    for (auto shard = shards_.rbegin(); shard != shards_.rend(); ++shard) {
      renames.rename(staging_.path() / shard->path.filename(), shard->path);
    }
    formats::sync_directory(out_dir_);
    renames.keep();
    made_.keep();
    return std::move(shards_);
  }

 private:
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
  std::vector<fs::path> replaced_;  // names in out_dir_
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
