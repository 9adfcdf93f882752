// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A vocabulary and a text out of the same bytes: the text is cut as the plain pattern cuts it and
// encoded as plain BPE encodes it, and its ids decode to it.
#include <simdjson.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "libcore/text/pretokenizer.h"
#include "libcore/text/tokenizer.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/libcore/text/plain_pretokenizer.h"

namespace gpt2::fuzz {
namespace {

using Ids = std::vector<std::uint16_t>;

/// The 256 bytes and what merges make of them. Several merges may make the same token.
struct Vocabulary {
  formats::TokenizerFiles files;
  Ids made_by;  // a merge, by rank

  Vocabulary() {
    for (unsigned byte = 0; byte < 256; ++byte) {
      files.token_bytes.emplace_back(1, static_cast<char>(byte));
    }
  }
  void add_merge(std::uint32_t left, std::uint32_t right) {
    auto& tokens = files.token_bytes;
    const std::pair merge(left, right);
    if (std::ranges::count(files.merges, merge) > 0) return;
    files.merges.push_back(merge);
    const auto bytes = tokens[left] + tokens[right];
    const auto place = std::ranges::find(tokens, bytes) - tokens.begin();
    made_by.push_back(static_cast<std::uint16_t>(place));
    if (place == std::ssize(tokens)) tokens.push_back(bytes);
  }
};

/// The first byte says how many merges follow, two bytes each; the rest is left in `input`.
Vocabulary take_vocabulary(std::string_view& input) {
  Vocabulary vocabulary;
  const auto take = [&input]() -> std::uint32_t {
    if (input.empty()) return 0;
    const auto byte = static_cast<unsigned char>(input.front());
    input.remove_prefix(1);
    return byte;
  };
  // A byte names itself; those from 255 down, where some exist already, what merges have made.
  const auto take_token = [&] {
    const std::uint32_t byte = take(), made = vocabulary.files.vocab_size() - 256;
    return byte >= 256 - made ? 511 - byte : byte;
  };
  for (std::uint32_t merges = take() % 32; merges > 0; --merges) {
    const std::uint32_t left = take_token();
    vocabulary.add_merge(left, take_token());
  }
  return vocabulary;
}

/// A character is the shortest beginning that is UTF-8, else one byte.
std::vector<test::PlainCharacter> split_plainly(std::string_view text) {
  std::vector<test::PlainCharacter> characters;
  while (!text.empty()) {
    std::size_t bytes = 1;
    const auto is_utf8 = [&] { return simdjson::validate_utf8(text.substr(0, bytes)); };
    while (!is_utf8() && bytes < std::min<std::size_t>(4, text.size())) ++bytes;
    auto kind = text::CharacterClass::kOther;
    if (is_utf8()) {
      auto code_point = static_cast<char32_t>(text[0] & (bytes == 1 ? 0x7F : 0x7F >> bytes));
      for (const char byte : text.substr(1, bytes - 1))
        code_point = code_point << 6 | (byte & 0x3F);
      kind = text::classify(code_point);
    } else {
      bytes = 1;
    }
    characters.push_back({text.substr(0, bytes), kind});
    text.remove_prefix(bytes);
  }
  return characters;
}

/// Joins the first pair of the lowest rank until none is left.
void encode_plainly(const Vocabulary& vocabulary, std::string_view pretoken, Ids& ids) {
  const auto& merges = vocabulary.files.merges;
  Ids parts;
  for (const char byte : pretoken) parts.push_back(static_cast<unsigned char>(byte));
  for (;;) {
    auto best = merges.end();
    std::ptrdiff_t best_place = 0;
    for (std::ptrdiff_t place = 0; place + 1 < std::ssize(parts); ++place) {
      const auto found =
          std::find(merges.begin(), best,
                    std::pair<std::uint32_t, std::uint32_t>(parts[place], parts[place + 1]));
      if (found == best) continue;
      best = found;
      best_place = place;
    }
    if (best == merges.end()) break;
    parts[best_place] = vocabulary.made_by[best - merges.begin()];
    parts.erase(parts.begin() + best_place + 1);
  }
  ids.insert(ids.end(), parts.begin(), parts.end());
}

/// The plain encoding of a text, whose pieces are compared on the way.
Ids check_pieces(const Vocabulary& vocabulary, std::string_view text) {
  Ids ids;
  std::size_t byte = 0;
  const auto characters = split_plainly(text);
  for (std::size_t begin = 0; begin < characters.size();) {
    const std::size_t end = test::match_pattern(characters, begin), first_byte = byte;
    for (; begin < end; ++begin) byte += characters[begin].bytes.size();
    require(text::find_pretoken_end(text, first_byte) == byte, "the text is cut by the pattern");
    encode_plainly(vocabulary, text.substr(first_byte, byte - first_byte), ids);
  }
  return ids;
}

/// An Encoder remembers pre-tokens: one serves all inputs, and it must not show.
void check_encoder(std::string_view text) {
  static const text::Tokenizer tokenizer = [] {
    Vocabulary vocabulary;
    for (const unsigned char byte : {'a', 'e', 't', ' '}) vocabulary.add_merge(byte, byte);
    for (std::uint32_t id = 256; id < 260; ++id) vocabulary.add_merge(id, id);
    return text::Tokenizer(vocabulary.files);
  }();
  static text::Encoder encoder(tokenizer);
  Ids ids;
  const std::size_t cut = text::find_safe_cut(text);
  encoder.encode(text.substr(0, cut), ids);
  encoder.encode(text.substr(cut), ids);
  require(ids == tokenizer.encode(text), "Encoder gives the same ids, in two parts, too");
}

}  // namespace

void check(std::string_view input) {
  const auto vocabulary = take_vocabulary(input);
  const auto expected = check_pieces(vocabulary, input);
  const text::Tokenizer tokenizer(vocabulary.files);
  require(tokenizer.encode(input) == expected, "Tokenizer gives the ids of plain BPE");
  require(tokenizer.decode(expected) == input, "the ids decode to the text");
  check_encoder(input);
}

}  // namespace gpt2::fuzz
