// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/text/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>
#include <queue>
#include <string>
#include <utility>

#include "formats/errors.h"
#include "formats/text_index.h"
#include "formats/token_shard.h"
#include "libcore/text/pretokenizer.h"

namespace gpt2::text {

using formats::InputError;

/// Ranks of pairs of ids, and the merging of one pre-token by them.
class Tokenizer::MergeTable {
 public:
  explicit MergeTable(const formats::TokenizerFiles& files);

  /// Writes the ids of `pretoken`, at most one a byte, and gives their number.
  std::size_t encode(std::string_view pretoken, std::uint16_t* ids) const {
    return pretoken.size() <= kShortBytes ? encode_short(pretoken, ids)
                                          : encode_long(pretoken, ids);
  }

 private:
  static constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();
  static constexpr std::size_t kShortBytes = 48;  // beyond it the heap is faster
  struct Slot {
    std::uint32_t pair = 0;
    std::uint32_t rank = kNoRank;  // kNoRank: the slot is free
  };

  static std::uint32_t join(std::uint32_t left, std::uint32_t right) { return left << 16 | right; }
  std::size_t first_slot(std::uint32_t pair) const {
    return static_cast<std::size_t>(pair * UINT64_C(0x9E3779B97F4A7C15) >> hash_shift_);
  }
  std::uint32_t find_rank(std::uint32_t left, std::uint32_t right) const {
    const std::uint32_t pair = join(left, right);
    for (std::size_t index = first_slot(pair);; index = (index + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[index];
      if (slot.pair == pair || slot.rank == kNoRank) return slot.rank;
    }
  }
  void insert(std::uint32_t left, std::uint32_t right, std::uint32_t rank);
  std::size_t encode_short(std::string_view pretoken, std::uint16_t* ids) const;
  std::size_t encode_long(std::string_view pretoken, std::uint16_t* ids) const;

  std::array<std::uint16_t, 256> id_of_byte_{};
  std::vector<std::uint16_t> merged_id_;  // by rank
  std::vector<Slot> slots_;               // open addressing, at most half full
  int hash_shift_ = 0;
};

namespace {

/// The ordinary tokens of a vocabulary by their bytes.
class TokenFinder {
 public:
  explicit TokenFinder(const formats::TokenizerFiles& files)
      : tokens_(files.token_bytes), is_special_(files.token_bytes.size(), false) {
    for (const formats::SpecialToken& special : files.special_tokens) {
      if (special.id < tokens_.size()) is_special_[special.id] = true;
    }
  }

  /// The token of each byte. Throws: InputError when one has none.
  std::array<std::uint16_t, 256> find_bytes() const {
    std::array<std::uint16_t, 256> id_of{};
    std::array<bool, 256> found{};
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      if (tokens_[id].size() != 1 || is_special_[id]) continue;
      const auto byte = static_cast<unsigned char>(tokens_[id][0]);
      if (!std::exchange(found[byte], true)) id_of[byte] = static_cast<std::uint16_t>(id);
    }
    const auto missing = std::ranges::find(found, false) - found.begin();
    if (missing < 256) {
      throw InputError(fmt::format(
          "the vocabulary has no token for byte 0x{:02X}; GPT-2's has one for each of the 256",
          missing));
    }
    return id_of;
  }

  /// The token that is `left` and `right` joined. As a rule it is `likely`, and no table is made.
  std::optional<std::uint16_t> find_joined(std::string_view left, std::string_view right,
                                           std::size_t likely) {
    if (likely < tokens_.size() && !is_special_[likely]) {
      const std::string_view token = tokens_[likely];
      if (token.size() == left.size() + right.size() && token.starts_with(left) &&
          token.ends_with(right)) {
        return static_cast<std::uint16_t>(likely);
      }
    }
    if (!index_) make_index();
    const auto place = index_->find(std::string(left) + std::string(right));
    if (!place) return {};
    return id_of_place_[*place];
  }

 private:
  void make_index() {
    index_.emplace(tokens_.size());
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      if (!is_special_[id] && index_->add(tokens_[id])) {
        id_of_place_.push_back(static_cast<std::uint16_t>(id));
      }
    }
  }

  const std::vector<std::string>& tokens_;
  std::vector<bool> is_special_;  // by id
  std::optional<formats::TextIndex> index_;
  std::vector<std::uint16_t> id_of_place_;  // in index_
};

}  // namespace

