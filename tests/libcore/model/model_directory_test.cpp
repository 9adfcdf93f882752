// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/model/model_directory.h"

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <sstream>

#include "formats/crc32c.h"
#include "formats/errors.h"
#include "formats/half_precision.h"
#include "formats/llmc.h"
#include "formats/safetensors.h"
#include "libcore/model/model_weights.h"
#include "tests/libcore/model/model_fixture.h"

namespace gpt2::model {
namespace {

namespace fs = std::filesystem;
using test::odd_config;
using test::random_tokens;
using test::SmallModel;
using test::TemporaryFolder;

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}
void write_text(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}
void replace_in(const fs::path& path, std::string_view from, std::string_view to) {
  auto text = read_text(path);
  const auto place = text.find(from);
  BOOST_REQUIRE_MESSAGE(place != std::string::npos, from << " is not in " << path);
  write_text(path, text.replace(place, from.size(), to));
}

/// True when `call` throws InputError and the sentence has every one of `words`.
template <typename Call>
void check_refused(Call call, const std::vector<std::string>& words) {
  BOOST_CHECK_EXCEPTION(call(), formats::InputError, [&](const formats::InputError& error) {
    const std::string sentence = error.what();
    return std::all_of(words.begin(), words.end(), [&](const std::string& word) {
      const bool said = sentence.find(word) != std::string::npos;
      if (!said) BOOST_TEST_MESSAGE("'" << word << "' is missing in: " << sentence);
      return said;
    });
  });
}

/// The tensors of a file, to be changed and written elsewhere.
struct Tensor {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
  std::string dtype = "F32";
};
using Tensors = std::map<std::string, Tensor>;

Tensors tensors_of(const SmallModel& small, std::string_view prefix = "transformer.") {
  Tensors tensors;
  for (const auto& parameter : small.model.table().parameters()) {
    auto name = std::string(prefix) + parameter.name.substr(std::string("transformer.").size());
    tensors[name] = {parameter.shape, small.stored(parameter.name)};
  }
  return tensors;
}
void write_tensors(const fs::path& path, const Tensors& tensors) {
  std::vector<formats::SafetensorsEntry> entries;
  for (const auto& [name, tensor] : tensors) {
    entries.push_back({.name = name, .dtype = tensor.dtype, .shape = tensor.shape});
  }
  formats::SafetensorsWriter writer(path, std::move(entries), {});
  for (const auto& [name, tensor] : tensors) writer.write_floats(tensor.values);
  writer.commit();
}

/// open_model_directory where no checkpoint is passed over.
ModelDirectory opened(const fs::path& given) {
  std::vector<std::string> notices;
  auto directory = open_model_directory(given, notices);
  BOOST_TEST(notices.empty());
  return directory;
}

/// A model, and a directory that holds it.
struct SavedFixture {
  SavedFixture() : small(odd_config()) {
    small.roughen();
    saved = save_model(folder.path(), small.model);
  }
  /// The weights of the directory, through a fresh model.
  SmallModel loaded() const {
    SmallModel other(load_config(folder.path()));
    load_weights(opened(folder.path()), other.model);
    return other;
  }
  void check_equal(const SmallModel& other) const {
    for (const auto& parameter : small.model.table().parameters()) {
      BOOST_TEST((other.stored(parameter.name) == small.stored(parameter.name)), parameter.name);
    }
  }
  void check_weights_refused(const std::vector<std::string>& words) {
    SmallModel other(odd_config());
    check_refused([&] { load_weights(opened(folder.path()), other.model); }, words);
  }
  void write_weights(const Tensors& tensors) {
    write_tensors(folder.path() / "model.safetensors", tensors);
  }

