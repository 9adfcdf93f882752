// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Byte-pair encoding of words of any length, such as a megabyte of dashes: in O(n log n) steps,
// with some 8 bytes of memory for each of the word.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <queue>
#include <span>
#include <vector>

namespace gpt2::text {

inline constexpr std::size_t kMaxLongWordBytes = 0xFFFFFFFE;  // places are 32-bit numbers

/// Places of a word that wait for the same merge, taken from the left. As a rule they come in that
/// order, too.
class WaitingPlaces {
 public:
  void push(std::uint32_t place) {
    if (in_order_.empty() || place > in_order_.back()) {
      in_order_.push_back(place);
    } else {
      late_.push(place);
    }
  }
  std::uint32_t pop() {
    std::uint32_t place = 0;
    if (late_.empty() || (!in_order_.empty() && in_order_.front() < late_.top())) {
      place = in_order_.front();
      in_order_.pop_front();
    } else {
      place = late_.top();
      late_.pop();
    }
    return place;
  }
  bool empty() const { return in_order_.empty() && late_.empty(); }

 private:
  std::deque<std::uint32_t> in_order_;  // gives memory back while it is emptied
  std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, std::greater<>> late_;
};

/// Merges the tokens of a word by rank and from the left until no two neighbours have a merge.
/// `ids` holds the token of each byte, and afterwards the result at its front; gives the number.
/// Merges is MergeTable, or what has its find_rank, merged_id, token_length and kNoRank.
template <typename Merges>
std::size_t merge_long_word(const Merges& merges, std::span<std::uint16_t> ids) {
  // A token that begins at `place` has its id there and at its last byte, so both neighbours of a
  // token are found from its length and theirs. Where a token once began that was merged into a
  // longer one, there is the id of that or of another that is longer: what waits for the shorter
  // one finds that it is gone.
  std::map<std::uint32_t, WaitingPlaces> waiting;  // by rank
  const auto wait = [&](std::uint32_t place, std::uint16_t left, std::uint16_t right) {
    const std::uint32_t rank = merges.find_rank(left, right);
    if (rank != Merges::kNoRank) waiting[rank].push(place);
  };
  for (std::uint32_t place = 0; place + 1 < ids.size(); ++place) {
    wait(place, ids[place], ids[place + 1]);
  }
  while (!waiting.empty()) {
    const auto lowest = waiting.begin();
    const std::uint32_t rank = lowest->first, begin = lowest->second.pop();
    if (lowest->second.empty()) waiting.erase(lowest);
    const std::uint16_t left = ids[begin];
    const std::size_t middle = begin + merges.token_length(left);
    if (middle >= ids.size()) continue;
    const std::uint16_t right = ids[middle];
    if (merges.find_rank(left, right) != rank) continue;
    const std::size_t end = middle + merges.token_length(right);
    const std::uint16_t joined = merges.merged_id(rank);
    ids[begin] = ids[middle] = ids[end - 1] = joined;
    if (begin > 0) {
      const std::uint16_t previous = ids[begin - 1];
      wait(begin - merges.token_length(previous), previous, joined);
    }
    if (end < ids.size()) wait(begin, joined, ids[end]);
  }
  std::size_t count = 0;
  for (std::size_t place = 0; place < ids.size();) {
    const std::uint16_t id = ids[place];
    ids[count++] = id;
    place += merges.token_length(id);
  }
  return count;
}

}  // namespace gpt2::text
