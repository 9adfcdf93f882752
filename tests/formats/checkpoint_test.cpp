// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/checkpoint.h"

#include <fmt/format.h>

#include <boost/test/unit_test.hpp>
#include <limits>

#include "formats/crc32c.h"
#include "formats/errors.h"
#include "tests/formats/format_fixture.h"

namespace gpt2::formats {
namespace {

CheckpointManifest sample_manifest() {
  CheckpointManifest manifest;
  manifest.step = 20;
  manifest.epoch = 1.25;
  manifest.sequences_consumed = 160;
  manifest.seed = 42;
  manifest.slots = 8;
  manifest.rank_count = 2;
  manifest.written_at = "2026-01-02T03:04:05Z";
  manifest.host = "a \"host\"";
  manifest.validation_loss = 3.5;
  manifest.tokenizer = fingerprint_from_hex("00112233445566778899aabbccddeeff");
  manifest.training_data = {{"a_train_000001.bin", 1000, 0x01020304, false},
                            {"foreign.bin", 5, 0xFFFFFFFF, true}};
  manifest.configuration = {{"batch-size", "4"}, {"learning-rate", "0.0006"}};
  manifest.state = {{"loss_scale", 65536}, {"small", 1e-300}};
  manifest.files = {{"model.safetensors", 7, crc32c("weights", 7)}};
  manifest.tensors = {{"model.safetensors", "wte.exp_avg", 10, 20, 0xDEADBEEF}};
  return manifest;
}

std::string sample() { return encode_checkpoint_manifest(sample_manifest()); }

// As long as those that are written: at least 4 KiB.
std::string long_sample() {
  auto manifest = sample_manifest();
  for (std::uint32_t shard = 2; shard < 20; ++shard) {
    manifest.training_data.push_back(
        {fmt::format("a_train_{:06}.bin", shard), 1000 + shard, 77777 * shard, false});
  }
  for (std::uint32_t tensor = 1; tensor < 20; ++tensor) {
    manifest.tensors.push_back(
        {"model.safetensors", fmt::format("h.{}.ln_1.weight", tensor), 0, 64, 0xDEADBEEF ^ tensor});
  }
  auto text = encode_checkpoint_manifest(manifest);
  BOOST_TEST_REQUIRE(text.size() >= 4096U);
  return text;
}

std::string replaced(std::string text, std::string_view part, std::string_view by) {
  const auto place = text.find(part);
  BOOST_REQUIRE_MESSAGE(place != std::string::npos, "nothing to replace: " << part);
  return text.replace(place, part.size(), by);
}

// The text with a right crc32c again.
std::string sealed(const std::string& text) {
  const auto covered = text.substr(0, text.rfind("\"crc32c\": \""));
  return fmt::format("{}\"crc32c\": \"{:08x}\"\n}}\n", covered,
                     crc32c(covered.data(), covered.size()));
}

std::string error_in(const std::string& text) {
  return error_of<FormatError>([&] { decode_checkpoint_manifest(text, "checkpoint.json"); });
}
std::string error_after(std::string_view part, std::string_view by) {
  return error_in(sealed(replaced(sample(), part, by)));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(checkpoint)

BOOST_AUTO_TEST_CASE(what_is_written_reads_back) {
  const auto read = decode_checkpoint_manifest(sample(), "checkpoint.json");
  BOOST_TEST(encode_checkpoint_manifest(read) == sample());
  BOOST_TEST(read.step == 20U);
  BOOST_TEST(read.epoch == 1.25);
  BOOST_TEST(read.host == "a \"host\"");
  BOOST_TEST(read.validation_loss.value() == 3.5);
  BOOST_TEST(read.training_data.size() == 2U);
  BOOST_TEST(read.training_data[1].foreign);
  BOOST_TEST(read.configuration.at("learning-rate") == "0.0006");
  BOOST_TEST(read.state.at("small") == 1e-300);
  BOOST_TEST(read.files[0].name == "model.safetensors");
  BOOST_TEST(read.tensors[0].first_element == 10U);
  BOOST_TEST(read.tensors[0].crc32c == 0xDEADBEEFU);
}

BOOST_AUTO_TEST_CASE(an_empty_manifest_reads_back) {
  const auto text = encode_checkpoint_manifest({});
  const auto read = decode_checkpoint_manifest(text, "checkpoint.json");
  BOOST_TEST(encode_checkpoint_manifest(read) == text);
  BOOST_TEST(!read.validation_loss.has_value());
}

BOOST_AUTO_TEST_CASE(numbers_that_json_cannot_hold) {
  auto manifest = sample_manifest();
  manifest.validation_loss = std::numeric_limits<double>::quiet_NaN();
  BOOST_TEST(!decode_checkpoint_manifest(encode_checkpoint_manifest(manifest), "x")
                  .validation_loss.has_value());
  manifest.state["bad"] = std::numeric_limits<double>::infinity();
  BOOST_CHECK_THROW(encode_checkpoint_manifest(manifest), UsageError);
}

BOOST_AUTO_TEST_CASE(what_is_too_long_to_be_read_is_not_written) {
  auto manifest = sample_manifest();
  manifest.configuration["text"] = std::string(16'000'000, 'a');
  BOOST_CHECK_THROW(encode_checkpoint_manifest(manifest), UsageError);
}

// One case for each row of the table in formats/checkpoint.md.
BOOST_AUTO_TEST_CASE(every_key_is_checked) {
  BOOST_TEST(error_in(sealed(sample())) == "no error");
  BOOST_TEST(contains(error_after("\"format_version\": 1", "\"format_version\": 2"),
                      "checkpoint.json: format_version: is 2, this build reads 1"));
  for (const auto* key :
       {"format_version", "step", "epoch", "sequences_consumed", "seed", "order_version", "slots",
        "rank_count", "written_at", "host", "validation_loss", "tokenizer", "configuration",
        "state", "training_data", "files", "tensors"}) {
    const auto quoted = fmt::format("\"{}\":", key);
    BOOST_TEST(contains(error_after(quoted, "\"x\":"), fmt::format("{}: is missing", key)));
    const auto wrong = fmt::format("\"{0}\": {{}}, \"x\":", key);
    if (std::string_view(key) == "configuration" || std::string_view(key) == "state") continue;
    BOOST_TEST(contains(error_after(quoted, wrong), fmt::format("{}: is not a", key)));
  }
  BOOST_TEST(contains(error_after("\"step\": 20", "\"step\": -1"), "step: is not a whole number"));
  BOOST_TEST(contains(error_after("\"seed\": 42", "\"seed\": 4294967296"), "seed: does not fit"));
  BOOST_TEST(contains(error_after("00112233", "0011223"), "is not 32 hexadecimal digits"));
  BOOST_TEST(contains(error_after("\"batch-size\": \"4\"", "\"batch-size\": 4"),
                      "configuration.batch-size: is not a text"));
  BOOST_TEST(contains(error_after("\"loss_scale\": 65536", "\"loss_scale\": null"),
                      "state.loss_scale: is not a number"));
  BOOST_TEST(contains(error_after("\"01020304\"", "\"0102030G\""), "training_data[0].crc32c"));
  BOOST_TEST(contains(error_after("\"01020304\"", "\"1020304\""), "training_data[0].crc32c"));
  BOOST_TEST(contains(error_after("\"foreign\": false", "\"foreign\": 0"),
                      "training_data[0].foreign: is not true or false"));
  BOOST_TEST(contains(error_after("\"bytes\": 7", "\"bytes\": -7"), "files[0].bytes"));
  BOOST_TEST(contains(error_after("\"file\": \"model.safetensors\"", "\"file\": \"other\""),
                      "tensors[0].file: \"other\" is not among the files"));
  BOOST_TEST(contains(error_after("\"first_element\": 10", "\"first_element\": 1.5"),
                      "tensors[0].first_element"));
  BOOST_TEST(
      contains(error_after("\"host\": ", "\"step\": 3, \"host\": "), "\"step\": is there twice"));
}

BOOST_AUTO_TEST_CASE(file_names_stay_inside_the_folder) {
  for (const auto* name : {"", ".", "..", "../x", "/etc/passwd", "a/b", "a\\u0000b"}) {
    BOOST_TEST(contains(
        error_after("\"name\": \"model.safetensors\"", fmt::format("\"name\": \"{}\"", name)),
        "files[0].name: "));
  }
}

BOOST_AUTO_TEST_CASE(every_change_of_one_bit_of_a_long_one_is_found) {
  const auto good = long_sample();
  auto text = good;
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      text[i] = static_cast<char>(good[i] ^ (1 << bit));
      BOOST_REQUIRE_THROW(decode_checkpoint_manifest(text, "x"), FormatError);
    }
    text[i] = good[i];
  }
}

BOOST_AUTO_TEST_CASE(every_change_of_one_byte_is_found) {
  const auto good = sample();
  auto text = good;
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (int change = 1; change < 256; ++change) {
      text[i] = static_cast<char>(good[i] ^ change);
      BOOST_REQUIRE_THROW(decode_checkpoint_manifest(text, "x"), FormatError);
    }
    text[i] = good[i];
  }
}

