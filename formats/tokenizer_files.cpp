// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/tokenizer_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <tuple>
#include <unordered_set>

#include "formats/byte_codec.h"
#include "formats/digest.h"
#include "formats/durable_file.h"
#include "formats/errors.h"
#include "formats/input_file.h"
#include "formats/json_reading.h"
#include "formats/json_text.h"
#include "formats/text_index.h"
#include "formats/utf8.h"

namespace gpt2::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEndOfText = "<|endoftext|>";
constexpr std::string_view kMergesVersion = "#version: 0.2";
constexpr std::uint64_t kMaxFileBytes = std::uint64_t{32} << 20;  // parsing takes 14 times as much

// Bytes that are printable stand for themselves; the others take the code points from 256 on.
constexpr bool is_printable(unsigned byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}
constexpr unsigned kCodePointCount = 256 + 68;

struct ByteMap {
  std::array<std::uint16_t, 256> code_point{};
  std::array<std::int16_t, kCodePointCount> byte{};  // by code point; -1: none
};

constexpr ByteMap make_byte_map() {
  ByteMap map;
  map.byte.fill(-1);
  unsigned next = 256;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const unsigned code_point = is_printable(byte) ? byte : next++;
    map.code_point[byte] = static_cast<std::uint16_t>(code_point);
    map.byte[code_point] = static_cast<std::int16_t>(byte);
  }
  return map;
}
constexpr ByteMap kByteMap = make_byte_map();

// The code point of the well-formed UTF-8 sequence `text`.
std::uint32_t code_point_of(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  if (text.size() == 1) return byte(0);
  std::uint32_t code_point = byte(0) & (0x7FU >> text.size());
  for (std::size_t i = 1; i < text.size(); ++i) code_point = code_point << 6 | (byte(i) & 0x3F);
  return code_point;
}

// The byte that the character stands for, -1 for a character outside the map.
int byte_of(std::string_view character) {
  const std::uint32_t code_point = code_point_of(character);
  return code_point < kCodePointCount ? kByteMap.byte[code_point] : -1;
}

// Makes a vocabulary of what its files spell: ordinary entries in printable characters, special
// tokens as they are. Both file forms go through here before anything is concluded from them: first
// all entries, then added tokens, then merges. The texts stay in the files' own memory: a
// vocabulary is read at every start of a tool, and copies of 50,000 texts would take most of that
// time.
class Builder {
 public:
  Builder(std::string path, std::size_t entry_count)
      : path_(std::move(path)), index_(entry_count) {}

  void add_entry(std::string_view text, std::uint64_t id) {
    add_token(text, id);
    ++entry_count_;
  }

  // A special token, which may be among the entries, too.
  void add_special(std::string_view text, std::uint64_t id) {
    added_.push_back(text);
    const auto place = index_.find(text);
    if (!place || *place >= entry_count_) {
      add_token(text, id);
    } else if (ids_[*place] != id) {
      refuse(fmt::format("added token {} has id {}, in the vocabulary it has {}", json_quote(text),
                         id, ids_[*place]));
    }
  }

  // The next merge in the order of ranks.
  void add_merge(std::string_view left, std::string_view right) {
    if (keys_.empty()) number_entries();
    const std::size_t rank = files_.merges.size();
    const std::pair pair(find(left), find(right));
    last_joined_ = find_joined(left, right);
    is_ordinary_[last_joined_] = true;
    const std::uint32_t first = first_merge_[last_joined_];
    if (first == kNone) {
      first_merge_[last_joined_] = static_cast<std::uint32_t>(rank);
    } else if (files_.merges[first] == pair ||
               !later_pairs_.insert(std::uint64_t{pair.first} << 32 | pair.second).second) {
      refuse(fmt::format("merge {}, {} and {}, is there twice", rank, json_quote(left),
                         json_quote(right)));
    }
    files_.merges.push_back(pair);
  }

  TokenizerFiles build() {
    if (keys_.empty()) number_entries();
    check_merges();
    name_tokens();
    return std::move(files_);
  }

 private:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  [[noreturn]] void refuse(const std::string& problem) const {
    throw FormatError(fmt::format("{}: {}", path_, problem));
  }

