// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tests/formats/sample_files.h"

#include <fmt/format.h>

#include <bit>
#include <stdexcept>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/crc32c.h"
#include "formats/token_shard.h"
#include "formats/token_stream.h"
#include "tests/formats/document_samples.h"
#include "tests/formats/little_endian.h"

namespace gpt2::formats {
namespace {

using Samples = std::map<std::string, std::string>;

std::string encode_tokens(const std::vector<std::uint16_t>& tokens) {
  std::string bytes;
  for (const auto token : tokens) bytes += u16(token);
  return bytes;
}
std::string crc_of(const std::string& bytes) { return u32(crc32c(bytes.data(), bytes.size())); }

std::string with(std::string bytes, std::size_t offset, const std::string& replacement) {
  return bytes.replace(offset, replacement.size(), replacement);
}
std::string replaced(std::string text, std::string_view part, std::string_view by) {
  const auto place = text.find(part);
  if (place == std::string::npos) throw std::logic_error(fmt::format("no {} to replace", part));
  return text.replace(place, part.size(), by);
}

Fingerprint sample_fingerprint() {
  Fingerprint fingerprint;
  for (std::size_t i = 0; i < fingerprint.size(); ++i) {
    fingerprint[i] = static_cast<std::uint8_t>(0xA0 + i);
  }
  return fingerprint;
}

// Two documents, [9 1 2] and [9 3]; 9 is end-of-text.
const std::vector<std::uint16_t> kTokens = {9, 1, 2, 9, 3};

std::string shard_of(TokenShardHeader header, const std::vector<std::uint16_t>& tokens) {
  const std::string payload = encode_tokens(tokens);
  header.token_count = tokens.size();
  header.payload_crc32c = crc32c(payload.data(), payload.size());
  const auto bytes = encode_token_shard_header(header);
  return std::string(bytes.begin(), bytes.end()) + payload;
}

void add_shards(Samples& samples) {
  const TokenShardHeader header{
      .vocab_size = 10, .end_of_text = 9, .tokenizer = sample_fingerprint(), .document_count = 2};
  const std::string good = shard_of(header, kTokens);
  samples["accepted/two_documents.shard"] = good;
  samples["accepted/no_tokens.shard"] = shard_of({.vocab_size = 10}, {});
  samples["accepted/foreign.shard"] = shard_of({.foreign = true}, kTokens);

  const auto refuse = [&](const char* name, const std::string& bytes) {
    samples[fmt::format("refused/{}.shard", name)] = bytes;
  };
  // The field at `offset` is wrong, the header's CRC is right.
  const auto refuse_field = [&](const char* name, std::size_t offset, const std::string& field) {
    const auto bytes = with(good, offset, field);
    refuse(name, with(bytes, 1020, crc_of(bytes.substr(0, 1020))));
  };
  refuse_field("magic__of_another_file", 0, "GGUF");
  refuse_field("version__2", 4, u32(2));
  refuse_field("token_count__beyond_file_size", 8, u32(6));
  refuse_field("token_count__negative", 8, u32(0x80000000));
  refuse_field("reserved__between_count_and_extension", 12, u32(1));
  refuse_field("extension_tag__of_another_project", 512, "OTHERTAG");
  refuse_field("extension_version__2", 520, u32(2));
  refuse_field("vocab_size__0", 524, u32(0));
  refuse_field("vocab_size__65537", 524, u32(65537));
  refuse_field("end_of_text__not_in_vocabulary", 528, u32(10));
  refuse_field("payload_crc32c__wrong", 532, u32(0));
  refuse_field("token_count_64__differs", 536, u64(std::uint64_t{1} << 32 | 5));
  refuse_field("document_count__more_than_tokens", 560, u64(6));
  refuse_field("document_count__not_the_end_of_texts", 560, u64(1));
  refuse_field("reserved__after_the_extension", 568, u32(1));
  refuse_field("token__not_in_vocabulary", 1026, encode_tokens({10}));
  refuse("header_crc32c__wrong", with(good, 1020, u32(0)));
  refuse("header__cut", good.substr(0, 1000));
  refuse("token_count__payload_cut", good.substr(0, good.size() - 1));
  refuse("reserved__in_a_foreign_shard", with(samples["accepted/foreign.shard"], 1000, u32(1)));
}

/// A NumPy array as numpy.save writes it, with `dictionary` for a header.
std::string npy_of(const std::string& dictionary, char version = 1) {
  const std::size_t begin = version == 1 ? 10 : 12;
  std::string header = dictionary;
  header.resize((begin + header.size()) / 64 * 64 + 63 - begin, ' ');
  header += '\n';
  const auto bytes = u32(static_cast<std::uint32_t>(header.size()));
  return "\x93NUMPY" + std::string{version, '\0'} + bytes.substr(0, begin - 8) + header +
         encode_tokens(kTokens);
}

void add_arrays(Samples& samples) {
  const std::string good = "{'descr': '<u2', 'fortran_order': False, 'shape': (5,), }";
  samples["accepted/five_tokens.npy"] = npy_of(good);
  samples["accepted/version_2.npy"] = npy_of(good, 2);
  const auto refuse = [&](const char* name, std::string_view part, std::string_view by) {
    samples[fmt::format("refused/{}.npy", name)] = npy_of(replaced(good, part, by));
  };
  refuse("descr__signed", "<u2", "<i2");
  refuse("descr__big_endian", "<u2", ">u2");
  refuse("descr__of_32_bits", "<u2", "<u4");
  refuse("descr__missing", "'descr': '<u2', ", "");
  refuse("fortran_order__no_truth_value", "False", "0");
  refuse("shape__of_two_dimensions", "(5,)", "(5, 1)");
  refuse("shape__of_a_scalar", "(5,)", "()");
  refuse("shape__beyond_file_size", "(5,)", "(6,)");
  refuse("shape__below_file_size", "(5,)", "(4,)");
  refuse("shape__of_more_than_64_bits", "(5,)", "(99999999999999999999,)");
  refuse("shape__with_a_key_after_it", ", }", ", 'version': 1}");
  refuse("header__ends_in_the_shape", "), }", "");
  samples["refused/version__4.npy"] = npy_of(good, 4);
  samples["refused/header_len__beyond_file_size.npy"] = with(npy_of(good), 8, "\xFF\x0F");
}

std::string frame(std::uint32_t kind, const std::string& payload) {
  const auto bytes = u32(kind) + u32(static_cast<std::uint32_t>(payload.size())) + payload;
  return bytes + crc_of(bytes);
}

void add_streams(Samples& samples) {
  const auto header_with = [](std::size_t offset, const std::string& field) {
    const Fingerprint fingerprint = sample_fingerprint();
    std::string bytes = "GPT2TOKS" + u32(1) + u32(10) + u32(9) + u32(2) +
                        std::string(fingerprint.begin(), fingerprint.end()) + std::string(20, '\0');
    bytes = with(bytes, offset, field);
    return bytes + crc_of(bytes);
  };
  const auto header = header_with(0, "");
  const auto frames = frame(1, encode_tokens(kTokens)) + frame(2, u64(kTokens.size()) + u64(2));
  const auto good = header + frames;
  samples["accepted/two_documents.stream"] = good;
  samples["accepted/no_tokens.stream"] = header + frame(2, u64(0) + u64(0));
  samples["accepted/two_frames.stream"] = header + frame(1, encode_tokens({9, 1})) +
                                          frame(1, encode_tokens({2})) + frame(2, u64(3) + u64(1));

  const auto refuse = [&](const char* name, const std::string& bytes) {
    samples[fmt::format("refused/{}.stream", name)] = bytes;
  };
  refuse("magic__of_another_file", header_with(0, "OTHERTAG") + frames);
  refuse("version__2", header_with(8, u32(2)) + frames);
  refuse("vocab_size__0", header_with(12, u32(0)) + frames);
  refuse("end_of_text__not_in_vocabulary", header_with(16, u32(10)) + frames);
  refuse("bytes_per_token__4", header_with(20, u32(4)) + frames);
  refuse("reserved__set", header_with(56, u32(1)) + frames);
  refuse("header_crc32c__wrong", with(good, 60, u32(0)));
  refuse("kind__3", header + frame(3, encode_tokens({1})) + frames);
  refuse("payload_bytes__0", header + frame(1, "") + frames);
  refuse("payload_bytes__odd", header + frame(1, "abc") + frames);
  refuse("payload_bytes__above_4_MiB", header + u32(1) + u32((4U << 20) + 2) + frames);
  refuse("payload_bytes__8_in_the_end_frame", header + frame(2, u64(0)));
  refuse("frame_crc32c__wrong", with(good, 82, u32(0)));
  refuse("token__not_in_vocabulary", header + frame(1, encode_tokens({10})) + frames);
  refuse("token_count__a_frame_lost", header + frame(2, u64(5) + u64(2)));
  refuse("the_stream_ends_here__empty", "");
  refuse("the_stream_ends_here__no_end_frame", good.substr(0, good.size() - 28));
  refuse("the_stream_ends_here__in_a_frame", good.substr(0, 70));
  refuse("end_of_stream__two_streams", good + good);
}

std::string safetensors_of(const std::string& header, const std::string& buffer) {
  return u64(header.size()) + header + buffer;
}

void add_safetensors(Samples& samples) {
  const std::string a = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  const std::string b = R"("b":{"dtype":"BF16","shape":[2,1],"data_offsets":[8,12]})";
  // 1.0 and -2.0 as F32; 0.5 and 3.0 as BF16.
  const std::string buffer = u32(0x3F800000) + u32(0xC0000000) + u32(0x40403F00);
  const std::string header = "{" + a + "," + b + "} ";
  samples["accepted/two_tensors.safetensors"] = safetensors_of(header, buffer);
  samples["accepted/no_tensors.safetensors"] =
      safetensors_of(R"({"__metadata__":{"format":"pt"}})", "");
  samples["accepted/no_elements_and_scalar.safetensors"] =
      safetensors_of(R"({"none":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]},)"
                     R"("one":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})",
                     u32(0x3F800000));

  const auto refuse = [&](const char* name, const std::string& text) {
    samples[fmt::format("refused/{}.safetensors", name)] = safetensors_of(text, buffer);
  };
  const auto refuse_part = [&](const char* name, std::string_view part, std::string_view by) {
    refuse(name, replaced(header, part, by));
  };
  samples["refused/header_length__missing.safetensors"] = "1234567";
  samples["refused/header_length__beyond_file_size.safetensors"] = u64(1000) + "{}";
  refuse("header__begins_with_a_space", " " + header);
  refuse("is_no_valid_JSON__cut", header.substr(0, 30));
  refuse("is_no_valid_JSON__not_utf8", replaced(header, "a", "\xFF"));
  refuse("is_no_valid_JSON__text_after_it", header + "x");
  refuse("is_there_twice__tensor", replaced(header, "\"b\"", "\"a\""));
  refuse("is_there_twice__key", replaced(header, "\"shape\":[2],", "\"shape\":[2],\"shape\":[2],"));
  refuse_part("is_not_a_key__stride", "\"shape\":[2],", "\"shape\":[2],\"stride\":[1],");
  refuse_part("dtype__F31", "F32", "F31");
  refuse_part("shape__missing", "\"shape\":[2],", "");
  refuse_part("shape__negative", "[2]", "[-2]");
  refuse_part("shape__product_wraps_64_bits", "[2]", "[4611686018427387905,2]");
  refuse_part("data_offsets__three", "[0,8]", "[0,4,8]");
  refuse_part("data_offsets__not_the_size_of_the_shape", "[2]", "[3]");
  refuse_part("data_offsets__backwards", "[0,8]", "[8,0]");
  refuse("data_offsets__hole", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})");
  refuse("data_offsets__overlap", replaced(replaced(header, "[8,12]", "[4,12]"), "[2,1]", "[4]"));
  refuse("end_of_the_tensors__bytes_left", "{" + a + "}");
  refuse("end_of_the_tensors__beyond_file_size",
         replaced(replaced(header, "[8,12]", "[8,16]"), "[2,1]", "[4]"));
  refuse_part("__metadata____not_a_text", "{", R"({"__metadata__":{"step":1},)");
}

void add_manifests(Samples& samples) {
  CheckpointManifest manifest;
  manifest.step = 20;
  manifest.epoch = 0.5;
  manifest.sequences_consumed = 160;
  manifest.seed = 42;
  manifest.slots = 8;
  manifest.written_at = "2026-01-02T03:04:05Z";
  manifest.host = "node1";
  manifest.validation_loss = 3.25;
  manifest.tokenizer = sample_fingerprint();
  manifest.training_data = {{"text_train_000001.bin", 320, 0x0A0B0C0D, false}};
  manifest.configuration = {{"learning-rate", "0.0006"}};
  manifest.state = {{"optimizer_updates", 20}};
  manifest.files = {{"model.safetensors", 7, crc32c("weights", 7)}};
  manifest.tensors = {{"model.safetensors", "transformer.ln_f.bias", 0, 2, 0x01020304}};
  const std::string good = encode_checkpoint_manifest(manifest);
  samples["accepted/step_20.manifest"] = good;

  const auto refuse = [&](const char* name, const std::string& text) {
    samples[fmt::format("refused/{}.manifest", name)] = text;
  };
  constexpr std::string_view kLastKey = "\"crc32c\": \"";
  // One part is wrong, the manifest's own CRC is right.
  const auto refuse_part = [&](const char* name, std::string_view part, std::string_view by) {
    const auto text = replaced(good, part, by);
    const auto covered = text.substr(0, text.rfind(kLastKey));
    refuse(name, fmt::format("{}{}{:08x}\"\n}}\n", covered, kLastKey,
                             crc32c(covered.data(), covered.size())));
  };
  refuse("crc32c__wrong", replaced(good, "\"step\": 20", "\"step\": 21"));
  refuse("crc32c__missing", "{\n  \"format_version\": 1\n}\n");
  refuse("crc32c__not_last", replaced(good, "\"\n}\n", "\",\n  \"step\": 3\n}\n"));
  refuse("crc32c__cut", good.substr(0, good.size() / 2));
  refuse_part("format_version__2", "\"format_version\": 1", "\"format_version\": 2");
  refuse_part("step__missing", "\"step\": 20,", "");
  refuse_part("step__negative", "\"step\": 20", "\"step\": -20");
  refuse_part("is_there_twice__step", "\"step\": 20", "\"step\": 20, \"step\": 30");
  refuse_part("tokenizer__too_short", "a0a1", "a0");
  refuse_part("foreign__a_number", "\"foreign\": false", "\"foreign\": 0");
  refuse_part("name__leaves_the_folder", "\"name\": \"model.safetensors\"",
              "\"name\": \"../model.safetensors\"");
  refuse_part("file__not_listed", "\"file\": \"model.safetensors\"", "\"file\": \"other\"");
}

void add_tokenizers(Samples& samples) {
  const std::string vocabulary =
      R"({"a": 0, "b": 1, "\u0120": 2, "ab": 3, "\u0120ab": 4, "<|endoftext|>": 5})";
  const std::string merges = "#version: 0.2\na b\n\u0120 ab\n";
  const std::string json =
      R"({"version": "1.0",
 "added_tokens": [{"id": 5, "content": "<|endoftext|>", "special": true}],
 "normalizer": null,
 "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
 "decoder": {"type": "ByteLevel"},
 "model": {"type": "BPE", "dropout": null, "continuing_subword_prefix": "", "end_of_word_suffix": "",
  "byte_fallback": false, "ignore_merges": false,
  "vocab": )" +
      vocabulary + R"(,
  "merges": ["a b", "\u0120 ab"]}}
)";
  const auto add = [&](const std::string& name, const char* file, const std::string& text) {
    samples[fmt::format("{}.tokenizer/{}", name, file)] = text;
  };
  add("accepted/three_forms", "encoder.json", vocabulary);
  add("accepted/three_forms", "vocab.bpe", merges);
  add("accepted/three_forms", "vocab.json", vocabulary);
  add("accepted/three_forms", "merges.txt", merges);
  add("accepted/three_forms", "tokenizer.json", json);
  const std::string pairs = R"([["a", "b"], ["\u0120", "ab"]])";
  add("accepted/merges_as_pairs", "tokenizer.json",
      replaced(json, R"(["a b", "\u0120 ab"])", pairs));
  add("accepted/added_token_after_the_vocabulary", "tokenizer.json",
      replaced(json, "true}]", R"(true}, {"id": 6, "content": "<|pad|>", "special": true}])"));
  add("accepted/added_tokens_file", "vocab.json", vocabulary);
  add("accepted/added_tokens_file", "merges.txt", merges);
  add("accepted/added_tokens_file", "added_tokens.json", R"({"<|pad|>": 6})");

  const auto refuse = [&](const char* name, std::string_view part, std::string_view by) {
    add(fmt::format("refused/{}", name), "tokenizer.json", replaced(json, part, by));
  };
  refuse("model__unigram", R"("type": "BPE")", R"("type": "Unigram")");
  refuse("pre_tokenizer__metaspace", R"("pre_tokenizer": {"type": "ByteLevel")",
         R"("pre_tokenizer": {"type": "Metaspace")");
  refuse("pre_tokenizer__missing", "pre_tokenizer", "post_processor");
  refuse("add_prefix_space__true", R"("add_prefix_space": false)", R"("add_prefix_space": true)");
  refuse("add_prefix_space__missing", R"("add_prefix_space": false,)", "");
  refuse("use_regex__false", R"("use_regex": true)", R"("use_regex": false)");
  refuse("normalizer__nfc", R"("normalizer": null)", R"("normalizer": {"type": "NFC"})");
  refuse("decoder__word_piece", R"("decoder": {"type": "ByteLevel"})",
         R"("decoder": {"type": "WordPiece"})");
  refuse("dropout__0.1", R"("dropout": null)", R"("dropout": 0.1)");
  refuse("continuing_subword_prefix__set", R"("continuing_subword_prefix": "")",
         R"("continuing_subword_prefix": "##")");
  refuse("end_of_word_suffix__set", R"("end_of_word_suffix": "")",
         R"("end_of_word_suffix": "</w>")");
  refuse("byte_fallback__true", R"("byte_fallback": false)", R"("byte_fallback": true)");
  refuse("ignore_merges__true", R"("ignore_merges": false)", R"("ignore_merges": true)");
  refuse("special__false", R"("special": true)", R"("special": false)");
  refuse("added_token__of_another_id", R"("id": 5)", R"("id": 4)");
  refuse("id_0__of_two_tokens", R"("b": 1)", R"("b": 0)");
  refuse("has_id_9__beyond_the_vocabulary", R"("b": 1)", R"("b": 9)");
  refuse("merge_1__part_not_in_vocabulary", R"("\u0120 ab")", R"("x ab")");
  refuse("merge_1__there_twice", R"("\u0120 ab")", R"("a b")");
  refuse("is_no_valid_JSON__cut", "\n \"decoder\"", "");
  const auto refuse_pair = [&](const std::string& name, const char* file, const std::string& text) {
    add(name, "vocab.json", vocabulary);
    add(name, "merges.txt", merges);
    add(name, file, text);
  };
  refuse_pair("refused/different_tokenizers__other_merges", "tokenizer.json",
              replaced(json, R"("a b", "\u0120 ab")", R"("\u0120 ab", "a b")"));
  refuse_pair("refused/line_2__three_parts", "merges.txt", "#version: 0.2\na b ab\n");
  refuse_pair("refused/add_prefix_space__in_tokenizer_config", "tokenizer_config.json",
              R"({"add_prefix_space": true})");
  add("refused/merges.txt__missing", "vocab.json", vocabulary);
  add("refused/holds_no_tokenizer__other_files", "tokenizer_config.json", "{}");
}

