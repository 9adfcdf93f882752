// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/llmc.h"

#include <boost/test/unit_test.hpp>
#include <numeric>

#include "formats/errors.h"
#include "tests/formats/format_fixture.h"

namespace gpt2::formats {
namespace {

constexpr LlmcModelHeader kHeader{
    .context = 5, .vocab_size = 7, .layers = 2, .heads = 1, .channels = 3, .padded_vocab_size = 9};

/// Whole numbers that tell the parameter and the element, exact in both types.
std::vector<float> values_of(std::size_t tensor, std::uint64_t element_count) {
  std::vector<float> values(element_count);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(static_cast<int>((tensor * 37 + i) % 251) - 125);
  }
  return values;
}

void write_model(const std::filesystem::path& path, const LlmcModelHeader& header) {
  LlmcModelWriter writer(path, header);
  for (std::size_t i = 0; i < writer.tensors().size(); ++i) {
    writer.write(values_of(i, writer.tensors()[i].element_count()));
  }
  writer.commit();
}

float stored_float(const std::string& bytes, std::size_t element) {
  float value = 0;
  std::memcpy(&value, bytes.data() + kLlmcHeaderBytes + 4 * element, 4);
  return value;
}

std::string error_of_header(std::size_t offset, std::uint32_t value, std::uint64_t file_bytes) {
  auto bytes = encode_llmc_model_header(kHeader);
  for (int i = 0; i < 4; ++i) bytes[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
  return error_of<FormatError>([&] { decode_llmc_model_header(bytes, file_bytes, "a.bin"); });
}

struct ModelFixture {
  ModelFixture() { write_model(path, kHeader); }
  TemporaryFolder folder;
  const std::filesystem::path path = folder / "model.bin";
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(llmc, ModelFixture)

BOOST_AUTO_TEST_CASE(what_is_written_is_read) {
  for (const auto type : {FloatType::kF32, FloatType::kBF16}) {
    auto header = kHeader;
    header.type = type;
    write_model(path, header);
    const LlmcModelReader reader(path);
    BOOST_TEST((reader.header() == header));
    for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
      const auto& tensor = reader.tensors()[i];
      BOOST_TEST((reader.read(tensor) == values_of(i, tensor.element_count())), tensor.name);
    }
  }
}

BOOST_AUTO_TEST_CASE(tensors_follow_each_other_by_kind_and_layer_up_to_the_end) {
  const LlmcModelReader reader(path);
  std::uint64_t offset = kLlmcHeaderBytes;
  std::string names;
  for (const auto& tensor : reader.tensors()) {
    BOOST_TEST(tensor.offset == offset);
    offset += 4 * (tensor.element_count() + tensor.padding_elements);
    names += tensor.name + " ";
  }
  BOOST_TEST(offset == read_file(path).size());
  BOOST_TEST(
      names.starts_with("wte.weight wpe.weight h.0.ln_1.weight h.1.ln_1.weight h.0.ln_1.bias "));
  BOOST_TEST(names.ends_with("h.1.mlp.c_proj.bias ln_f.weight ln_f.bias "));
  BOOST_TEST(reader.tensors().size() == 2 + 12 * 2 + 2U);
}

// GPT-2 has 124,439,808 parameters, and 47 rows of zeros in llm.c's file.
BOOST_AUTO_TEST_CASE(the_file_of_gpt2_has_the_size_that_llmc_gives_it) {
  const LlmcModelHeader gpt2{.context = 1024,
                             .vocab_size = 50257,
                             .layers = 12,
                             .heads = 12,
                             .channels = 768,
                             .padded_vocab_size = 50304};
  const auto bytes = encode_llmc_model_header(gpt2);
  BOOST_TEST((decode_llmc_model_header(bytes, 497'904'640, "a") == gpt2));
  const auto error =
      error_of<FormatError>([&] { decode_llmc_model_header(bytes, 497'904'639, "a"); });
  BOOST_TEST(contains(error, "497904640"), error);
}

BOOST_AUTO_TEST_CASE(rows_that_pad_the_vocabulary_are_zero) {
  const auto bytes = read_file(path);
  const auto wte = values_of(0, 7 * 3);
  for (std::size_t i = 0; i < 9 * 3; ++i) {
    BOOST_TEST(stored_float(bytes, i) == (i < wte.size() ? wte[i] : 0.0F));
  }
}

BOOST_AUTO_TEST_CASE(matrices_are_stored_out_by_in) {
  const auto bytes = read_file(path);
  const LlmcModelReader reader(path);
  const auto& tensor = reader.tensors()[6];
  BOOST_TEST(tensor.name == "h.0.attn.c_attn.weight");
  const auto values = reader.read(tensor);  // [3, 9]
  const auto first = (tensor.offset - kLlmcHeaderBytes) / 4;
  for (std::size_t in = 0; in < 3; ++in) {
    for (std::size_t out = 0; out < 9; ++out) {
      BOOST_TEST(stored_float(bytes, first + out * 3 + in) == values[in * 9 + out]);
    }
  }
}

BOOST_AUTO_TEST_CASE(refuses_every_wrong_field_by_its_name) {
  const auto bytes = read_file(path).size();
  BOOST_TEST(contains(error_of_header(0, 20240520, bytes), "a.bin: byte 0, magic: is 20240520"));
  BOOST_TEST(contains(error_of_header(4, 1, bytes), "version: is 1"));
  for (const auto& [offset, name] :
       std::vector<std::pair<std::size_t, std::string>>{{8, "max_seq_len"},
                                                        {12, "vocab_size"},
                                                        {16, "num_layers"},
                                                        {20, "num_heads"},
                                                        {24, "channels"},
                                                        {28, "padded_vocab_size"}}) {
    for (const std::uint32_t count : {0U, 524289U, 0x80000000U, 0xFFFFFFFFU}) {
      BOOST_TEST(contains(error_of_header(offset, count, bytes), name + ": is "), name << count);
    }
  }
  BOOST_TEST(contains(error_of_header(28, 6, bytes), "less than the 7 tokens"));
  for (const std::size_t offset : {32, 500, 1020}) {
    BOOST_TEST(contains(error_of_header(offset, 1, bytes), "reserved"));
  }
}

// The largest counts together: no size overflows, and no memory is asked for them.
BOOST_AUTO_TEST_CASE(refuses_counts_beyond_the_file_before_it_makes_room) {
  for (const std::size_t offset : {8, 12, 16, 24, 28}) {
    BOOST_TEST(contains(error_of_header(offset, 524288, 1 << 20), "a.bin: byte "));
  }
  LlmcModelHeader most{.context = 524288,
                       .vocab_size = 524288,
                       .layers = 524288,
                       .heads = 1,
                       .channels = 524288,
                       .padded_vocab_size = 524288};
  const auto bytes = encode_llmc_model_header(most);
  const auto error = error_of<FormatError>([&] { decode_llmc_model_header(bytes, 5000, "a"); });
  BOOST_TEST(contains(error, "its header makes it 6917545520319693824"), error);
}

BOOST_AUTO_TEST_CASE(refuses_a_file_of_another_size) {
  const auto bytes = read_file(path);
  for (const auto& other : {bytes.substr(0, bytes.size() - 1), bytes + "x", bytes.substr(0, 1024),
                            bytes.substr(0, 1023), std::string()}) {
    write_file(path, other);
    BOOST_CHECK_THROW(LlmcModelReader{path}, FormatError);
  }
  BOOST_CHECK_THROW(LlmcModelReader{folder / "none"}, InputError);
}

BOOST_AUTO_TEST_CASE(is_known_by_its_first_bytes) {
  BOOST_TEST(begins_as_llmc_model(path));
  write_file(folder / "other", "12345678");
  write_file(folder / "short", "12");
  for (const auto* name : {"other", "short", "none", "."}) {
    BOOST_TEST(!begins_as_llmc_model(folder / name), name);
  }
}

BOOST_AUTO_TEST_CASE(an_unfinished_model_is_never_seen) {
  const auto other = folder / "other.bin";
  LlmcModelWriter writer(other, kHeader);
  BOOST_CHECK_THROW(writer.write(std::vector<float>(20)), UsageError);
  writer.write(values_of(0, 21));
  BOOST_CHECK_THROW(writer.commit(), UsageError);
  BOOST_TEST(!std::filesystem::exists(other));
  auto header = kHeader;
  header.type = FloatType::kF16;
  BOOST_CHECK_THROW(encode_llmc_model_header(header), UsageError);
  header = kHeader;
  header.layers = 0;
  BOOST_CHECK_THROW(encode_llmc_model_header(header), UsageError);
}

BOOST_AUTO_TEST_CASE(the_tokenizer_has_the_bytes_of_every_token) {
  TokenizerFiles files;
  files.token_bytes = {std::string(1, '\0'), "ab", "<|endoftext|>"};
  files.special_tokens = {{"<|endoftext|>", 2}};
  BOOST_TEST((encode_llmc_tokenizer(files) ==
              read_file(std::filesystem::path(GPT2_FORMATS_DIR) / "samples" / "written" /
                        "three_tokens.llmc_tokenizer")));
  files.token_bytes[0] = std::string(255, 'a');
  BOOST_TEST(encode_llmc_tokenizer(files).size() == 1024 + 256 + 3 + 14U);
  files.token_bytes[0] += 'a';
  BOOST_CHECK_THROW(encode_llmc_tokenizer(files), UsageError);
  files.token_bytes[0].clear();
  BOOST_CHECK_THROW(encode_llmc_tokenizer(files), UsageError);
  files.token_bytes[0] = "a";
  files.special_tokens.clear();
  BOOST_CHECK_THROW(encode_llmc_tokenizer(files), UsageError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::formats
