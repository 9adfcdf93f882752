// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Models in files of torch.save: nanoGPT's, build-nanogpt's, and Hugging Face's pytorch_model.bin.
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "formats/errors.h"
#include "formats/stored_floats.h"
#include "libcore/model/model_directory.h"
#include "libcore/model/model_weights.h"
#include "tests/formats/torch_maker.h"
#include "tests/libcore/model/model_fixture.h"

namespace gpt2::model {
namespace {

namespace fs = std::filesystem;
using test::SmallModel;

bool is_matrix_of_layer(std::string_view name) {
  return name.find(".h.") != name.npos && name.find(".c_") != name.npos &&
         name.ends_with(".weight");
}

/// A tensor as one writer or another keeps it.
struct Stored {
  std::string name;
  std::vector<std::int32_t> shape;
  std::vector<float> values;
};

struct TorchFixture {
  TorchFixture() : small(config()) { small.roughen(); }
  static Gpt2Config config() {
    auto config = test::odd_config();
    config.end_of_text = static_cast<std::uint32_t>(config.vocab_size - 1);
    config.layer_norm_epsilon = 1e-5F;
    return config;
  }
  /// The weights by Hugging Face's names behind `prefix`; with `is_linear`, matrices are [out, in].
  std::vector<Stored> stored(const std::string& prefix, bool is_linear) const {
    std::vector<Stored> tensors;
    for (const auto& parameter : small.model.table().parameters()) {
      Stored tensor{.name = prefix + parameter.name,
                    .shape = {parameter.shape.begin(), parameter.shape.end()},
                    .values = small.stored(parameter.name)};
      if (is_linear && is_matrix_of_layer(parameter.name)) {
        tensor.values =
            formats::transposed(tensor.values, static_cast<std::size_t>(tensor.shape[0]),
                                static_cast<std::size_t>(tensor.shape[1]));
        std::swap(tensor.shape[0], tensor.shape[1]);
      }
      tensors.push_back(std::move(tensor));
    }
    return tensors;
  }
  /// Writes them as a state dict; `around` makes of its instructions those of the whole value.
  template <typename Around>
  void write(const std::vector<Stored>& tensors, const Around& around) const {
    std::vector<std::string> records, numbers;
    for (const auto& tensor : tensors) {
      std::string bytes(4 * tensor.values.size(), '\0');
      std::memcpy(bytes.data(), tensor.values.data(), bytes.size());
      numbers.push_back(std::to_string(records.size()));
      records.push_back(std::move(bytes));
    }
    std::vector<std::pair<std::string_view, formats::MadeTensor>> made;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      std::vector<std::int32_t> strides(tensors[i].shape.size(), 1);
      if (strides.size() == 2) strides[0] = tensors[i].shape[1];
      made.emplace_back(tensors[i].name,
                        formats::MadeTensor{
                            .record = numbers[i],
                            .record_elements = static_cast<std::int32_t>(tensors[i].values.size()),
                            .shape = tensors[i].shape,
                            .strides = strides});
    }
    std::ofstream(path, std::ios::binary)
        << formats::torch_file(around(formats::pickled_state(made)), records);
  }
  void write_nanogpt(const std::vector<Stored>& tensors, int heads = 3) const {
    write(tensors, [&](const std::string& state) {
      return formats::pickled_dict(
          {{"model", state},
           {"model_args", formats::pickled_dict({{"n_head", formats::pickled_number(heads)}})}});
    });
  }
  ModelDirectory opened(const fs::path& given) const {
    std::vector<std::string> notices;
    return open_model_directory(given, notices);
  }
  void check_equal(const fs::path& given) const {
    BOOST_TEST((load_config(given) == config()));
    SmallModel other(load_config(given));
    load_weights(opened(given), other.model);
    for (const auto& parameter : small.model.table().parameters()) {
      BOOST_TEST((other.stored(parameter.name) == small.stored(parameter.name)), parameter.name);
    }
  }
  void check_refused(const std::vector<std::string>& words) const {
    const auto load = [&] {
      SmallModel other(config());
      load_weights(opened(path), other.model);
    };
    BOOST_CHECK_EXCEPTION(load(), formats::InputError, [&](const auto& error) {
      return std::all_of(words.begin(), words.end(), [&](const std::string& word) {
        return std::string_view(error.what()).find(word) != std::string_view::npos;
      });
    });
  }