  TemporaryFolder folder;
  SmallModel small;
  SavedModel saved;
};

BOOST_FIXTURE_TEST_SUITE(saving, SavedFixture)

BOOST_AUTO_TEST_CASE(what_is_saved_loads_with_equal_bits) {
  BOOST_TEST((load_config(folder.path()) == odd_config()));
  check_equal(loaded());
}

BOOST_AUTO_TEST_CASE(the_same_model_gives_the_same_bytes) {
  const TemporaryFolder again;
  save_model(again.path(), small.model);
  for (const auto* name : {"config.json", "generation_config.json", "model.safetensors"}) {
    BOOST_TEST((read_text(folder.path() / name) == read_text(again.path() / name)), name);
  }
}

BOOST_AUTO_TEST_CASE(the_entries_describe_the_files) {
  BOOST_TEST(saved.files.size() == 3);
  for (const auto& file : saved.files) {
    const auto found = formats::describe_file(folder.path(), file.name);
    BOOST_TEST(file.bytes == found.bytes);
    BOOST_TEST(file.crc32c == found.crc32c, file.name);
  }
  const formats::SafetensorsReader reader(folder.path() / "model.safetensors");
  const auto& parameters = small.model.table().parameters();
  BOOST_TEST(reader.entries().size() == parameters.size());
  BOOST_TEST(saved.tensors.size() == parameters.size());
  BOOST_TEST(reader.metadata().at("format") == "pt");
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    BOOST_TEST(saved.tensors[i].name == parameters[i].name);
    const auto* entry = reader.find(parameters[i].name);
    BOOST_REQUIRE(entry != nullptr);
    BOOST_TEST(entry->shape == parameters[i].shape, boost::test_tools::per_element());
    std::vector<std::uint8_t> bytes(entry->end - entry->begin);
    reader.read(*entry, 0, bytes);
    BOOST_TEST(saved.tensors[i].crc32c == formats::crc32c(bytes));
    BOOST_TEST(saved.tensors[i].element_count == entry->element_count());
  }
}

