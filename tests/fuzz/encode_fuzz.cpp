// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A vocabulary and a text out of the same bytes: the text is cut as the plain pattern cuts it and
// encoded as plain BPE encodes it, and its ids decode to it.
#include <simdjson.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "libcore/text/pretokenizer.h"
#include "libcore/text/tokenizer.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/libcore/text/plain_pretokenizer.h"

namespace gpt2::fuzz {
namespace {

using Ids = std::vector<std::uint16_t>;
using Merge = std::pair<std::string, std::string>;

/// The 256 bytes and what merges make of them, as files hold them and as plain BPE needs them.
struct Vocabulary {
  formats::TokenizerFiles files;
  std::map<std::string, std::uint16_t> id_of;
  std::map<Merge, std::size_t> rank_of;

  Vocabulary() {
    for (unsigned byte = 0; byte < 256; ++byte) add_token(std::string(1, static_cast<char>(byte)));
  }
  /// Several merges may make the same token.
  void add_merge(std::size_t left, std::size_t right) {
    const Merge merge{files.token_bytes[left], files.token_bytes[right]};
    if (!rank_of.emplace(merge, files.merges.size()).second) return;
    files.merges.emplace_back(left, right);
    add_token(merge.first + merge.second);
  }

 private:
  void add_token(const std::string& bytes) {
    if (id_of.emplace(bytes, files.token_bytes.size()).second) files.token_bytes.push_back(bytes);
  }
};

/// The first byte says how many merges follow, two bytes each; the rest is left in `input`.
Vocabulary take_vocabulary(std::string_view& input) {
  Vocabulary vocabulary;
  const auto take = [&input]() -> std::size_t {
    if (input.empty()) return 0;
    const auto byte = static_cast<unsigned char>(input.front());
    input.remove_prefix(1);
    return byte;
  };
  // A byte names itself; those from 255 down, where some exist already, what merges have made.
  const auto take_token = [&] {
    const std::size_t byte = take(), made = vocabulary.files.token_bytes.size() - 256;
    return byte >= 256 - made ? 511 - byte : byte;
  };
  for (std::size_t merges = take() % 32; merges > 0; --merges) {
    const std::size_t left = take_token();
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
  std::vector<std::string> parts;
  for (const char byte : pretoken) parts.emplace_back(1, byte);
  for (;;) {
    std::size_t best_rank = vocabulary.files.merges.size(), best = 0;
    for (std::size_t place = 0; place + 1 < parts.size(); ++place) {
      const auto found = vocabulary.rank_of.find({parts[place], parts[place + 1]});
      if (found != vocabulary.rank_of.end() && found->second < best_rank) {
        best_rank = found->second;
        best = place;
      }
    }
    if (best_rank == vocabulary.files.merges.size()) break;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  for (const auto& part : parts) ids.push_back(vocabulary.id_of.at(part));
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

}  // namespace

void check(std::string_view input) {
  const auto vocabulary = take_vocabulary(input);
  const auto expected = check_pieces(vocabulary, input);
  const text::Tokenizer tokenizer(vocabulary.files);
  require(tokenizer.encode(input) == expected, "Tokenizer gives the ids of plain BPE");
  require(tokenizer.decode(expected) == input, "the ids decode to the text");

  Ids in_parts;
  text::Encoder encoder(tokenizer);
  const std::size_t cut = text::find_safe_cut(input);
  encoder.encode(input.substr(0, cut), in_parts);
  encoder.encode(input.substr(cut), in_parts);
  require(in_parts == expected, "Encoder gives the same ids, in two parts, too");
}

}  // namespace gpt2::fuzz