Tokenizer::MergeTable::MergeTable(const formats::TokenizerFiles& files) {
  const auto& tokens = files.token_bytes;
  if (tokens.size() > 65536) {
    throw InputError(fmt::format(
        "the vocabulary has {} entries; at most 65536 fit the 16-bit tokens of these tools",
        tokens.size()));
  }
  TokenFinder finder(files);
  id_of_byte_ = finder.find_bytes();
  const std::size_t slot_count = std::bit_ceil(2 * files.merges.size() + 2);
  slots_.resize(slot_count);
  hash_shift_ = 64 - std::countr_zero(slot_count);
  merged_id_.reserve(files.merges.size());
  for (std::size_t rank = 0; rank < files.merges.size(); ++rank) {
    const auto [left, right] = files.merges[rank];
    if (left >= tokens.size() || right >= tokens.size()) {
      throw InputError(fmt::format("merge {} joins tokens {} and {}, but the vocabulary has {}",
                                   rank, left, right, tokens.size()));
    }
    const std::size_t likely = merged_id_.empty() ? 256 : merged_id_.back() + std::size_t{1};
    const auto joined = finder.find_joined(tokens[left], tokens[right], likely);
    if (!joined) {
      throw InputError(
          fmt::format("merge {} joins tokens {} and {} to one that the vocabulary "
                      "does not have; its files do not belong together",
                      rank, left, right));
    }
    merged_id_.push_back(*joined);
    insert(left, right, static_cast<std::uint32_t>(rank));
  }
}

void Tokenizer::MergeTable::insert(std::uint32_t left, std::uint32_t right, std::uint32_t rank) {
  const std::uint32_t pair = join(left, right);
  std::size_t index = first_slot(pair);
  while (slots_[index].rank != kNoRank && slots_[index].pair != pair) {
    index = (index + 1) & (slots_.size() - 1);
  }
  slots_[index] = {pair, rank};  // a pair that is listed twice counts where it is listed last
}

/// Looks for the lowest rank from the left, joins, and closes the gap: fastest for the usual few
/// bytes.
std::size_t Tokenizer::MergeTable::encode_short(std::string_view pretoken,
                                                std::uint16_t* ids) const {
  std::array<std::uint32_t, kShortBytes> ranks;  // of (ids[i], ids[i + 1])
  std::size_t count = pretoken.size();
  for (std::size_t index = 0; index < count; ++index) {
    ids[index] = id_of_byte_[static_cast<unsigned char>(pretoken[index])];
  }
  for (std::size_t index = 0; index + 1 < count; ++index) {
    ranks[index] = find_rank(ids[index], ids[index + 1]);
  }
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t index = 1; index + 1 < count; ++index) {
      if (ranks[index] < ranks[best]) best = index;
    }
    if (ranks[best] == kNoRank) break;
    ids[best] = merged_id_[ranks[best]];
    --count;
    for (std::size_t index = best + 1; index < count; ++index) {
      ids[index] = ids[index + 1];
      ranks[index - 1] = ranks[index];
    }
    if (best + 1 < count) ranks[best] = find_rank(ids[best], ids[best + 1]);
    if (best > 0) ranks[best - 1] = find_rank(ids[best - 1], ids[best]);
  }
  return count;
}

