// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/convert/export_model.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>

#include "formats/durable_file.h"
#include "formats/errors.h"
#include "formats/half_precision.h"
#include "formats/tokenizer_files.h"
#include "tests/libcore/model/model_fixture.h"

namespace gpt2::convert {
namespace {

namespace fs = std::filesystem;
using model::test::odd_config;
using model::test::SmallModel;
using model::test::TemporaryFolder;

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    files[entry.path().filename().string()] = read_text(entry.path());
  }
  return files;
}

/// The 256 bytes and, as the last of `vocab_size` tokens, <|endoftext|>; in between, merges of
/// `letter` with bytes.
formats::TokenizerFiles vocabulary_of(std::uint32_t vocab_size, std::uint32_t letter = 'a') {
  formats::TokenizerFiles files;
  for (int byte = 0; byte < 256; ++byte) {
    files.token_bytes.emplace_back(1, static_cast<char>(byte));
  }
  for (std::uint32_t i = 0; files.token_bytes.size() + 1 < vocab_size; ++i) {
    files.token_bytes.push_back(files.token_bytes[letter] + files.token_bytes['A' + i]);
    files.merges.emplace_back(letter, 'A' + i);
  }
  files.special_tokens.push_back({"<|endoftext|>", vocab_size - 1});
  files.token_bytes.emplace_back("<|endoftext|>");
  return files;
}

struct ExportFixture {
  ExportFixture() : small(config()) {
    small.roughen();
    save();
  }
  static model::Gpt2Config config() {
    auto config = odd_config();
    config.vocab_size = 260;
    config.end_of_text = 259;
    return config;
  }
  void save() {
    fs::create_directories(source);
    model::save_model(source, small.model);
    formats::save_tokenizer_files(source, vocabulary_of(260), 40);
  }
  /// As a checkpoint of ours.
  void write_manifest(std::uint64_t step, const formats::Fingerprint& tokenizer) {
    formats::CheckpointManifest manifest;
    manifest.step = step;
    manifest.tokenizer = tokenizer;
    manifest.files = model::save_model(source, small.model).files;
    formats::DurableFile file(source / formats::kCheckpointManifestName);
    file.write(formats::encode_checkpoint_manifest(manifest));
    file.commit();
  }
  void poison(std::string_view name, float value) {
    const auto& parameter = small.model.table().at(name);
    auto values = small.stored(name);
    values[3] = value;
    small.model.load_parameter(parameter, values);
  }
  ExportResult run(const std::string& dtype = "f32", bool force = false) const {
    return export_model({.source = source, .out = out, .dtype = dtype, .force = force});
  }
  std::vector<float> exported(std::string_view name) const {
    SmallModel loaded(model::load_config(out));
    std::vector<std::string> notices;
    model::load_weights(model::open_model_directory(out, notices), loaded.model);
    return loaded.stored(name);
  }