  void add_token(std::string_view text, std::uint64_t id) {
    if (text.empty()) refuse(fmt::format("token {} is empty", id));
    if (!index_.add(text)) refuse(fmt::format("token {} is there twice", json_quote(text)));
    ids_.push_back(id);
  }

  // Ids must be 0, 1, 2 ... without a gap, so no file can ask for more memory than it has entries.
  void number_entries() {
    if (ids_.empty()) refuse("the vocabulary is empty");
    keys_.resize(ids_.size());
    is_ordinary_.resize(ids_.size());
    first_merge_.resize(ids_.size(), kNone);
    for (std::size_t place = 0; place < ids_.size(); ++place) {
      const std::uint64_t id = ids_[place];
      const std::string_view text = index_.texts()[place];
      if (id >= keys_.size()) {
        refuse(fmt::format("token {} has id {}, but {} tokens have ids 0 to {}", json_quote(text),
                           id, keys_.size(), keys_.size() - 1));
      }
      if (!keys_[id].empty()) refuse(fmt::format("id {} belongs to two tokens", id));
      keys_[id] = text;
      is_ordinary_[id] = utf8_sequence_length(text) == text.size() && byte_of(text) >= 0;
    }
  }

  std::uint32_t find(std::string_view text) const {
    const auto place = index_.find(text);
    if (!place) {
      refuse(fmt::format("merge {} needs {}, which is not in the vocabulary", files_.merges.size(),
                         json_quote(text)));
    }
    return static_cast<std::uint32_t>(ids_[*place]);
  }

  // The token that a merge makes: as a rule the one after that of the merge before.
  std::uint32_t find_joined(std::string_view left, std::string_view right) const {
    const std::uint32_t likely = last_joined_ + 1;
    if (likely < keys_.size()) {
      const std::string_view key = keys_[likely];
      if (key.size() == left.size() + right.size() && key.starts_with(left) &&
          key.ends_with(right)) {
        return likely;
      }
    }
    return find(std::string(left) + std::string(right));
  }

  // An ordinary token is one byte or what a merge of ordinary tokens makes; all others are special.
  void check_merges() const {
    for (std::size_t rank = 0; rank < files_.merges.size(); ++rank) {
      const auto [left, right] = files_.merges[rank];
      for (const auto part : {left, right}) {
        if (!is_ordinary_[part]) {
          refuse(fmt::format("merge {} joins {}, which is no byte and no merge makes", rank,
                             json_quote(keys_[part])));
        }
      }
    }
    for (const std::string_view text : added_) {
      if (is_ordinary_[ids_[*index_.find(text)]]) {
        refuse(
            fmt::format("added token {} is an ordinary token of the vocabulary", json_quote(text)));
      }
    }
  }

  void name_tokens() {
    files_.token_bytes.reserve(keys_.size());
    for (std::size_t id = 0; id < keys_.size(); ++id) {
      if (is_ordinary_[id]) {
        files_.token_bytes.push_back(from_printable(keys_[id], path_));
      } else {
        files_.token_bytes.emplace_back(keys_[id]);
        files_.special_tokens.push_back(
            {files_.token_bytes.back(), static_cast<std::uint32_t>(id)});
      }
    }
  }

  const std::string path_;
  TextIndex index_;                 // of all entries and added tokens
  std::vector<std::uint64_t> ids_;  // by place in index_
  std::size_t entry_count_ = 0;     // their places come before those of added tokens
  std::vector<std::string_view> added_;
  // By id, once all entries are there.
  std::vector<std::string_view> keys_;
  std::vector<bool> is_ordinary_;
  std::vector<std::uint32_t> first_merge_;         // that makes the token
  std::unordered_set<std::uint64_t> later_pairs_;  // that make a token once more
  std::uint32_t last_joined_ = kNone;
  TokenizerFiles files_;
};

