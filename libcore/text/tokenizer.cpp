// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/text/tokenizer.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "formats/errors.h"
#include "formats/token_shard.h"
#include "libcore/text/merge_table.h"
#include "libcore/text/pretoken_cache.h"
#include "libcore/text/pretokenizer.h"

namespace gpt2::text {

using formats::InputError;

struct Encoder::Caches {
  explicit Caches(const MergeTable& merges)
      : table(merges), words(merges, std::size_t{1} << 15), longer(merges, std::size_t{1} << 11) {}
  std::size_t encode_longer(std::string_view pretoken, std::uint16_t* ids) {
    if (pretoken.size() > longer.kMaxBytes) return table.encode(pretoken, ids);
    const auto key = longer.make_key(pretoken, 0, pretoken.size());
    return longer.encode(pretoken, key, longer.line_of(key), ids);
  }

  using Words = PretokenCache<2>;
  using Longer = PretokenCache<4>;  // white space of source text, mostly
  const MergeTable& table;
  Words words;
  Longer longer;
};

Encoder::Encoder(const Tokenizer& tokenizer)
    : caches_(std::make_unique<Caches>(*tokenizer.table_)) {}
Encoder::Encoder(Encoder&&) noexcept = default;
Encoder::~Encoder() = default;

void Encoder::encode(std::string_view text, std::vector<std::uint16_t>& ids) {
  using Words = Caches::Words;
  // A stretch of pre-tokens at a time: found first, so that their cache lines come while others are
  // looked up.
  struct Place {
    Words::Key key;
    Words::Line* line;  // nullptr: a longer one
  };
  std::array<std::size_t, 2 * kPretokenStretch> ends;
  std::array<Place, ends.size()> places;
  Words& words = caches_->words;
  std::size_t id_count = ids.size();
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t found_count = find_pretoken_ends(text, begin, ends);
    std::size_t place_begin = begin;
    for (std::size_t index = 0; index < found_count; ++index) {
      Place& place = places[index];
      const std::size_t bytes = ends[index] - place_begin;
      place.line = nullptr;
      if (bytes <= Words::kMaxBytes) {
        place.key = Words::make_key(text, place_begin, bytes);
        place.line = &words.line_of(place.key);
        __builtin_prefetch(place.line);
      }
      place_begin = ends[index];
    }
    // At most one id a byte; a copy of a cache entry may write kMaxIds where fewer count.
    ids.resize(id_count + (place_begin - begin) + Caches::Longer::kMaxIds);
    for (std::size_t index = 0; index < found_count; ++index) {
      const auto pretoken = text.substr(begin, ends[index] - begin);
      const Place& place = places[index];
      std::uint16_t* const out = ids.data() + id_count;
      id_count += place.line == nullptr ? caches_->encode_longer(pretoken, out)
                                        : words.encode(pretoken, place.key, *place.line, out);
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