/// A model of one channel and one layer, its elements 1, 2, 3 ...
std::string llmc_model_of(std::uint32_t version) {
  std::string bytes;
  for (const std::uint32_t word : {20240326U, version, 2U, 3U, 1U, 1U, 1U, 4U}) bytes += u32(word);
  bytes.resize(1024, '\0');
  constexpr std::uint32_t kElements = (4 + 2) * 1 + 12 + 13 + 2;
  for (std::uint32_t i = 1; i <= kElements; ++i) {
    const auto value = std::bit_cast<std::uint32_t>(static_cast<float>(i));
    bytes += version == 3 ? u32(value) : u32(value).substr(2);
  }
  return bytes;
}

void add_llmc(Samples& samples) {
  const auto good = llmc_model_of(3);
  samples["accepted/one_channel.llmc"] = good;
  samples["accepted/one_channel_in_bfloat16.llmc"] = llmc_model_of(5);
  const auto refuse = [&](const char* name, const std::string& bytes) {
    samples[fmt::format("refused/{}.llmc", name)] = bytes;
  };
  const auto refuse_field = [&](const char* name, std::size_t offset, std::uint32_t value) {
    refuse(name, with(good, offset, u32(value)));
  };
  refuse_field("magic__of_a_token_shard", 0, 20240520);
  refuse_field("version__1", 4, 1);
  refuse_field("max_seq_len__0", 8, 0);
  refuse_field("max_seq_len__negative", 8, 0xFFFFFFFE);
  refuse_field("vocab_size__0", 12, 0);
  refuse_field("num_layers__0", 16, 0);
  refuse_field("num_heads__0", 20, 0);
  refuse_field("channels__0", 24, 0);
  refuse_field("channels__1000000", 24, 1'000'000);
  refuse_field("padded_vocab_size__below_vocab_size", 28, 2);
  refuse_field("reserved__set", 1020, 1);
  refuse_field("size__of_500000_layers", 16, 500'000);
  refuse("size__cut", good.substr(0, good.size() - 1));
  refuse("size__bytes_left", good + "x");
  refuse("header__cut", good.substr(0, 1000));

  const std::string end_of_text = "<|endoftext|>";
  std::string tokenizer = u32(20240328) + u32(2) + u32(3) + u32(2);
  tokenizer.resize(1024, '\0');
  for (const auto& token : {std::string(1, '\0'), std::string("ab"), end_of_text}) {
    tokenizer += static_cast<char>(token.size()) + token;
  }
  samples["written/three_tokens.llmc_tokenizer"] = tokenizer;
}

void add_gguf(Samples& samples) {
  const auto text = [](const std::string& bytes) { return u64(bytes.size()) + bytes; };
  const auto padded = [](std::string bytes) {
    bytes.resize((bytes.size() + 31) / 32 * 32, '\0');
    return bytes;
  };
  const auto header = "GGUF" + u32(3) + u64(4) + u64(6) +           // tensors, keys
                      text("count") + u32(4) + u32(5) +             //
                      text("epsilon") + u32(6) + u32(0x3F000000) +  // 0.5
                      text("flag") + u32(7) + "\1" +                //
                      text("name") + u32(8) + text("gpt2") +        //
                      text("types") + u32(9) + u32(5) + u64(2) + u32(1) +
                      u32(0xFFFFFFFE) +                                                   // 1, -2
                      text("tokens") + u32(9) + u32(8) + u64(2) + text("a") + text("") +  //
                      text("f") + u32(2) + u64(1) + u64(2) + u32(0) + u64(0) +            //
                      text("h") + u32(1) + u64(3) + u32(1) + u64(32) +                    //
                      text("b") + u32(1) + u64(1) + u32(30) + u64(64) +                   //
                      text("q") + u32(2) + u64(32) + u64(1) + u32(8) + u64(96);
  std::string block = u32(0x3C00).substr(0, 2);  // scale 1
  for (int value = -127; value < -127 + 32; ++value) block += static_cast<char>(value);
  samples["written/every_kind.gguf"] =
      padded(header) + padded(u32(0x3F800000) + u32(0xC0000000)) +  // 1, -2
      padded(u32(0x38003C00) + u32(0xC000).substr(0, 2)) + padded(u32(0x4040).substr(0, 2)) +  // 3
      padded(block);
}

}  // namespace

Samples sample_files() {
  Samples samples;
  add_shards(samples);
  add_arrays(samples);
  add_streams(samples);
  add_safetensors(samples);
  add_manifests(samples);
  add_tokenizers(samples);
  add_llmc(samples);
  add_gguf(samples);
  add_packed_samples(samples);
  add_parquet_samples(samples);
  add_torch_samples(samples);
  return samples;
}

}  // namespace gpt2::formats