/// The same by a heap of (rank, place) over a linked list: O(n log n) for a word of any length. An
/// entry of the heap is out of date when its place has another rank by now.
std::size_t Tokenizer::MergeTable::encode_long(std::string_view pretoken,
                                               std::uint16_t* ids) const {
  constexpr std::uint32_t kEnd = std::numeric_limits<std::uint32_t>::max();
  if (pretoken.size() >= kEnd) {
    throw InputError(
        "the text has 4 GiB without any boundary between words, numbers and punctuation; "
        "divide it into several documents");
  }
  struct Part {
    std::uint32_t previous, next;  // places; kEnd: none
    std::uint32_t rank;            // of this part and the next
    std::uint16_t id;
  };
  const auto count = static_cast<std::uint32_t>(pretoken.size());
  std::vector<Part> parts(count);
  for (std::uint32_t place = 0; place < count; ++place) {
    parts[place] = {place - 1, place + 1, kNoRank,  // place 0: wraps to kEnd
                    id_of_byte_[static_cast<unsigned char>(pretoken[place])]};
  }
  parts.back().next = kEnd;

  const auto entry = [](std::uint32_t rank, std::uint32_t place) {
    return std::uint64_t{rank} << 32 | place;
  };
  std::vector<std::uint64_t> entries;
  for (std::uint32_t place = 0; place + 1 < count; ++place) {
    parts[place].rank = find_rank(parts[place].id, parts[place + 1].id);
    if (parts[place].rank != kNoRank) entries.push_back(entry(parts[place].rank, place));
  }
  std::priority_queue<std::uint64_t, std::vector<std::uint64_t>, std::greater<>> heap(
      {}, std::move(entries));
  const auto update_rank = [&](std::uint32_t place) {
    Part& part = parts[place];
    part.rank = part.next == kEnd ? kNoRank : find_rank(part.id, parts[part.next].id);
    if (part.rank != kNoRank) heap.push(entry(part.rank, place));
  };
  while (!heap.empty()) {
    const auto rank = static_cast<std::uint32_t>(heap.top() >> 32);
    const auto place = static_cast<std::uint32_t>(heap.top());
    heap.pop();
    Part& left = parts[place];
    if (left.rank != rank) continue;
    Part& right = parts[left.next];
    left.id = merged_id_[rank];
    left.next = right.next;
    right.rank = kNoRank;
    if (left.next != kEnd) parts[left.next].previous = place;
    update_rank(place);
    if (left.previous != kEnd) update_rank(left.previous);
  }
  std::size_t id_count = 0;
  for (std::uint32_t place = 0; place != kEnd; place = parts[place].next) {
    ids[id_count++] = parts[place].id;
  }
  return id_count;
}

/// Pre-tokens of up to 15 bytes and 7 ids, two to a cache line; a new one pushes out the older of
/// its line.
class Encoder::PretokenCache {
 public:
  static constexpr std::size_t kMaxBytes = 15, kMaxIds = 7;
  struct Key {  // the bytes, zeros, and in the last byte the length: never all zero
    std::uint64_t low = 0, high = 0;
    bool operator==(const Key&) const = default;
  };
  struct Entry {
    Key key;  // all zero: free
    std::array<std::uint16_t, kMaxIds> ids{};
    std::uint16_t id_count = 0;
  };
  struct alignas(64) Line {
    Entry newer, older;
  };

  explicit PretokenCache(const Tokenizer::MergeTable& table)
      : table_(table), lines_(std::size_t{1} << kLineBits) {}

  /// Units: `bytes` is 1 to kMaxBytes.
  static Key make_key(std::string_view text, std::size_t begin, std::size_t bytes) {
    static_assert(std::endian::native == std::endian::little, "make_key() reads words in place");
    std::array<std::uint64_t, 2> words{};
    if (begin + sizeof words <= text.size()) {
      std::memcpy(words.data(), text.data() + begin, sizeof words);
      words[0] &= kFirstBytes[bytes][0];
      words[1] &= kFirstBytes[bytes][1];
    } else {
      std::memcpy(words.data(), text.data() + begin, bytes);
    }
    return {words[0], words[1] | std::uint64_t{bytes} << 56};
  }
  Line& line_of(const Key& key) {
    const std::uint64_t mixed = (key.low ^ std::rotl(key.high * UINT64_C(0x9E3779B97F4A7C15), 32)) *
                                UINT64_C(0xD6E8FEB86659FD93);
    return lines_[static_cast<std::size_t>(mixed >> (64 - kLineBits))];
  }
  /// Writes the ids of `pretoken` and gives their number; up to kMaxIds are written in any case.
  std::size_t encode(std::string_view pretoken, const Key& key, Line& line,
                     std::uint16_t* ids) const {
    const Entry& entry = line.newer.key == key ? line.newer : line.older;
    if (entry.key == key) {
      std::memcpy(ids, entry.ids.data(),
                  sizeof entry.ids);  // all: cheaper than only those that count
      return entry.id_count;
    }
    const std::size_t id_count = table_.encode(pretoken, ids);
    if (id_count <= kMaxIds) {
      line.older = line.newer;
      line.newer.key = key;
      line.newer.id_count = static_cast<std::uint16_t>(id_count);
      std::copy_n(ids, id_count, line.newer.ids.begin());
    }
    return id_count;
  }
  /// The same for a pre-token that is too long to be kept.
  std::size_t encode(std::string_view pretoken, std::uint16_t* ids) const {
    return table_.encode(pretoken, ids);
  }