// Gives every key and id of a vocabulary to `add`, which looks for keys that are there twice.
template <typename Add>
void read_entries(simdjson::dom::object vocabulary, const fs::path& path, const Add& add) {
  for (const auto field : vocabulary) {
    std::uint64_t id = 0;
    if (field.value.get(id) != simdjson::SUCCESS) {
      throw FormatError(fmt::format("{}: {}: is not a whole number from 0 on", path.string(),
                                    json_quote(field.key)));
    }
    add(field.key, id);
  }
}

// "left right"; printable characters hold no space, so there is exactly one. `where` gives the
// place for an error.
template <typename Where>
std::pair<std::string_view, std::string_view> split_merge(std::string_view text,
                                                          const Where& where) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos || space == 0 || space + 1 == text.size() ||
      text.find(' ', space + 1) != std::string_view::npos) {
    throw FormatError(fmt::format("{}: {} is not two tokens with a space between them", where(),
                                  json_quote(text)));
  }
  return {text.substr(0, space), text.substr(space + 1)};
}

void read_merges(std::string_view text, const fs::path& path, Builder& builder) {
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view content = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line == 1 && content.starts_with("#version:")) continue;
    const auto [left, right] =
        split_merge(content, [&] { return fmt::format("{}: line {}", path.string(), line); });
    builder.add_merge(left, right);
  }
}

JsonDocument load_json(const fs::path& path) {
  return JsonDocument(load_file(path, kMaxFileBytes), path.string());
}

TokenizerFiles load_vocabulary_and_merges(const fs::path& vocabulary_path,
                                          const fs::path& merges_path) {
  const JsonDocument vocabulary = load_json(vocabulary_path);
  const std::string merges = load_file(merges_path, kMaxFileBytes);
  const auto entries = vocabulary.fields();
  Builder builder(vocabulary_path.string(), entries.size());
  read_entries(entries, vocabulary_path, [&](auto text, auto id) { builder.add_entry(text, id); });
  const fs::path added_path = vocabulary_path.parent_path() / "added_tokens.json";
  std::optional<JsonDocument> added;
  if (fs::exists(added_path)) {
    added.emplace(load_file(added_path, kMaxFileBytes), added_path.string());
    read_entries(added->fields(), added_path,
                 [&](auto text, auto id) { builder.add_special(text, id); });
  }
  read_merges(merges, merges_path, builder);
  return builder.build();
}

// A part of tokenizer.json; nothing if it is absent. Throws: InputError if it is of another type.
std::optional<JsonObject> typed_part(const JsonObject& root, std::string_view part,
                                     std::string_view type) {
  if (!root.find(part)) return {};
  const JsonObject object = root.object(part);
  if (object.find("type") && object.text("type") != type) {
    root.refuse(part, fmt::format("is {}, GPT-2's tokenizer has {}",
                                  json_quote(object.text("type")), type));
  }
  return object;
}

void check_absent(const JsonObject& object, std::string_view key) {
  if (!object.find(key)) return;
  const bool is_object = object.at(key).is_object();
  object.refuse(key, fmt::format("is {}, GPT-2's tokenizer has none",
                                 is_object && object.object(key).find("type")
                                     ? json_quote(object.object(key).text("type"))
                                     : "set"));
}

void check_empty(const JsonObject& object, std::string_view key) {
  if (object.find(key) && !object.text(key).empty()) {
    object.refuse(key,
                  fmt::format("is {}, GPT-2's tokenizer has none", json_quote(object.text(key))));
  }
}

void check_truth(const JsonObject& object, std::string_view key, bool expected) {
  if (object.find(key) && object.truth(key) != expected) {
    object.refuse(key, fmt::format("is {}, GPT-2's tokenizer has it {}", !expected, expected));
  }
}

void check_pre_tokenizer(const JsonObject& root) {
  const auto part = typed_part(root, "pre_tokenizer", "ByteLevel");
  if (!part) root.refuse("pre_tokenizer", "is missing, GPT-2's tokenizer has ByteLevel");
  part->at("add_prefix_space");  // true where it is missing
  check_truth(*part, "add_prefix_space", false);
  check_truth(*part, "use_regex", true);
}

