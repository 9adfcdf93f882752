// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/text/bpe_trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <queue>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "formats/errors.h"
#include "libcore/text/pretokenizer.h"

namespace gpt2::text {
namespace {

constexpr std::uint32_t kByteTokens = 256;
constexpr std::string_view kEndOfText = "<|endoftext|>";

/// The 256 bytes in the order of GPT-2's first ids: the printable ones, then the rest.
std::vector<std::string> list_byte_tokens() {
  const auto is_printable = [](unsigned byte) {
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
  };
  std::vector<std::string> tokens;
  for (const bool printable : {true, false}) {
    for (unsigned byte = 0; byte < kByteTokens; ++byte) {
      if (is_printable(byte) == printable) tokens.emplace_back(1, static_cast<char>(byte));
    }
  }
  return tokens;
}

/// Two neighbouring ids in one number, ordered as the pair is.
using Pair = std::uint32_t;
constexpr Pair make_pair_of(std::uint16_t left, std::uint16_t right) {
  return Pair{left} << 16 | right;
}

/// The words of a text as ids, and which pairs occur how often in which words.
class Merger {
 public:
  Merger(const PretokenCounts& counts, const std::vector<std::string>& byte_tokens);
  /// Takes out the pair that occurs most often, if at least `min_frequency` times; ties: the
  /// smallest.
  bool pop_most_frequent(std::uint64_t min_frequency, Pair& pair);
  /// Replaces the popped pair by `id`, a new one, in every word.
  void merge(Pair pair, std::uint16_t id);

 private:
  struct Word {
    std::size_t begin;
    std::size_t id_count;
    std::int64_t count;
  };
  struct PairState {
    std::int64_t count = 0;
    std::vector<std::uint32_t> words;  // where it occurs, or did
  };
  struct Candidate {
    std::int64_t count;  // when it was queued; looked at again when it comes up
    Pair pair;
    bool operator<(const Candidate& other) const {
      return count != other.count ? count < other.count : pair > other.pair;
    }
  };
  std::span<std::uint16_t> ids_of(const Word& word) {
    return std::span(ids_).subspan(word.begin, word.id_count);
  }
  /// Gives true when the pair is met for the first time.
  bool add_pair(Pair pair, std::uint32_t word);
  void merge_in_word(std::uint32_t word, Pair pair, std::uint16_t id, std::vector<Pair>& new_pairs);
  void queue(Pair pair) {
    if (const std::int64_t count = pairs_[pair].count; count > 0) queue_.push({count, pair});
  }