 private:
  static constexpr int kLineBits = 15;
  static constexpr auto kFirstBytes = [] {  // masks of the first bytes of two words
    std::array<std::array<std::uint64_t, 2>, kMaxBytes + 1> masks{};
    for (std::size_t bytes = 1; bytes <= kMaxBytes; ++bytes) {
      masks[bytes] = masks[bytes - 1];
      masks[bytes][(bytes - 1) / 8] |= UINT64_C(0xFF) << 8 * ((bytes - 1) % 8);
    }
    return masks;
  }();
  const Tokenizer::MergeTable& table_;
  std::vector<Line> lines_;
};

Encoder::Encoder(const Tokenizer& tokenizer)
    : cache_(std::make_unique<PretokenCache>(*tokenizer.table_)) {}
Encoder::Encoder(Encoder&&) noexcept = default;
Encoder::~Encoder() = default;

void Encoder::encode(std::string_view text, std::vector<std::uint16_t>& ids) {
  // A stretch of pre-tokens at a time: found first, so that their cache lines come while others are
  // looked up.
  struct Place {
    PretokenCache::Key key;
    PretokenCache::Line* line;  // nullptr: too long for the cache
  };
  std::array<std::size_t, 2 * kPretokenStretch> ends;
  std::array<Place, ends.size()> places;
  std::size_t id_count = ids.size();
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t found_count = find_pretoken_ends(text, begin, ends);
    std::size_t place_begin = begin;
    for (std::size_t index = 0; index < found_count; ++index) {
      Place& place = places[index];
      const std::size_t bytes = ends[index] - place_begin;
      place.line = nullptr;
      if (bytes <= PretokenCache::kMaxBytes) {
        place.key = PretokenCache::make_key(text, place_begin, bytes);
        place.line = &cache_->line_of(place.key);
        __builtin_prefetch(place.line);
      }
      place_begin = ends[index];
    }
    // At most one id a byte; a copy of a cache entry may write kMaxIds where fewer count.
    ids.resize(id_count + (place_begin - begin) + PretokenCache::kMaxIds);
    for (std::size_t index = 0; index < found_count; ++index) {
      const auto pretoken = text.substr(begin, ends[index] - begin);
      const Place& place = places[index];
      std::uint16_t* const out = ids.data() + id_count;
      id_count += place.line == nullptr ? cache_->encode(pretoken, out)
                                        : cache_->encode(pretoken, place.key, *place.line, out);
      begin = ends[index];
    }
  }
  ids.resize(id_count);
}

Tokenizer::Tokenizer(formats::TokenizerFiles files)
    : files_(std::move(files)),
      fingerprint_(formats::tokenizer_fingerprint(files_)),
      table_(std::make_unique<const MergeTable>(files_)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::load(const std::filesystem::path& directory) {
  auto files = formats::load_tokenizer_files(directory);
  try {
    return Tokenizer(std::move(files));
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: {}", directory.string(), error.what()));
  }
}

void Tokenizer::encode(std::string_view text, std::vector<std::uint16_t>& ids) const {
  for_each_pretoken(text, [&](std::string_view pretoken) {
    const std::size_t id_count = ids.size();
    ids.resize(id_count + pretoken.size());
    ids.resize(id_count + table_->encode(pretoken, ids.data() + id_count));
  });
}

std::vector<std::uint16_t> Tokenizer::encode(std::string_view text) const {
  std::vector<std::uint16_t> ids;
  encode(text, ids);
  return ids;
}

std::string_view Tokenizer::token_bytes(std::uint16_t id) const {
  if (id >= files_.token_bytes.size()) {
    throw InputError(
        fmt::format("token {} is not in the vocabulary of {}", id, files_.token_bytes.size()));
  }
  return files_.token_bytes[id];
}

std::string Tokenizer::decode(std::span<const std::uint16_t> ids) const {
  std::string bytes;
  for (const std::uint16_t id : ids) bytes += token_bytes(id);
  return bytes;
}

std::uint32_t Tokenizer::end_of_text() const {
  return files_.end_of_text().value_or(formats::kNoToken);
}

}  // namespace gpt2::text
