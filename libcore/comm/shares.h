// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// How a buffer laid out as the parameters is shared out to ranks.
#pragma once

#include <algorithm>
#include <cstdint>

namespace gpt2::comm {

/// Elements [first, first + count) of a buffer.
struct ElementRange {
  std::int64_t first = 0, count = 0;
  std::int64_t end() const { return first + count; }
  /// What both have.
  ElementRange intersect(ElementRange other) const {
    const auto begin = std::max(first, other.first);
    return {begin, std::max<std::int64_t>(0, std::min(end(), other.end()) - begin)};
  }
};

/// The buffer is cut into kUnits units by its size alone; each rank has neighbouring ones. A sum
/// that is taken unit by unit is therefore the same for any number of ranks.
class Shares {
 public:
  static constexpr int kUnits = 64;
  /// Elements of a cache line. A unit has whole ones.
  static constexpr std::int64_t kLine = 16;
  /// Shares of `elements` for `ranks`. With more ranks than units some have no share.
  Shares(std::int64_t elements, int ranks)
      : elements_(elements),
        unit_((elements + kUnits * kLine - 1) / (kUnits * kLine) * kLine),
        ranks_(ranks) {}
  std::int64_t elements() const { return elements_; }
  int ranks() const { return ranks_; }
  ElementRange unit(int number) const { return cut(number, number + 1); }
  /// The units of a rank: [first_unit(rank), first_unit(rank + 1)).
  int first_unit(int rank) const { return static_cast<int>(std::int64_t{kUnits} * rank / ranks_); }
  ElementRange of_rank(int rank) const { return cut(first_unit(rank), first_unit(rank + 1)); }

 private:
  ElementRange cut(int from, int to) const {
    const auto first = std::min(elements_, from * unit_);
    return {first, std::min(elements_, to * unit_) - first};
  }
  std::int64_t elements_, unit_;
  int ranks_;
};

}  // namespace gpt2::comm
