// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/text/merge_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "formats/errors.h"
#include "formats/text_index.h"
#include "libcore/text/long_word.h"

namespace gpt2::text {

using formats::InputError;

namespace {

constexpr std::size_t kShortBytes = 64;  // of a word that a plain search merges faster

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

MergeTable::MergeTable(const formats::TokenizerFiles& files) {
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
  rank_pairs_of_bytes(files);
  token_length_.reserve(tokens.size());
  for (const std::string& token : tokens) {
    token_length_.push_back(static_cast<std::uint32_t>(token.size()));
  }
}

void MergeTable::insert(std::uint32_t left, std::uint32_t right, std::uint32_t rank) {
  const std::uint32_t pair = join(left, right);
  std::size_t index = first_slot(pair);
  while (slots_[index].rank != kNoRank && slots_[index].pair != pair) {
    index = (index + 1) & (slots_.size() - 1);
  }
  slots_[index] = {pair, rank};  // a pair that is listed twice counts where it is listed last
}

void MergeTable::rank_pairs_of_bytes(const formats::TokenizerFiles& files) {
  constexpr std::size_t kNoByte = 256;
  std::vector<std::size_t> byte_of_id(files.token_bytes.size(), kNoByte);
  for (std::size_t byte = 0; byte < id_of_byte_.size(); ++byte) {
    byte_of_id[id_of_byte_[byte]] = byte;
  }
  rank_of_bytes_.resize(std::size_t{1} << 16, kNoRank);
  for (std::size_t rank = 0; rank < files.merges.size(); ++rank) {
    const std::size_t left = byte_of_id[files.merges[rank].first];
    const std::size_t right = byte_of_id[files.merges[rank].second];
    if (left == kNoByte || right == kNoByte) continue;
    rank_of_bytes_[place_of_bytes(left, right)] = static_cast<std::uint32_t>(rank);
  }
}

std::size_t MergeTable::encode(std::string_view pretoken, std::uint16_t* ids) const {
  if (pretoken.size() <= kShortBytes) return encode_short(pretoken, ids);
  if (pretoken.size() > kMaxLongWordBytes) {
    throw InputError(
        "the text has 4 GiB without any boundary between words, numbers and punctuation; "
        "divide it into several documents");
  }
  std::ranges::transform(
      pretoken, ids, [this](char byte) { return id_of_byte_[static_cast<unsigned char>(byte)]; });
  return merge_long_word(*this, std::span(ids, pretoken.size()));
}

/// Looks for the lowest rank from the left, joins, and closes the gap: fastest for the usual few
/// bytes.
std::size_t MergeTable::encode_short(std::string_view pretoken, std::uint16_t* ids) const {
  std::array<std::uint32_t, kShortBytes> ranks;  // of (ids[i], ids[i + 1])
  std::size_t count = pretoken.size();
  for (std::size_t index = 0; index < count; ++index) {
    ids[index] = id_of_byte_[static_cast<unsigned char>(pretoken[index])];
  }
  for (std::size_t index = 0; index + 1 < count; ++index) {
    ranks[index] = rank_of_bytes_[place_of_bytes(static_cast<unsigned char>(pretoken[index]),
                                                 static_cast<unsigned char>(pretoken[index + 1]))];
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

}  // namespace gpt2::text