BOOST_AUTO_TEST_CASE(every_truncation_and_extension_is_found) {
  const auto good = long_sample();
  for (std::size_t bytes = 0; bytes < good.size(); ++bytes) {
    BOOST_REQUIRE_THROW(decode_checkpoint_manifest(good.substr(0, bytes), "x"), FormatError);
  }
  for (const auto* tail : {"\n", " ", "x", "{}"}) {
    BOOST_CHECK_THROW(decode_checkpoint_manifest(good + tail, "x"), FormatError);
  }
}

BOOST_AUTO_TEST_CASE(text_that_is_no_manifest_is_refused_even_with_its_crc) {
  BOOST_TEST(contains(error_in(""), "crc32c"));
  BOOST_TEST(contains(error_in("{}"), "crc32c"));
  BOOST_TEST(contains(error_in(sealed("[ \"crc32c\": \"")), "is no valid JSON"));
  const auto nested = std::string(100'000, '[') + "\"crc32c\": \"";
  BOOST_TEST(contains(error_in(sealed(nested)), "is no valid JSON"));
}

BOOST_AUTO_TEST_CASE(verify_finds_every_change_of_a_file) {
  const TemporaryFolder folder;
  const auto manifest = sample_manifest();
  const auto verify = [&] { verify_checkpoint(folder.path(), manifest); };
  BOOST_TEST(contains(error_of<InputError>(verify), "model.safetensors: no such file"));
  write_file(folder / "model.safetensors", "weights");
  verify();
  for (const auto* changed : {"Weights", "weight", "weights!", ""}) {
    write_file(folder / "model.safetensors", changed);
    BOOST_TEST(contains(error_of<FormatError>(verify), "model.safetensors: "));
  }
}

BOOST_AUTO_TEST_CASE(describe_file_gives_what_verify_compares) {
  const TemporaryFolder folder;
  const std::string large(3'000'000, 'x');
  write_file(folder / "a", large);
  const auto file = describe_file(folder.path(), "a");
  BOOST_TEST(file.name == "a");
  BOOST_TEST(file.bytes == large.size());
  BOOST_TEST(file.crc32c == crc32c(large.data(), large.size()));
  BOOST_CHECK_THROW(describe_file(folder.path(), "b"), InputError);
}

BOOST_AUTO_TEST_CASE(a_manifest_loads_from_its_folder) {
  const TemporaryFolder folder;
  BOOST_TEST(contains(error_of<InputError>([&] { load_checkpoint_manifest(folder.path()); }),
                      "checkpoint.json: no such file"));
  write_file(folder / "checkpoint.json", sample());
  BOOST_TEST(load_checkpoint_manifest(folder.path()).step == 20U);
  std::filesystem::resize_file(folder / "checkpoint.json", std::uint64_t{1} << 40);  // sparse
  BOOST_TEST(contains(error_of<FormatError>([&] { load_checkpoint_manifest(folder.path()); }),
                      "size: is 1099511627776 bytes"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::formats