void read_added_tokens(const JsonObject& root, Builder& builder) {
  if (!root.find("added_tokens")) return;
  for (const JsonObject& token : root.objects("added_tokens")) {
    if (!token.truth("special")) {
      token.refuse("special",
                   fmt::format("is false for {}; ordinary text is not split at added words",
                               json_quote(token.text("content"))));
    }
    builder.add_special(token.text("content"), token.whole_number("id"));
  }
}

// Merges are texts "left right" or, from newer writers, pairs.
void read_merges(const JsonObject& model, const fs::path& path, Builder& builder) {
  std::size_t rank = 0;
  for (const auto element : model.elements("merges")) {
    std::string_view left, right;
    simdjson::dom::array pair;
    if (element.get(left) == simdjson::SUCCESS) {
      std::tie(left, right) = split_merge(
          left, [&] { return fmt::format("{}: model.merges[{}]", path.string(), rank); });
    } else if (element.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
               pair.at(0).get(left) != simdjson::SUCCESS ||
               pair.at(1).get(right) != simdjson::SUCCESS) {
      model.refuse(fmt::format("merges[{}]", rank), "is neither a text nor a pair of texts");
    }
    builder.add_merge(left, right);
    ++rank;
  }
}

TokenizerFiles load_tokenizer_json(const fs::path& path) {
  const JsonDocument document = load_json(path);
  const JsonObject root = document.root();
  const auto model = typed_part(root, "model", "BPE");
  if (!model) root.refuse("model", "is missing");
  for (const auto* key : {"continuing_subword_prefix", "end_of_word_suffix"})
    check_empty(*model, key);
  for (const auto* key : {"byte_fallback", "ignore_merges"}) check_truth(*model, key, false);
  if (model->find("dropout") && model->number("dropout") != 0) check_absent(*model, "dropout");
  check_absent(root, "normalizer");
  check_pre_tokenizer(root);
  typed_part(root, "decoder", "ByteLevel");
  const auto entries = model->fields_of("vocab");
  Builder builder(path.string(), entries.size());
  read_entries(entries, path, [&](auto text, auto id) { builder.add_entry(text, id); });
  read_added_tokens(root, builder);
  read_merges(*model, path, builder);
  return builder.build();
}

// A tokenizer_config.json can switch add_prefix_space on for every form beside it.
void check_tokenizer_config(const fs::path& path) {
  if (!fs::exists(path)) return;
  const JsonDocument document = load_json(path);
  check_truth(document.root(), "add_prefix_space", false);
}

struct Form {
  const char* vocabulary;
  const char* merges;  // null: in the same file
};
constexpr std::array<Form, 3> kForms = {
    {{"encoder.json", "vocab.bpe"}, {"vocab.json", "merges.txt"}, {"tokenizer.json", nullptr}}};

bool has_form(const fs::path& directory, const Form& form) {
  return fs::exists(directory / form.vocabulary) ||
         (form.merges != nullptr && fs::exists(directory / form.merges));
}

TokenizerFiles load_form(const fs::path& directory, const Form& form) {
  if (form.merges == nullptr) return load_tokenizer_json(directory / form.vocabulary);
  return load_vocabulary_and_merges(directory / form.vocabulary, directory / form.merges);
}

// Like Python's json.dumps, so that GPT-2's own vocabulary file comes out byte for byte.
std::string ascii_quote(std::string_view text) {
  std::string quoted;
  const std::string utf8 = json_quote(text);
  for (std::string_view rest = utf8; !rest.empty();) {
    const std::string_view character = rest.substr(0, utf8_sequence_length(rest));
    rest.remove_prefix(character.size());
    const std::uint32_t code_point = code_point_of(character);
    if (code_point < 0x80) {
      quoted += character;
    } else if (code_point < 0x10000) {
      quoted += fmt::format("\\u{:04x}", code_point);
    } else {
      quoted += fmt::format("\\u{:04x}\\u{:04x}", 0xD7C0 + (code_point >> 10),
                            0xDC00 + (code_point & 0x3FF));
    }
  }
  return quoted;
}

