// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/text/ascii_scan.h"

#include <algorithm>
#include <bit>
#include <cstdint>

#include "libcore/text/contraction.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libcore/text/ascii_scan.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, which includes this file once more for each instruction set.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace gpt2::text::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Which bytes of a block are what; bit i stands for byte i.
struct BlockClasses {
  std::uint64_t letters = 0, numbers = 0, white_space = 0, blanks = 0, apostrophes = 0;
  std::uint64_t beyond_ascii = 0;
};

HWY_INLINE BlockClasses classify_block(const std::uint8_t* bytes) {
  const hn::CappedTag<std::uint8_t, kAsciiBlockBytes> d;
  const auto is_among = [&](auto values, char first, unsigned count) HWY_ATTR {
    const auto distance = hn::Sub(values, hn::Set(d, static_cast<std::uint8_t>(first)));
    const auto most = hn::Set(d, static_cast<std::uint8_t>(count - 1));
    return hn::Eq(hn::Min(distance, most), distance);
  };
  BlockClasses block;
  for (std::size_t i = 0; i < kAsciiBlockBytes; i += hn::Lanes(d)) {
    const auto add = [&](std::uint64_t& bits, auto mask) HWY_ATTR {
      std::uint64_t part = 0;
      hn::StoreMaskBits(d, mask, reinterpret_cast<std::uint8_t*>(&part));
      bits |= part << i;
    };
    const auto values = hn::LoadU(d, bytes + i);
    const auto lower_case = hn::Or(values, hn::Set(d, std::uint8_t{0x20}));
    const auto blanks = hn::Eq(values, hn::Set(d, static_cast<std::uint8_t>(' ')));
    add(block.letters, is_among(lower_case, 'a', 26));
    add(block.numbers, is_among(values, '0', 10));
    add(block.white_space, hn::Or(blanks, is_among(values, '\t', 5)));
    add(block.blanks, blanks);
    add(block.apostrophes, hn::Eq(values, hn::Set(d, static_cast<std::uint8_t>('\''))));
    add(block.beyond_ascii, is_among(values, '\x80', 128));
  }
  return block;
}

/// Where pre-tokens begin in a block whose first byte begins one; that byte is not among them.
HWY_INLINE std::uint64_t find_starts(std::string_view block_text) {
  const auto [letters, numbers, white_space, blanks, apostrophes, beyond_ascii] =
      classify_block(reinterpret_cast<const std::uint8_t*>(block_text.data()));
  const std::uint64_t others = ~(letters | numbers | white_space);
  const std::uint64_t goes_on = (letters & letters << 1) | (numbers & numbers << 1) |
                                (white_space & white_space << 1) | (others & others << 1);
  // What follows a blank belongs to it. A run of white space begins a pre-token, and so does its
  // last character when something follows: a blank joins that, another one stands alone.
  std::uint64_t starts =
      (~goes_on & ~(blanks << 1)) | (~goes_on & white_space) | (white_space & ~(white_space >> 1));
  starts |= 1;
  // Whether a byte begins one is known once the next byte is.
  int last_known = std::countr_zero(beyond_ascii) - 2;
  for (std::uint64_t rest = apostrophes & starts; rest != 0; rest &= rest - 1) {
    const int place = std::countr_zero(rest);
    if (place >= last_known) {  // the two bytes behind it are not both known
      last_known = std::min(last_known, place);
      break;
    }
    const std::size_t bytes = count_contraction_bytes(block_text, static_cast<std::size_t>(place));
    if (bytes == 0) continue;
    starts &= ~(std::uint64_t{2} << place);
    starts |= std::uint64_t{1} << place << bytes;  // beyond the block: no start of this one
  }
  if (last_known < 1) return 0;
  const std::uint64_t known = (std::uint64_t{2} << last_known) - 2;
  return starts & known;
}

std::size_t find_ascii_ends(std::string_view text, std::size_t begin, std::span<std::size_t> ends) {
  std::size_t count = 0;
  while (begin + kAsciiBlockBytes <= text.size() && count + kAsciiBlockBytes <= ends.size()) {
    std::uint64_t starts = find_starts(text.substr(begin, kAsciiBlockBytes));
    if (starts == 0) break;
    for (; starts != 0; starts &= starts - 1) {
      ends[count++] = begin + static_cast<std::size_t>(std::countr_zero(starts));
    }
    begin = ends[count - 1];
  }
  return count;
}

}  // namespace gpt2::text::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gpt2::text {

HWY_EXPORT(find_ascii_ends);

std::size_t find_ascii_ends(std::string_view text, std::size_t begin, std::span<std::size_t> ends) {
  return HWY_DYNAMIC_DISPATCH(find_ascii_ends)(text, begin, ends);
}

}  // namespace gpt2::text
#endif  // HWY_ONCE