BOOST_AUTO_TEST_CASE(half_types_are_the_weights_rounded) {
  for (const auto type : {WeightType::kBF16, WeightType::kF16}) {
    save_model(folder.path(), small.model, type);
    const auto other = loaded();
    for (const auto& parameter : small.model.table().parameters()) {
      auto expected = small.stored(parameter.name);
      for (auto& value : expected) {
        value = type == WeightType::kBF16
                    ? formats::float_from_bfloat16(formats::bfloat16_from_float(value))
                    : formats::float_from_half(formats::half_from_float(value));
      }
      BOOST_TEST((other.stored(parameter.name) == expected), parameter.name);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_weight_beyond_f16_is_refused) {
  auto bias = small.stored("ln_f.bias");
  bias[3] = -70000;
  small.model.load_parameter(small.model.table().at("ln_f.bias"), bias);
  const TemporaryFolder elsewhere;
  BOOST_CHECK_THROW(save_model(elsewhere.path(), small.model, WeightType::kF16),
                    formats::UsageError);
  BOOST_TEST(!fs::exists(elsewhere.path() / "model.safetensors"));
}

BOOST_AUTO_TEST_CASE(weights_are_shared_out_to_files_of_a_size_and_their_index) {
  const auto one = saved;
  const auto bytes = static_cast<std::uint64_t>(small.model.table().parameter_count()) * 4;
  for (const std::uint64_t most : {std::uint64_t{1}, bytes / 3, bytes - 1, bytes}) {
    const TemporaryFolder shared;
    const auto& table = small.model.table();
    const auto several =
        save_model(shared.path(), odd_config(), table,
                   open_weights(opened(folder.path()), odd_config()), WeightType::kF32, most);
    BOOST_TEST(fs::exists(shared.path() / "model.safetensors") == (most == bytes));
    BOOST_TEST(fs::exists(shared.path() / "model.safetensors.index.json") == (most < bytes));
    std::size_t files = 0;
    for (const auto& file : several.files) {
      const auto found = formats::describe_file(shared.path(), file.name);
      BOOST_TEST(found.crc32c == file.crc32c, file.name);
      if (!file.name.ends_with(".safetensors")) continue;
      ++files;
      BOOST_TEST(is_weights_name(file.name));
      const formats::SafetensorsReader reader(shared.path() / file.name);
      BOOST_TEST((reader.entries().size() == 1 || reader.entries().back().end <= most));
    }
    BOOST_TEST((most == 1 ? files == table.parameters().size() : files < 5));
    SmallModel other(load_config(shared.path()));
    load_weights(opened(shared.path()), other.model);
    check_equal(other);
    BOOST_TEST(several.tensors.size() == one.tensors.size());
  }
}

BOOST_AUTO_TEST_CASE(weights_have_names_that_are_known_again) {
  for (const auto* name :
       {"model.safetensors", "model.safetensors.index.json", "model-00001-of-00012.safetensors"}) {
    BOOST_TEST(is_weights_name(name), name);
  }
  for (const auto* name : {"model-1-of-2.safetensors", "model-00001-of-00012.bin",
                           "optimizer-00000-of-00001.safetensors", "model"}) {
    BOOST_TEST(!is_weights_name(name), name);
  }
}

BOOST_AUTO_TEST_CASE(a_folder_that_is_not_there_is_an_io_error) {
  BOOST_CHECK_THROW(save_model(folder.path() / "missing", small.model), formats::IoError);
}

BOOST_AUTO_TEST_SUITE_END()
BOOST_FIXTURE_TEST_SUITE(loading_the_configuration, SavedFixture)

BOOST_AUTO_TEST_CASE(missing_keys_take_the_defaults_of_gpt2) {
  write_text(folder.path() / "config.json",
             R"({"model_type": "gpt2", "n_inner": null, "n_layer": 3})");
  Gpt2Config expected;
  expected.layers = 3;
  BOOST_TEST((load_config(folder.path()) == expected));
}

BOOST_AUTO_TEST_CASE(the_tanh_gelu_goes_by_two_names) {
  replace_in(folder.path() / "config.json", "gelu_new", "gelu_pytorch_tanh");
  BOOST_TEST((load_config(folder.path()) == odd_config()));
}

BOOST_AUTO_TEST_CASE(refuses_what_this_build_would_compute_wrongly) {
  struct Refused {
    std::string json;
    std::vector<std::string> words;
  };
  const std::vector<Refused> all{
      {R"({"model_type":"llama"})", {"model_type", "llama", "gpt2"}},
      {R"({})", {"model_type", "missing"}},
      {R"({"model_type":"gpt2","activation_function":"relu"})", {"activation_function", "relu"}},
      {R"({"model_type":"gpt2","activation_function":"gelu"})",
       {"activation_function", "gelu_new"}},
      {R"({"model_type":"gpt2","scale_attn_weights":false})", {"scale_attn_weights"}},
      {R"({"model_type":"gpt2","scale_attn_by_inverse_layer_idx":true})",
       {"scale_attn_by_inverse_layer_idx"}},
      {R"({"model_type":"gpt2","add_cross_attention":true})", {"add_cross_attention"}},
      {R"({"model_type":"gpt2","add_cross_attention":"no"})", {"add_cross_attention"}},
      {R"({"model_type":"gpt2","n_embd":12.5})", {"n_embd"}},
      {R"({"model_type":"gpt2","n_embd":"768"})", {"n_embd"}},
      {R"({"model_type":"gpt2","n_embd":99999999999999999999999})", {"config.json"}},
      {R"({"model_type":"gpt2","n_embd":-768})", {"n_embd"}},
      {R"({"model_type":"gpt2","n_head":7})", {"768", "7", "heads"}},
      {R"({"model_type":"gpt2","n_layer":1000000000})", {"layers", "1000000000"}},
      {R"({"model_type":"gpt2","n_inner":0})", {"n_inner"}},
      {R"({"model_type":"gpt2","vocab_size":70000})", {"vocabulary", "70000"}},
      {R"({"model_type":"gpt2","layer_norm_epsilon":0})", {"epsilon"}},
      {R"({"model_type":"gpt2","eos_token_id":-1})", {"eos_token_id"}},
      {R"({"model_type":"gpt2")", {"config.json", "JSON"}},
      {R"([1, 2])", {"config.json", "object"}},
      {"", {"config.json", "JSON"}},
  };
  for (const auto& [json, words] : all) {
    BOOST_TEST_CONTEXT(json) {
      write_text(folder.path() / "config.json", json);
      check_refused([&] { load_config(folder.path()); }, words);
    }
  }
  fs::remove(folder.path() / "config.json");
  check_refused([&] { load_config(folder.path()); }, {"config.json", folder.path().string()});
}

BOOST_AUTO_TEST_SUITE_END()
BOOST_FIXTURE_TEST_SUITE(loading_weights, SavedFixture)

BOOST_AUTO_TEST_CASE(names_may_lack_the_prefix_and_mask_buffers_are_ignored) {
  auto tensors = tensors_of(small, "");
  tensors["h.0.attn.bias"] = {{1, 1, 2, 2}, {1, 0, 1, 1}};
  tensors["h.1.attn.masked_bias"] = {{}, {-10000}};
  write_weights(tensors);
  check_equal(loaded());
}

BOOST_AUTO_TEST_CASE(an_output_layer_must_be_the_embedding) {
  auto tensors = tensors_of(small);
  tensors["lm_head.weight"] = tensors["transformer.wte.weight"];
  write_weights(tensors);
  check_equal(loaded());
  tensors["lm_head.weight"].values[77] += 1e-3F;
  write_weights(tensors);
  check_weights_refused({"lm_head.weight", "wte.weight", "not supported"});
}

BOOST_AUTO_TEST_CASE(padded_rows_of_the_vocabulary_are_cut) {
  auto tensors = tensors_of(small);
  auto& wte = tensors["transformer.wte.weight"];
  wte.shape[0] = 192;
  wte.values.resize(192 * 21, std::numeric_limits<float>::infinity());
  write_weights(tensors);
  check_equal(loaded());
  wte.shape[0] = 257;
  wte.values.resize(257 * 21);
  write_weights(tensors);
  check_weights_refused({"wte.weight", "[257, 21]", "[150, 21]"});
}

BOOST_AUTO_TEST_CASE(an_index_names_the_files) {
  const auto tensors = tensors_of(small);
  Tensors first, second;
  std::string weight_map;
  for (const auto& [name, tensor] : tensors) {
    const bool is_first = first.size() < 9;
    (is_first ? first : second)[name] = tensor;
    weight_map += (weight_map.empty() ? "\"" : ", \"") + name +
                  (is_first ? "\": \"a.safetensors\"" : "\": \"b.safetensors\"");
  }
  fs::remove(folder.path() / "model.safetensors");
  write_tensors(folder.path() / "a.safetensors", first);
  write_tensors(folder.path() / "b.safetensors", second);
  const auto index = folder.path() / "model.safetensors.index.json";
  const auto text = R"({"metadata": {"total_size": 1}, "weight_map": {)" + weight_map + "}}";
  write_text(index, text);
  check_equal(loaded());

  for (const std::string wrong :
       {"../a.safetensors", "/etc/a.safetensors", "..", "sub/a.safetensors", "a.bin", ""}) {
    write_text(index, text);
    replace_in(index, "\"a.safetensors\"", "\"" + wrong + "\"");
    check_weights_refused({"model.safetensors.index.json", "\"" + wrong + "\"", "same folder"});
  }
  write_text(index, text);
  replace_in(index, "\"a.safetensors\"", "12");
  check_weights_refused({"model.safetensors.index.json", "weight_map"});
  write_text(index, text);
  replace_in(index, "\"a.safetensors\"", "\"b.safetensors\"");
  check_weights_refused({"b.safetensors", "has no tensor"});
  write_text(index, text);
  replace_in(index, "\"a.safetensors\"", "\"c.safetensors\"");
  check_weights_refused({"c.safetensors"});
  write_text(index, R"({"weight_map": []})");
  check_weights_refused({"weight_map"});
}

BOOST_AUTO_TEST_CASE(refuses_tensors_by_name) {
  const auto good = tensors_of(small);
  auto tensors = good;
  tensors.erase("transformer.h.1.mlp.c_fc.bias");
  write_weights(tensors);
  check_weights_refused({"lack", "transformer.h.1.mlp.c_fc.bias"});

  tensors = good;
  std::erase_if(tensors, [](const auto& entry) { return entry.first.ends_with(".bias"); });
  write_weights(tensors);
  check_weights_refused({"lack", "transformer.h.0.ln_1.bias"});

  tensors = good;
  for (auto& [name, tensor] : tensors) {
    if (name.ends_with(".c_attn.weight")) std::swap(tensor.shape[0], tensor.shape[1]);
  }
  write_weights(tensors);
  check_weights_refused({"c_attn.weight", "[63, 21]", "[21, 63]"});

  tensors = good;
  tensors["transformer.h.2.ln_1.bias"] = {{21}, std::vector<float>(21)};
  write_weights(tensors);
  check_weights_refused({"transformer.h.2.ln_1.bias", "does not have"});

  tensors = good;
  auto& transposed = tensors["transformer.h.0.attn.c_attn.weight"];
  std::swap(transposed.shape[0], transposed.shape[1]);
  write_weights(tensors);
  check_weights_refused({"transformer.h.0.attn.c_attn.weight", "[63, 21]", "[21, 63]"});

  tensors = good;
  tensors["wpe.weight"] = good.at("transformer.wpe.weight");
  write_weights(tensors);
  check_weights_refused({"wpe.weight", "second time"});

  for (const float wrong :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    tensors = good;
    tensors["transformer.h.1.ln_2.weight"].values[4] = wrong;
    write_weights(tensors);
    check_weights_refused({"transformer.h.1.ln_2.weight", "element 4"});
  }
}

BOOST_AUTO_TEST_CASE(refuses_types_that_are_no_weights) {
  const auto path = folder.path() / "model.safetensors";
  auto bytes = read_text(path);
  for (auto place = bytes.find("\"F32\""); place != std::string::npos;
       place = bytes.find("\"F32\"")) {
    bytes.replace(place, 5, "\"I32\"");
  }
  write_text(path, bytes);
  check_weights_refused({"model.safetensors", "I32"});
}

BOOST_AUTO_TEST_CASE(refuses_a_folder_without_safetensors) {
  fs::remove(folder.path() / "model.safetensors");
  check_weights_refused({"model.safetensors", folder.path().string()});
  write_text(folder.path() / "pytorch_model.bin", "pickle");
  check_weights_refused({"pytorch_model.bin", "zip archive"});
}

BOOST_AUTO_TEST_CASE(a_checkpoint_is_verified_first) {
  formats::CheckpointManifest manifest;
  manifest.step = 5;
  manifest.files = saved.files;
  manifest.tensors = saved.tensors;
  write_text(folder.path() / "checkpoint.json", formats::encode_checkpoint_manifest(manifest));
  check_equal(loaded());
  const auto path = folder.path() / "model.safetensors";
  auto bytes = read_text(path);
  bytes[bytes.size() - 40] =
      static_cast<char>(bytes[bytes.size() - 40] ^ 1);  // still a finite float
  write_text(path, bytes);
  check_weights_refused({"model.safetensors"});
}

BOOST_AUTO_TEST_SUITE_END()
BOOST_AUTO_TEST_SUITE(file_of_llmc)

/// A model as llm.c's file; its table of tokens is padded by 42 rows that are no numbers.
struct LlmcFixture {
  LlmcFixture() : small(config()) {
    small.roughen();
    write();
  }
  static Gpt2Config config() {
    auto config = odd_config();
    config.ffn_channels = 0;
    config.end_of_text = 149;
    return config;
  }
  void write() const {
    formats::LlmcModelWriter writer(path, {.context = 40,
                                           .vocab_size = 150,
                                           .layers = 2,
                                           .heads = 3,
                                           .channels = 21,
                                           .padded_vocab_size = 192});
    for (const auto& tensor : writer.tensors()) writer.write(small.stored(tensor.name));
    writer.commit();
  }
  /// The bytes of `value` in place of those of element `element` of the file.
  void put(std::size_t element, float value) const {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(formats::kLlmcHeaderBytes + 4 * element));
    file.write(reinterpret_cast<const char*>(&value), 4);
  }
  TemporaryFolder folder;
  const fs::path path = folder.path() / "model.bin";
  SmallModel small;
};

BOOST_FIXTURE_TEST_CASE(is_a_model_with_its_shape_and_weights, LlmcFixture) {
  for (std::size_t i = 150 * 21; i < 192 * 21; ++i) {
    put(i, std::numeric_limits<float>::quiet_NaN());
  }
  const auto directory = opened(path);
  BOOST_TEST(directory.path == path);
  BOOST_TEST(!directory.manifest.has_value());
  BOOST_TEST((load_config(path) == config()));
  SmallModel other(load_config(path));
  load_weights(directory, other.model);
  for (const auto& parameter : small.model.table().parameters()) {
    BOOST_TEST((other.stored(parameter.name) == small.stored(parameter.name)), parameter.name);
  }
  const auto tokens = random_tokens(20, 150, 3);
  std::vector<float> logits(20 * 150), expected(20 * 150);
  other.model.logits(tokens, 1, 20, logits);
  small.model.logits(tokens, 1, 20, expected);
  BOOST_TEST((logits == expected));
}

BOOST_FIXTURE_TEST_CASE(its_weights_must_be_finite_and_of_the_models_shape, LlmcFixture) {
  auto other_config = config();
  other_config.context = 41;
  check_refused([&] { open_weights(opened(path), other_config); }, {"wpe.weight", "[40, 21]"});
  put(150 * 21 - 1, std::numeric_limits<float>::infinity());
  SmallModel other(config());
  check_refused([&] { load_weights(opened(path), other.model); },
                {"model.bin", "wte.weight", "element 3149"});
}

BOOST_FIXTURE_TEST_CASE(a_file_that_is_none_is_refused, LlmcFixture) {
  check_refused([&] { opened(folder.path() / "none.bin"); },
                {"none.bin", "no such file or folder"});
  write_text(folder.path() / "text", "no model");
  check_refused([&] { opened(folder.path() / "text"); },
                {"text", "no model file of llm.c", "folder"});
  write_text(path, read_text(path).substr(0, 5000));
  check_refused([&] { opened(path); }, {"model.bin", "5000 bytes"});
}

BOOST_FIXTURE_TEST_CASE(heads_must_divide_its_channels, LlmcFixture) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(20);
  file.put(2);
  file.close();
  check_refused([&] { load_config(path); }, {"model.bin", "21 channels", "2 heads"});
}

