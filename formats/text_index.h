// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Finds texts: an open-addressing table over texts that lie elsewhere and stay there.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace gpt2::formats {

/// Distinct texts and their places 0, 1, 2 ... in the order they were added. Views are kept, no
/// copies: what they show must outlive the index.
class TextIndex {
 public:
  /// Makes room for so many texts; more may be added.
  explicit TextIndex(std::size_t capacity) : slots_(std::bit_ceil(2 * capacity + 1)) {
    texts_.reserve(capacity);
  }

  /// Adds a text; false, and nothing changes, if it is there already.
  bool add(std::string_view text) {
    if (2 * (texts_.size() + 1) > slots_.size()) grow();  // a full table is searched without end
    const std::size_t hash = std::hash<std::string_view>{}(text);
    Slot& slot = slots_[find_slot(text, hash)];
    if (slot.next_place != 0) return false;
    texts_.push_back(text);
    slot = {static_cast<std::uint32_t>(hash), static_cast<std::uint32_t>(texts_.size())};
    return true;
  }
  std::optional<std::uint32_t> find(std::string_view text) const {
    const Slot& slot = slots_[find_slot(text, std::hash<std::string_view>{}(text))];
    if (slot.next_place == 0) return {};
    return slot.next_place - 1;
  }
  /// By place.
  const std::vector<std::string_view>& texts() const { return texts_; }

 private:
  struct Slot {
    std::uint32_t low_hash = 0;    // the half of the hash that did not choose the slot
    std::uint32_t next_place = 0;  // one more than the text's place; 0: the slot is free
  };
  /// The slot that holds `text`, or the free one where it belongs.
  std::size_t find_slot(std::string_view text, std::size_t hash) const {
    std::size_t index = hash >> 32 & (slots_.size() - 1);
    while (slots_[index].next_place != 0 &&
           (slots_[index].low_hash != static_cast<std::uint32_t>(hash) ||
            texts_[slots_[index].next_place - 1] != text)) {
      index = (index + 1) & (slots_.size() - 1);
    }
    return index;
  }

  void grow() {
    TextIndex larger(slots_.size());
    for (const std::string_view text : texts_) larger.add(text);
    *this = std::move(larger);
  }

  std::vector<Slot> slots_;  // at most half full, so that there is a free one
  std::vector<std::string_view> texts_;
};

}  // namespace gpt2::formats