  std::vector<std::uint16_t> ids_;  // of all words, one after the other
  std::vector<Word> words_;
  std::unordered_map<Pair, PairState> pairs_;
  std::priority_queue<Candidate> queue_;
};

Merger::Merger(const PretokenCounts& counts, const std::vector<std::string>& byte_tokens) {
  std::array<std::uint16_t, kByteTokens> id_of_byte{};
  for (std::size_t id = 0; id < byte_tokens.size(); ++id) {
    id_of_byte[static_cast<unsigned char>(byte_tokens[id][0])] = static_cast<std::uint16_t>(id);
  }
  std::vector<Pair> new_pairs;
  for (const PretokenCounts::Word& counted : counts.words()) {
    const auto place = static_cast<std::uint32_t>(words_.size());
    words_.push_back({ids_.size(), counted.bytes, static_cast<std::int64_t>(counted.count)});
    for (const char byte : counts.bytes_of(counted)) {
      ids_.push_back(id_of_byte[static_cast<unsigned char>(byte)]);
    }
    const auto ids = ids_of(words_.back());
    for (std::size_t index = 0; index + 1 < ids.size(); ++index) {
      const Pair pair = make_pair_of(ids[index], ids[index + 1]);
      if (add_pair(pair, place)) new_pairs.push_back(pair);
    }
  }
  for (const Pair pair : new_pairs) queue(pair);
}

bool Merger::add_pair(Pair pair, std::uint32_t word) {
  PairState& state = pairs_[pair];
  const bool is_new = state.words.empty();
  state.count += words_[word].count;
  if (is_new || state.words.back() != word) state.words.push_back(word);
  return is_new;
}

bool Merger::pop_most_frequent(std::uint64_t min_frequency, Pair& pair) {
  while (!queue_.empty()) {
    const Candidate candidate = queue_.top();
    queue_.pop();
    if (pairs_[candidate.pair].count != candidate.count) {
      queue(candidate.pair);  // other merges have taken some since
      continue;
    }
    pair = candidate.pair;
    return static_cast<std::uint64_t>(candidate.count) >= min_frequency;
  }
  return false;
}

void Merger::merge(Pair pair, std::uint16_t id) {
  const std::vector<std::uint32_t> places = std::move(pairs_[pair].words);
  std::vector<Pair> new_pairs;
  for (const std::uint32_t place : places) merge_in_word(place, pair, id, new_pairs);
  for (const Pair new_pair : new_pairs) queue(new_pair);
}

void Merger::merge_in_word(std::uint32_t word, Pair pair, std::uint16_t id,
                           std::vector<Pair>& new_pairs) {
  const auto ids = ids_of(words_[word]);
  const std::int64_t count = words_[word].count;
  const auto remove = [&](std::uint16_t left, std::uint16_t right) {
    pairs_[make_pair_of(left, right)].count -= count;
  };
  const auto add = [&](std::uint16_t left, std::uint16_t right) {
    const Pair added = make_pair_of(left, right);
    if (add_pair(added, word)) new_pairs.push_back(added);
  };
  std::size_t kept = 0;
  for (std::size_t index = 0; index < ids.size(); ++index, ++kept) {
    const bool matches = index + 1 < ids.size() && make_pair_of(ids[index], ids[index + 1]) == pair;
    if (!matches) {
      ids[kept] = ids[index];
      continue;
    }
    const std::uint16_t left = ids[index], right = ids[index + 1];
    if (kept > 0) {
      remove(ids[kept - 1], left);
      add(ids[kept - 1], id);
    }
    if (index + 2 < ids.size()) {
      remove(right, ids[index + 2]);
      add(id, ids[index + 2]);
    }
    ids[kept] = id;
    ++index;
  }
  words_[word].id_count = kept;
}

}  // namespace

void PretokenCounts::add(std::string_view text) {
  for_each_pretoken(text, [this](std::string_view pretoken) { count(pretoken); });
}

void PretokenCounts::count(std::string_view pretoken) {
  if (2 * words_.size() >= slots_.size()) grow();
  const std::size_t hash = std::hash<std::string_view>{}(pretoken);
  std::size_t index = hash & (slots_.size() - 1);
  for (; slots_[index] != 0; index = (index + 1) & (slots_.size() - 1)) {
    Word& word = words_[slots_[index] - 1];
    if (word.hash == hash && bytes_of(word) == pretoken) {
      ++word.count;
      return;
    }
  }
  words_.push_back({hash, bytes_.size(), pretoken.size(), 1});
  bytes_ += pretoken;
  slots_[index] = static_cast<std::uint32_t>(words_.size());
}

void PretokenCounts::grow() {
  if (words_.size() >= std::numeric_limits<std::uint32_t>::max() / 2) {
    throw formats::InputError(
        "the text has more than 2^31 distinct words; train the vocabulary on a part of it");
  }
  slots_.assign(std::max<std::size_t>(1024, 2 * slots_.size()), 0);
  for (std::size_t place = 0; place < words_.size(); ++place) {
    std::size_t index = words_[place].hash & (slots_.size() - 1);
    while (slots_[index] != 0) index = (index + 1) & (slots_.size() - 1);
    slots_[index] = static_cast<std::uint32_t>(place + 1);
  }
}

void check_training(const BpeTraining& training) {
  if (training.vocab_size > kByteTokens && training.vocab_size <= 65536) return;
  throw formats::UsageError(
      fmt::format("a vocabulary of {} is not possible: it holds 256 bytes and {}, so at least 257, "
                  "and at most 65536 fit 16-bit tokens",
                  training.vocab_size, kEndOfText));
}

formats::TokenizerFiles train_bpe(const PretokenCounts& counts, const BpeTraining& training) {
  check_training(training);
  formats::TokenizerFiles files;
  files.token_bytes = list_byte_tokens();
  Merger merger(counts, files.token_bytes);
  std::unordered_set<std::string> known(files.token_bytes.begin(), files.token_bytes.end());
  known.emplace(kEndOfText);
  const std::uint32_t merge_count = training.vocab_size - kByteTokens - 1;
  Pair pair = 0;
  while (files.merges.size() < merge_count &&
         merger.pop_most_frequent(std::max<std::uint64_t>(1, training.min_frequency), pair)) {
    const std::uint32_t left = pair >> 16, right = pair & 0xFFFF;
    std::string joined = files.token_bytes[left] + files.token_bytes[right];
    if (!known.insert(joined).second) continue;
    merger.merge(pair, static_cast<std::uint16_t>(files.token_bytes.size()));
    files.token_bytes.push_back(std::move(joined));
    files.merges.emplace_back(left, right);
    if (training.progress) training.progress(files.vocab_size());
  }
  files.special_tokens.push_back({std::string(kEndOfText), files.vocab_size()});
  files.token_bytes.emplace_back(kEndOfText);
  return files;
}

}  // namespace gpt2::text