// What files call each token: see Spelling. Throws: UsageError for a special token that is not
// UTF-8.
std::vector<std::string> spell_tokens(const TokenizerFiles& files) {
  std::vector<std::string> keys;
  for (const auto& bytes : files.token_bytes) keys.push_back(to_printable(bytes));
  for (const auto& special : files.special_tokens) {
    if (special.id >= keys.size() || !simdjson::validate_utf8(special.text)) {
      throw UsageError(fmt::format("special token {}, id {}: is no UTF-8 text or no token",
                                   json_quote(special.text), special.id));
    }
    keys[special.id] = special.text;
  }
  return keys;
}

void save_text(const fs::path& path, std::string_view text) {
  DurableFile file(path);
  file.write(text);
  file.commit();
}

std::string encode_vocabulary(const std::vector<std::string>& keys) {
  std::string text = "{";
  for (std::size_t id = 0; id < keys.size(); ++id) {
    text += fmt::format("{}{}: {}", id == 0 ? "" : ", ", ascii_quote(keys[id]), id);
  }
  return text + "}";
}

std::string encode_merges(const TokenizerFiles& files, const std::vector<std::string>& keys) {
  std::string text = fmt::format("{}\n", kMergesVersion);
  for (const auto& [left, right] : files.merges) {
    text += fmt::format("{} {}\n", keys.at(left), keys.at(right));
  }
  return text;
}

void write_byte_level(JsonWriter& json, std::string_view part, bool add_prefix_space,
                      bool trim_offsets) {
  json.key(part).begin_object();
  json.key("type").value("ByteLevel");
  json.key("add_prefix_space").value(add_prefix_space);
  json.key("trim_offsets").value(trim_offsets);
  json.key("use_regex").value(true);
  json.end_object();
}

std::string encode_tokenizer_json(const TokenizerFiles& files,
                                  const std::vector<std::string>& keys) {
  JsonWriter json(2);
  json.begin_object();
  json.key("version").value("1.0");
  json.key("truncation").null();
  json.key("padding").null();
  json.key("added_tokens").begin_array();
  for (const auto& special : files.special_tokens) {
    json.begin_object();
    json.key("id").value(special.id);
    json.key("content").value(special.text);
    for (const auto* flag : {"single_word", "lstrip", "rstrip", "normalized"}) {
      json.key(flag).value(false);
    }
    json.key("special").value(true);
    json.end_object();
  }
  json.end_array();
  json.key("normalizer").null();
  write_byte_level(json, "pre_tokenizer", false, true);
  write_byte_level(json, "post_processor", true, false);
  write_byte_level(json, "decoder", true, true);
  json.key("model").begin_object();
  json.key("type").value("BPE");
  json.key("dropout").null();
  json.key("unk_token").null();
  json.key("continuing_subword_prefix").value("");
  json.key("end_of_word_suffix").value("");
  for (const auto* flag : {"fuse_unk", "byte_fallback", "ignore_merges"}) {
    json.key(flag).value(false);
  }
  json.key("vocab").begin_object();
  for (std::size_t id = 0; id < keys.size(); ++id) json.key(keys[id]).value(std::uint64_t{id});
  json.end_object();
  json.key("merges").begin_array();
  for (const auto& [left, right] : files.merges) json.value(keys[left] + " " + keys[right]);
  json.end_array();
  json.end_object();
  json.end_object();
  return json.text() + "\n";
}

std::string encode_tokenizer_config(const TokenizerFiles& files, std::uint64_t context) {
  JsonWriter json(2);
  json.begin_object();
  json.key("tokenizer_class").value("GPT2Tokenizer");
  json.key("add_prefix_space").value(false);
  if (files.end_of_text()) {
    for (const auto* role : {"bos_token", "eos_token", "unk_token"}) {
      json.key(role).value(kEndOfText);
    }
  }
  json.key("errors").value("replace");
  json.key("model_max_length").value(context);
  json.key("clean_up_tokenization_spaces").value(false);
  json.end_object();
  return json.text() + "\n";
}

}  // namespace

std::optional<std::uint32_t> TokenizerFiles::end_of_text() const {
  const auto found = std::ranges::find(special_tokens, kEndOfText, &SpecialToken::text);
  if (found == special_tokens.end()) return {};
  return found->id;
}

