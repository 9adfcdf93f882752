// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The merges of a vocabulary as a table, and byte-pair encoding of one pre-token by it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "formats/tokenizer_files.h"
#include "libcore/text/huge_pages.h"

namespace gpt2::text {

/// Which pairs of ids are merged, in which order, and to what. Any number of threads may use one.
class MergeTable {
 public:
  /// No merge; above every rank.
  static constexpr std::uint32_t kNoRank = 0xFFFFFFFF;

  /// Throws: InputError when a byte has no token, a merge makes none, or there are more than 65536.
  explicit MergeTable(const formats::TokenizerFiles& files);

  /// Writes the ids of `pretoken`, at most one a byte, and gives their number. `ids` has room for
  /// one a byte. Throws: InputError for 4 GiB and more.
  std::size_t encode(std::string_view pretoken, std::uint16_t* ids) const;

  std::uint32_t find_rank(std::uint16_t left, std::uint16_t right) const {
    const std::uint32_t pair = join(left, right);
    for (std::size_t index = first_slot(pair);; index = (index + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[index];
      if (slot.pair == pair || slot.rank == kNoRank) return slot.rank;
    }
  }
  /// What the merge of that rank makes.
  std::uint16_t merged_id(std::uint32_t rank) const { return merged_id_[rank]; }
  /// Units: bytes of the token.
  std::uint32_t token_length(std::uint16_t id) const { return token_length_[id]; }

 private:
  struct Slot {
    std::uint32_t pair = 0;
    std::uint32_t rank = kNoRank;  // kNoRank: the slot is free
  };
  static std::uint32_t join(std::uint32_t left, std::uint32_t right) { return left << 16 | right; }
  static std::size_t place_of_bytes(std::size_t left, std::size_t right) {
    return left << 8 | right;
  }
  std::size_t first_slot(std::uint32_t pair) const {
    return static_cast<std::size_t>(pair * UINT64_C(0x9E3779B97F4A7C15) >> hash_shift_);
  }
  void insert(std::uint32_t left, std::uint32_t right, std::uint32_t rank);
  void rank_pairs_of_bytes(const formats::TokenizerFiles& files);
  std::size_t encode_short(std::string_view pretoken, std::uint16_t* ids) const;

  std::array<std::uint16_t, 256> id_of_byte_{};
  std::vector<std::uint32_t> rank_of_bytes_;  // the first look-ups of a pre-token: all two bytes
  std::vector<std::uint16_t> merged_id_;      // by rank
  std::vector<std::uint32_t> token_length_;   // by id
  HugePageVector<Slot> slots_;                // open addressing, at most half full
  int hash_shift_ = 0;
};

}  // namespace gpt2::text