  test::TemporaryFolder folder;
  const fs::path path = folder.path() / "ckpt.pt";
  SmallModel small;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(torch_file, TorchFixture)

BOOST_AUTO_TEST_CASE(of_nanogpt_is_a_model_whose_matrices_are_transposed) {
  write_nanogpt(stored("", true));
  check_equal(path);
  write_nanogpt(stored("_orig_mod.", true));  // of torch.compile
  check_equal(path);
}

BOOST_AUTO_TEST_CASE(of_build_nanogpt_has_its_heads_in_an_object) {
  write(stored("", true), [&](const std::string& state) {
    return formats::pickled_dict(
        {{"model", state},
         {"config", formats::pickled_name("__main__", "GPTConfig") + ")\x81" +
                        formats::pickled_dict({{"n_head", formats::pickled_number(3)}}) + "b"}});
  });
  check_equal(path);
}

BOOST_AUTO_TEST_CASE(without_biases_has_biases_of_zero) {
  auto tensors = stored("", true);
  std::erase_if(tensors, [](const Stored& tensor) { return tensor.name.ends_with(".bias"); });
  write_nanogpt(tensors);
  SmallModel other(load_config(path));
  load_weights(opened(path), other.model);
  for (const auto& parameter : small.model.table().parameters()) {
    const auto expected = parameter.name.ends_with(".bias")
                              ? std::vector<float>(small.stored(parameter.name).size())
                              : small.stored(parameter.name);
    BOOST_TEST((other.stored(parameter.name) == expected), parameter.name);
  }
  tensors.push_back(stored("", true)[3]);  // a single bias is no such model
  BOOST_TEST_REQUIRE(tensors.back().name == "transformer.h.0.ln_1.bias");
  write_nanogpt(tensors);
  check_refused({"lack", "transformer.h.0.attn.c_attn.bias"});
}

BOOST_AUTO_TEST_CASE(of_hugging_face_stands_beside_its_config) {
  save_model(folder.path(), small.model);
  fs::remove(folder.path() / "model.safetensors");
  write(stored("", false), [](const std::string& state) { return state; });
  fs::rename(path, folder.path() / "pytorch_model.bin");
  check_equal(folder.path());
  fs::rename(folder.path() / "pytorch_model.bin",
             folder.path() / "pytorch_model-00001-of-00001.bin");
  std::ofstream index(folder.path() / "pytorch_model.bin.index.json");
  index << R"({"weight_map": {)";
  std::string comma;
  for (const auto& parameter : small.model.table().parameters()) {
    index << comma << '"' << parameter.name << R"(": "pytorch_model-00001-of-00001.bin")";
    comma = ", ";
  }
  index << "}}";
  index.close();
  check_equal(folder.path());
}

BOOST_AUTO_TEST_CASE(is_refused_by_name_when_it_is_no_whole_gpt2) {
  write(stored("", true), [](const std::string& state) { return state; });
  check_refused({"ckpt.pt", "how many heads", "pytorch_model.bin"});
  write_nanogpt(stored("", true), 2);
  check_refused({"ckpt.pt", "2 heads"});
  auto tensors = stored("", true);
  tensors.pop_back();
  write_nanogpt(tensors);
  check_refused({"lack", "transformer.ln_f.bias"});
  tensors = stored("", true);
  for (auto& tensor : tensors) {
    if (tensor.name == "transformer.h.1.mlp.c_fc.weight")
      std::swap(tensor.shape[0], tensor.shape[1]);
  }
  write_nanogpt(tensors);
  check_refused({"h.1.mlp.c_fc.weight", "[21, 50]", "[50, 21] by the other tensors"});
  tensors = stored("", true);
  tensors.push_back({.name = "transformer.h.0.attn.rotary", .shape = {1}, .values = {1}});
  write_nanogpt(tensors);
  check_refused({"rotary", "does not have"});
  tensors.back() = {.name = "transformer.h.0.attn.bias", .shape = {1}, .values = {1}};  // a mask
  write_nanogpt(tensors);
  check_equal(path);
  tensors.back() = {
      .name = "lm_head.weight", .shape = tensors[0].shape, .values = tensors[0].values};
  write_nanogpt(tensors);
  check_equal(path);
  tensors.back().values[5] += 1;
  write_nanogpt(tensors);
  check_refused({"lm_head.weight", "differs from transformer.wte.weight"});
  tensors = stored("", true);
  tensors[0].values[7] = std::numeric_limits<float>::infinity();
  write_nanogpt(tensors);
  check_refused({"transformer.wte.weight", "element 7"});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::model
