// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/data/shard_set.h"

#include <fmt/format.h>
#include <glob.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <fstream>
#include <numeric>
#include <string_view>

#include "formats/byte_codec.h"
#include "formats/crc32c.h"
#include "formats/errors.h"
#include "formats/stored_tokens.h"
#include "libcore/data/shard_names.h"

namespace gpt2::data {
namespace {

namespace fs = std::filesystem;

/// The matches of glob(3), freed by the destructor.
class GlobMatches {
 public:
  explicit GlobMatches(const std::string& pattern) {
    // A folder that may not be read is an error, not a set without its files.
    const auto give_up = [](const char*, int error) { return error == ENOENT ? 0 : 1; };
    status_ = ::glob(pattern.c_str(), GLOB_NOSORT, give_up, &matches_);
    if (status_ != 0 && status_ != GLOB_NOMATCH) {
      formats::throw_io_error(pattern, "looking for files");
    }
  }
  GlobMatches(const GlobMatches&) = delete;
  GlobMatches& operator=(const GlobMatches&) = delete;
  ~GlobMatches() { ::globfree(&matches_); }
  std::span<char*> names() const { return {matches_.gl_pathv, matches_.gl_pathc}; }

 private:
  glob_t matches_{};
  int status_ = 0;
};

/// Each shard stays open; 1,001 shards (FineWeb-Edu 100B) are more than the usual soft limit of
/// 1,024 leaves free.
void allow_open_files(std::size_t more) {
  constexpr rlim_t kForTheRest = 256;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = std::min(limit.rlim_max, static_cast<rlim_t>(more) + kForTheRest);
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = wanted;
  ::setrlimit(RLIMIT_NOFILE, &limit);  // if refused, open() says so with the file's name
}

/// CRC-32C of tokens [first, first + count) as stored.
std::uint32_t crc_of_tokens(const formats::TokenShardReader& shard, std::uint64_t first,
                            std::uint64_t count, std::uint32_t previous) {
  std::vector<std::uint16_t> tokens(count);
  std::vector<std::uint8_t> scratch;
  shard.read(first, tokens);
  return formats::crc32c(formats::stored_bytes(tokens, scratch), previous);
}

/// Of the first and the last MiB of the payload, which overlap when it is shorter than two.
std::uint32_t crc_of_ends(const formats::TokenShardReader& shard) {
  const std::uint64_t token_count = shard.header().token_count;
  const std::uint64_t end_tokens =
      std::min<std::uint64_t>(token_count, (std::uint64_t{1} << 20) / 2);
  const std::uint32_t crc = crc_of_tokens(shard, 0, end_tokens, 0);
  return crc_of_tokens(shard, token_count - end_tokens, end_tokens, crc);
}

std::string describe_token(std::uint32_t token) {
  return token == formats::kNoToken ? "none" : std::to_string(token);
}

}  // namespace

std::vector<fs::path> find_shards(const std::vector<std::string>& patterns) {
  std::vector<fs::path> found;
  for (const auto& pattern : patterns) {
    std::error_code ignored;
    if (fs::is_directory(pattern, ignored)) {
      throw formats::InputError(
          fmt::format("{}: is a folder; name the shards in it, for example '{}'", pattern,
                      (fs::path(pattern) / "*_train_*.bin").string()));
    }
    if (fs::exists(pattern, ignored)) {
      found.emplace_back(pattern);
      continue;
    }
    const GlobMatches matches(pattern);
    if (matches.names().empty()) {
      throw formats::InputError(fmt::format("{}: no such file, and no file matches", pattern));
    }
    std::vector<std::string> names(matches.names().begin(), matches.names().end());
    std::sort(names.begin(), names.end());
    found.insert(found.end(), names.begin(), names.end());
  }
  return found;
}

formats::TokenShardReader open_shard(const fs::path& path) {
  refuse_unfinished_set(path);
  std::array<std::uint8_t, 8> start{};
  std::ifstream file;
  if (fs::is_regular_file(path)) file.open(path, std::ios::binary);  // a pipe would block
  // A file too short to tell, or one that cannot be read, is left to the reader below.
  if (file.read(reinterpret_cast<char*>(start.data()), start.size()) &&
      !formats::begins_as_numpy(start)) {
    const auto refuse = [&path](std::string_view problem) {
      throw formats::InputError(fmt::format("{}: {}", path.string(), problem));
    };
    const std::uint32_t magic = formats::load_u32(start.data());
    if (magic == 20240801) refuse("is a llama-3 shard of 32-bit tokens; GPT-2's have 16 bits");
    if (magic != 20240520) {
      refuse(
          "does not begin as a token shard does (formats/token_shard.md); if it holds nothing but "
          "16-bit tokens, as nanoGPT writes them, gpt2-shard cat --from-bare reads it");
    }
  }
  return formats::TokenShardReader(path);
}

std::vector<formats::TokenShardReader> open_shards(std::span<const fs::path> paths) {
  allow_open_files(paths.size());
  std::vector<formats::TokenShardReader> shards;
  shards.reserve(paths.size());
  for (const auto& path : paths) shards.push_back(open_shard(path));
  return shards;
}

StatedVocabulary stated_vocabulary(std::span<const formats::TokenShardReader> shards) {
  const formats::TokenShardReader* sized = nullptr;    // the first that states sizes and ids,
  const formats::TokenShardReader* printed = nullptr;  // and the first with a known fingerprint
  for (const auto& shard : shards) {
    const auto& header = shard.header();
    if (header.foreign) continue;
    const auto compare = [&shard](const formats::TokenShardReader& first, std::string_view what,
                                  const std::string& of_first, const std::string& of_shard) {
      if (of_first == of_shard) return;
      throw formats::ContradictionError(
          fmt::format("{} and {} cannot be one set: their {} are {} and {}", first.path().string(),
                      shard.path().string(), what, of_first, of_shard));
    };
    if (sized == nullptr) sized = &shard;
    compare(*sized, "vocabulary sizes", std::to_string(sized->header().vocab_size),
            std::to_string(header.vocab_size));
    compare(*sized, "end-of-text ids", describe_token(sized->header().end_of_text),
            describe_token(header.end_of_text));
    if (formats::is_unknown(header.tokenizer)) continue;
    if (printed == nullptr) printed = &shard;
    compare(*printed, "tokenizer fingerprints", formats::to_hex(printed->header().tokenizer),
            formats::to_hex(header.tokenizer));
  }
  StatedVocabulary stated;
  if (sized != nullptr) {
    stated.vocab_size = sized->header().vocab_size;
    stated.end_of_text = sized->header().end_of_text;
  }
  if (printed != nullptr) stated.tokenizer = printed->header().tokenizer;
  return stated;
}

ShardSet::ShardSet(const std::vector<std::string>& patterns) {
  std::vector<fs::path> paths;
  for (const auto& path : find_shards(patterns)) paths.push_back(path.lexically_normal());
  std::sort(paths.begin(), paths.end(),
            [](const auto& a, const auto& b) { return a.native() < b.native(); });
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  if (paths.empty()) throw formats::InputError("no token shard is named");
  shards_ = open_shards(paths);
  stated_ = stated_vocabulary(shards_);
}

std::uint64_t ShardSet::token_count() const {
  std::uint64_t total = 0;
  for (const auto& shard : shards_) total += shard.header().token_count;
  return total;
}

bool ShardSet::has_foreign() const {
  return std::any_of(shards_.begin(), shards_.end(),
                     [](const auto& shard) { return shard.header().foreign; });
}

std::vector<std::uint64_t> ShardSet::windows_per_shard(std::int64_t T) const {
  assert(T > 0);
  std::vector<std::uint64_t> counts;
  counts.reserve(shards_.size());
  for (const auto& shard : shards_) {
    const std::uint64_t token_count = shard.header().token_count;
    counts.push_back(token_count == 0 ? 0 : (token_count - 1) / static_cast<std::uint64_t>(T));
  }
  return counts;
}

std::uint64_t ShardSet::window_count(std::int64_t T) const {
  const auto counts = windows_per_shard(T);
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

std::uint64_t ShardSet::dropped_token_count(std::int64_t T) const {
  const auto counts = windows_per_shard(T);
  std::uint64_t dropped = 0;
  for (std::size_t s = 0; s < shards_.size(); ++s) {
    const std::uint64_t read = counts[s] == 0 ? 0 : counts[s] * static_cast<std::uint64_t>(T) + 1;
    dropped += shards_[s].header().token_count - read;
  }
  return dropped;
}

std::vector<fs::path> ShardSet::shards_without_window(std::int64_t T) const {
  const auto counts = windows_per_shard(T);
  std::vector<fs::path> paths;
  for (std::size_t s = 0; s < shards_.size(); ++s) {
    if (counts[s] == 0) paths.push_back(shards_[s].path());
  }
  return paths;
}

Window ShardSet::window_in_file_order(std::uint64_t index, std::int64_t T) const {
  const auto counts = windows_per_shard(T);
  std::uint32_t shard = 0;
  while (index >= counts.at(shard)) index -= counts[shard++];
  return {shard, index * static_cast<std::uint64_t>(T)};
}

void ShardSet::read_window(const Window& window, std::uint32_t vocab_size,
                           std::span<std::int32_t> inputs, std::span<std::int32_t> targets) const {
  assert(inputs.size() == targets.size());
  const auto& shard = shards_.at(window.shard);
  std::vector<std::uint16_t> tokens(inputs.size() + 1);
  shard.read(window.first, tokens);
  if (const auto unknown = formats::find_unknown_token(tokens, vocab_size)) {
    throw formats::FormatError(
        shard.path().string(), formats::kTokenShardHeaderBytes + 2 * (window.first + *unknown),
        "token",
        fmt::format("is {}, not below the vocabulary size {}", tokens[*unknown], vocab_size));
  }
  std::copy(tokens.begin(), tokens.end() - 1, inputs.begin());
  std::copy(tokens.begin() + 1, tokens.end(), targets.begin());
}

std::vector<formats::DataIdentity> ShardSet::identity() const {
  std::vector<formats::DataIdentity> identities;
  identities.reserve(shards_.size());
  for (const auto& shard : shards_) {
    const auto& header = shard.header();
    identities.push_back({.name = shard.path().filename().string(),
                          .token_count = header.token_count,
                          .crc32c = header.foreign ? crc_of_ends(shard) : header.payload_crc32c,
                          .foreign = header.foreign});
  }
  return identities;
}

}  // namespace gpt2::data