BOOST_AUTO_TEST_SUITE_END()
BOOST_AUTO_TEST_SUITE(run_folder)

/// RUN with checkpoints made by add().
struct RunFolder {
  fs::path add(const std::string& name, std::uint64_t step) {
    const auto path = folder.path() / "checkpoints" / name;
    fs::create_directories(path);
    write_text(path / "config.json", "{}");
    formats::CheckpointManifest manifest;
    manifest.step = step;
    manifest.files = {formats::describe_file(path, "config.json")};
    write_text(path / "checkpoint.json", formats::encode_checkpoint_manifest(manifest));
    return path;
  }
  TemporaryFolder folder;
};

BOOST_FIXTURE_TEST_CASE(gives_its_newest_checkpoint_by_step, RunFolder) {
  add("step_00000020", 20);
  const auto epoch = add("epoch_0002", 30);
  const auto old = add("final", 10);  // of a run that was made longer afterwards
  add("step_9", 99);                  // no name of ours
  add(".tmp-step_00000040", 40);
  BOOST_TEST(opened(folder.path()).path == epoch);
  BOOST_TEST(opened(folder.path()).manifest->step == 30U);
  const auto listed = list_checkpoints(folder.path());
  BOOST_REQUIRE(listed.size() == 3);
  BOOST_TEST(listed.front() == epoch);
  BOOST_TEST(listed.back() == old);
  BOOST_TEST(opened(old).path == old);
}

