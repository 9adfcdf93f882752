// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The ids of the pre-tokens that were seen last: most of a text is words that have been met.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "libcore/text/huge_pages.h"
#include "libcore/text/merge_table.h"

namespace gpt2::text {

/// For pre-tokens of a few words of memory, kWords, that have no more ids than fit the same. Two
/// share a line, where a new one pushes out the older. `table` must outlive it.
template <std::size_t kWords>
class PretokenCache {
 public:
  static constexpr std::size_t kMaxBytes = 8 * kWords - 1, kMaxIds = 4 * kWords - 1;
  struct Key {  // the bytes, zeros, and in the last byte the length: never all zero
    std::array<std::uint64_t, kWords> words{};
    bool operator==(const Key&) const = default;
  };
  struct Entry {
    Key key;  // all zero: free
    std::array<std::uint16_t, kMaxIds> ids{};
    std::uint16_t id_count = 0;
  };
  struct Line {
    Entry newer, older;
  };

  PretokenCache(const MergeTable& table, std::size_t line_count)
      : table_(table), line_shift_(64 - std::countr_zero(line_count)), lines_(line_count) {}

  /// The key of `bytes` bytes, 1 to kMaxBytes, at `begin`.
  static Key make_key(std::string_view text, std::size_t begin, std::size_t bytes) {
    static_assert(std::endian::native == std::endian::little, "make_key() reads words in place");
    Key key;
    if (begin + sizeof key <= text.size()) {
      std::memcpy(&key, text.data() + begin, sizeof key);
      for (std::size_t word = 0; word < kWords; ++word) key.words[word] &= kMasks[bytes][word];
    } else {
      std::memcpy(&key, text.data() + begin, bytes);
    }
    key.words.back() |= std::uint64_t{bytes} << 56;
    return key;
  }
  Line& line_of(const Key& key) {
    std::uint64_t mixed = key.words[0];
    for (std::size_t word = 1; word < kWords; ++word) {
      mixed = (mixed ^ std::rotl(key.words[word] * UINT64_C(0x9E3779B97F4A7C15), 32)) *
              UINT64_C(0xD6E8FEB86659FD93);
    }
    return lines_[static_cast<std::size_t>(mixed >> line_shift_)];
  }
  /// Writes the ids of `pretoken` and gives their number; up to kMaxIds are written in any case.
  std::size_t encode(std::string_view pretoken, const Key& key, Line& line,
                     std::uint16_t* ids) const {
    const Entry& entry = line.newer.key == key ? line.newer : line.older;
    if (entry.key == key) {
      std::memcpy(ids, entry.ids.data(), sizeof entry.ids);  // all: cheaper than those that count
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

 private:
  static constexpr auto kMasks = [] {  // of the first bytes of a key
    std::array<std::array<std::uint64_t, kWords>, kMaxBytes + 1> masks{};
    for (std::size_t bytes = 1; bytes <= kMaxBytes; ++bytes) {
      masks[bytes] = masks[bytes - 1];
      masks[bytes][(bytes - 1) / 8] |= UINT64_C(0xFF) << 8 * ((bytes - 1) % 8);
    }
    return masks;
  }();
  const MergeTable& table_;
  int line_shift_;
  HugePageVector<Line> lines_;
};

}  // namespace gpt2::text