std::string to_printable(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    const unsigned code_point = kByteMap.code_point[static_cast<std::uint8_t>(byte)];
    if (code_point < 0x80) {
      text += static_cast<char>(code_point);
    } else {
      text += static_cast<char>(0xC0 | code_point >> 6);
      text += static_cast<char>(0x80 | (code_point & 0x3F));
    }
  }
  return text;
}

std::string from_printable(std::string_view text, std::string_view where) {
  std::string bytes;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t length = utf8_sequence_length(rest);
    const int byte = length == 0 ? -1 : byte_of(rest.substr(0, length));
    if (byte < 0) {
      throw InputError(fmt::format("{}: {}: character {} stands for no byte", where,
                                   json_quote(text),
                                   json_quote(rest.substr(0, std::max(length, std::size_t{1})))));
    }
    bytes += static_cast<char>(byte);
    rest.remove_prefix(length);
  }
  return bytes;
}

bool has_tokenizer_files(const fs::path& directory) {
  return std::ranges::any_of(kForms, [&](const Form& form) { return has_form(directory, form); });
}

TokenizerFiles load_tokenizer_files(const fs::path& directory) {
  if (fs::is_regular_file(directory)) return load_tokenizer_json(directory);
  std::optional<TokenizerFiles> files;
  const char* name = nullptr;
  for (const Form& form : kForms) {
    if (!has_form(directory, form)) continue;
    auto other = load_form(directory, form);
    if (!files) {
      files = std::move(other);
      name = form.vocabulary;
    } else if (tokenizer_fingerprint(*files) != tokenizer_fingerprint(other)) {
      throw InputError(fmt::format(
          "{}: {} and {} are of different tokenizers ({} and {} tokens, {} and {} merges, {} and "
          "{} special); remove the one that is wrong",
          directory.string(), name, form.vocabulary, files->vocab_size(), other.vocab_size(),
          files->merges.size(), other.merges.size(), files->special_tokens.size(),
          other.special_tokens.size()));
    }
  }
  if (!files) {
    throw InputError(fmt::format(
        "{}: holds no tokenizer: no tokenizer.json, vocab.json and merges.txt, or encoder.json "
        "and vocab.bpe",
        directory.string()));
  }
  check_tokenizer_config(directory / "tokenizer_config.json");
  return std::move(*files);
}

void save_tokenizer_files(const fs::path& directory, const TokenizerFiles& files,
                          std::uint64_t context) {
  const auto keys = spell_tokens(files);
  save_text(directory / "vocab.json", encode_vocabulary(keys));
  save_text(directory / "merges.txt", encode_merges(files, keys));
  save_text(directory / "tokenizer.json", encode_tokenizer_json(files, keys));
  save_text(directory / "tokenizer_config.json", encode_tokenizer_config(files, context));
}

Fingerprint tokenizer_fingerprint(const TokenizerFiles& files) {
  constexpr std::size_t kPieceBytes = 16384;
  Digest digest;
  std::string bytes;
  const auto append = [&](std::string_view text) {
    bytes += text;
    if (bytes.size() < kPieceBytes) return;
    digest.update(bytes);
    bytes.clear();
  };
  const auto append_u32 = [&](std::size_t value) {
    std::array<std::uint8_t, 4> encoded{};
    store_u32(encoded.data(), static_cast<std::uint32_t>(value));
    append({reinterpret_cast<const char*>(encoded.data()), encoded.size()});
  };
  append_u32(files.token_bytes.size());
  for (const auto& token : files.token_bytes) {
    append_u32(token.size());
    append(token);
  }
  append_u32(files.merges.size());
  for (const auto& [left, right] : files.merges) {
    append_u32(left);
    append_u32(right);
  }
  append_u32(files.special_tokens.size());
  for (const auto& special : files.special_tokens) {
    append_u32(special.id);
    append_u32(special.text.size());
    append(special.text);
  }
  const auto hash = digest.update(bytes).bytes();
  Fingerprint fingerprint{};
  std::copy_n(hash.begin(), fingerprint.size(), fingerprint.begin());
  return fingerprint;
}

}  // namespace gpt2::formats