BOOST_FIXTURE_TEST_CASE(falls_back_from_damaged_checkpoints_and_says_so, RunFolder) {
  const auto good = add("step_00000020", 20);
  const auto cut = add("step_00000030", 30);
  const auto unreadable = add("final", 40);
  write_text(cut / "config.json", "{ }");
  write_text(unreadable / "checkpoint.json", "{");
  std::vector<std::string> notices;
  BOOST_TEST(open_model_directory(folder.path(), notices).path == good);
  BOOST_REQUIRE(notices.size() == 2);
  BOOST_TEST(notices[0].find(unreadable.string()) != std::string::npos, notices[0]);
  BOOST_TEST(notices[1].find(cut.string()) != std::string::npos, notices[1]);
  write_text(good / "config.json", "");
  check_refused([&] { opened(folder.path()); }, {"none of its 3", unreadable.string()});
}

BOOST_FIXTURE_TEST_CASE(a_checkpoint_named_itself_is_verified, RunFolder) {
  const auto checkpoint = add("final", 40);
  write_text(checkpoint / "config.json", "{ }");
  check_refused([&] { opened(checkpoint); }, {"config.json", "size"});
  fs::remove(checkpoint / "config.json");
  check_refused([&] { opened(checkpoint); }, {"config.json"});
}

BOOST_FIXTURE_TEST_CASE(what_is_no_model_is_named, RunFolder) {
  check_refused([&] { opened(folder.path()); }, {folder.path().string(), "config.json"});
  check_refused([&] { opened(folder.path() / "missing"); }, {"missing", "no such file or folder"});
  BOOST_TEST(list_checkpoints(folder.path()).empty());
  fs::create_directory(folder.path() / "checkpoints");
  check_refused([&] { opened(folder.path()); }, {"no checkpoint"});
  std::vector<std::string> notices;
  BOOST_TEST(!newest_checkpoint(folder.path(), notices).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::model