  TemporaryFolder folder;
  const fs::path source = folder.path() / "source", out = folder.path() / "out";
  SmallModel small;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(exporting, ExportFixture)

BOOST_AUTO_TEST_CASE(holds_the_model_and_its_vocabulary_and_nothing_else) {
  const auto result = run();
  BOOST_TEST(result.is_new);
  BOOST_TEST(result.has_vocabulary);
  BOOST_TEST(!result.step.has_value());
  std::vector<std::string> names;
  for (const auto& [name, bytes] : contents(out)) names.push_back(name);
  const std::vector<std::string> expected{
      "config.json",       "export.json",    "generation_config.json", "merges.txt",
      "model.safetensors", "tokenizer.json", "tokenizer_config.json",  "vocab.json"};
  BOOST_TEST(names == expected, boost::test_tools::per_element());
  for (const auto& name : {"config.json", "model.safetensors", "vocab.json", "tokenizer.json"}) {
    BOOST_TEST((read_text(out / name) == read_text(source / name)), name);
  }
  BOOST_TEST((formats::tokenizer_fingerprint(formats::load_tokenizer_files(out)) ==
              formats::tokenizer_fingerprint(vocabulary_of(260))));
}

BOOST_AUTO_TEST_CASE(rounds_every_weight_to_nearest_even) {
  for (const std::string dtype : {"bf16", "f16"}) {
    run(dtype);
    for (const auto* name : {"wte.weight", "h.1.mlp.c_fc.weight", "ln_f.bias"}) {
      auto expected = small.stored(name);
      for (auto& value : expected) {
        value = dtype == "bf16" ? formats::float_from_bfloat16(formats::bfloat16_from_float(value))
                                : formats::float_from_half(formats::half_from_float(value));
      }
      BOOST_TEST(exported(name) == expected, boost::test_tools::per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(does_nothing_when_nothing_is_new) {
  run();
  const auto before = contents(out);
  const auto time = fs::last_write_time(out / "model.safetensors");
  BOOST_TEST(!run().is_new);
  BOOST_TEST((fs::last_write_time(out / "model.safetensors") == time));
  BOOST_TEST((contents(out) == before));
  BOOST_TEST(run("f32", /*force=*/true).is_new);
  BOOST_TEST((contents(out) == before));
}

BOOST_AUTO_TEST_CASE(other_weights_another_type_or_another_vocabulary_are_new) {
  run();
  BOOST_TEST(run("bf16").is_new);
  BOOST_TEST(!run("bf16").is_new);
  poison("ln_f.weight", 0.25F);
  save();
  BOOST_TEST(run("bf16").is_new);
  BOOST_TEST(exported("ln_f.weight")[3] == 0.25F);
  fs::create_directory(folder.path() / "vocab");
  formats::save_tokenizer_files(folder.path() / "vocab", vocabulary_of(259), 40);
  const ExportRequest request{.source = source, .out = out, .vocab = folder.path() / "vocab"};
  BOOST_TEST(export_model(request).is_new);
  BOOST_TEST(!export_model(request).is_new);
  BOOST_TEST(formats::load_tokenizer_files(out).vocab_size() == 259U);
}

BOOST_AUTO_TEST_CASE(an_export_that_was_damaged_is_made_again) {
  run();
  const auto good = contents(out);
  fs::remove(out / "merges.txt");
  BOOST_TEST(run().is_new);
  std::string bytes = good.at("model.safetensors");
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  std::ofstream(out / "model.safetensors", std::ios::binary) << bytes;
  BOOST_TEST(run().is_new);
  std::ofstream(out / "export.json") << "{}";
  BOOST_TEST(run().is_new);
  BOOST_TEST((contents(out) == good));
}

BOOST_AUTO_TEST_CASE(the_step_of_a_checkpoint_is_told_and_counts) {
  write_manifest(600, {});
  BOOST_TEST(run().step.value() == 600U);
  BOOST_TEST(!run().is_new);
  BOOST_TEST(!fs::exists(out / formats::kCheckpointManifestName));
  write_manifest(700, {});
  BOOST_TEST(run().is_new);
}

BOOST_AUTO_TEST_CASE(a_model_without_vocabulary_is_exported_without_one) {
  for (const auto* name : {"vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json"}) {
    fs::remove(source / name);
  }
  const auto result = run();
  BOOST_TEST(result.is_new);
  BOOST_TEST(!result.has_vocabulary);
  BOOST_TEST(contents(out).size() == 4U);
  BOOST_TEST(!run().is_new);
}

BOOST_AUTO_TEST_CASE(refuses_a_vocabulary_of_another_model) {
  const auto vocab = folder.path() / "vocab";
  fs::create_directory(vocab);
  formats::save_tokenizer_files(vocab, vocabulary_of(261), 40);
  const ExportRequest request{.source = source, .out = out, .vocab = vocab};
  BOOST_CHECK_THROW(export_model(request), formats::ContradictionError);
  // As many tokens, but not those that the checkpoint was trained with.
  formats::save_tokenizer_files(vocab, vocabulary_of(260, 'b'), 40);
  BOOST_TEST(export_model(request).is_new);
  write_manifest(1, formats::tokenizer_fingerprint(vocabulary_of(260)));
  BOOST_CHECK_THROW(export_model(request), formats::ContradictionError);
  BOOST_TEST(run().is_new);
  BOOST_CHECK_THROW(export_model({.source = source, .out = out, .vocab = folder.path() / "none"}),
                    formats::InputError);
}

BOOST_AUTO_TEST_CASE(names_the_tensor_with_a_weight_that_is_not_finite) {
  run();
  const auto before = contents(out);
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    poison("h.1.attn.c_proj.weight", value);
    save();
    BOOST_CHECK_EXCEPTION(run(), formats::InputError, [](const formats::InputError& error) {
      return std::string(error.what()).find("h.1.attn.c_proj.weight") != std::string::npos;
    });
    BOOST_TEST((contents(out) == before));
  }
}

BOOST_AUTO_TEST_CASE(refuses_a_weight_too_large_for_f16) {
  poison("ln_f.bias", 70000.0F);
  save();
  BOOST_CHECK_THROW(run("f16"), formats::UsageError);
  BOOST_TEST(!fs::exists(out));
  BOOST_TEST(run("bf16").is_new);
}

BOOST_AUTO_TEST_CASE(refuses_a_damaged_checkpoint) {
  write_manifest(5, {});
  auto bytes = read_text(source / "model.safetensors");
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  std::ofstream(source / "model.safetensors", std::ios::binary) << bytes;
  BOOST_CHECK_THROW(run(), formats::InputError);
  BOOST_TEST(!fs::exists(out));
}

BOOST_AUTO_TEST_CASE(replaces_nothing_but_an_export) {
  fs::create_directories(out);
  BOOST_TEST(run().is_new);  // an empty folder may be filled
  std::ofstream(out / "README.md") << "mine";
  BOOST_CHECK_THROW(run(), formats::ExistsError);
  BOOST_CHECK_THROW(run("bf16", /*force=*/true), formats::ExistsError);
  BOOST_TEST(read_text(out / "README.md") == "mine");
  fs::remove_all(out);
  fs::create_directories(out);
  std::ofstream(out / "config.json") << "mine";
  BOOST_CHECK_THROW(run("f32", /*force=*/true), formats::ExistsError);
  fs::remove_all(out);
  std::ofstream(out) << "a file";
  BOOST_CHECK_THROW(run(), formats::ExistsError);
  // Nor the model itself, though it be an export.
  BOOST_CHECK_THROW(export_model({.source = source, .out = source}), formats::ExistsError);
  fs::remove_all(out);
  run();
  const auto before = contents(out);
  BOOST_CHECK_THROW(export_model({.source = out, .out = out / ".." / "out", .dtype = "f16"}),
                    formats::ExistsError);
  BOOST_TEST((contents(out) == before));
}

BOOST_AUTO_TEST_CASE(two_exports_to_one_place_do_not_mix) {
  {
    const formats::TemporaryDirectory other(out);
    BOOST_CHECK_THROW(run(), formats::ExistsError);
  }
  BOOST_TEST(run().is_new);
}

BOOST_AUTO_TEST_CASE(makes_the_folders_above_and_takes_a_slash_at_the_end) {
  const auto deep = folder.path() / "a" / "b" / "out" / "";
  BOOST_TEST(export_model({.source = source, .out = deep}).is_new);
  BOOST_TEST(!export_model({.source = source, .out = deep}).is_new);
  BOOST_TEST(fs::exists(deep / "model.safetensors"));
}

BOOST_AUTO_TEST_CASE(every_failed_write_leaves_the_old_export) {
  run();
  const auto before = contents(out);
  int failing = 0;
  for (bool failed = true; failed; ++failing) {
    int calls = 0;
    formats::set_fault_hook([&](std::string_view, const fs::path& path) {
      const bool too_late = path == folder.path();  // its fsync, when the new name stands already
      return !too_late && calls++ == failing ? ENOSPC : 0;
    });
    try {
      run("bf16");
      failed = calls > failing;
    } catch (const formats::IoError&) {
      BOOST_TEST_REQUIRE((contents(out) == before), "call " << failing);
      BOOST_TEST_REQUIRE(!fs::exists(folder.path() / ".tmp-out"), "call " << failing);
    }
    formats::set_fault_hook({});
  }
  BOOST_TEST(failing > 20);
  BOOST_TEST((contents(out) != before));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::convert
