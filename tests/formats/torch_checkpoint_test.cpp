// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/torch_checkpoint.h"

#include <boost/test/unit_test.hpp>

#include "formats/errors.h"
#include "tests/formats/format_fixture.h"
#include "tests/formats/torch_maker.h"

namespace gpt2::formats {
namespace {

namespace fs = std::filesystem;

const fs::path kSamples = fs::path(GPT2_FORMATS_DIR) / "samples";

fs::path sample(const std::string& name) { return kSamples / "accepted" / (name + ".torch"); }

const std::string kRecord("\0\0\x80\x3F\0\0\0\xC0", 8);  // 1, -2

}  // namespace

BOOST_AUTO_TEST_SUITE(torch_checkpoint)

BOOST_AUTO_TEST_CASE(a_state_dict_gives_its_tensors_in_order) {
  const TorchCheckpoint checkpoint(sample("two_tensors"));
  const auto& tensors = checkpoint.tensors();
  BOOST_TEST_REQUIRE(tensors.size() == 2U);
  BOOST_TEST(tensors[0].name == "a");
  BOOST_TEST(tensors[0].shape == (std::vector<std::int64_t>{2}), boost::test_tools::per_element());
  BOOST_TEST(tensors[1].shape == (std::vector<std::int64_t>{2, 1}),
             boost::test_tools::per_element());
  BOOST_TEST(checkpoint.read_as_floats(tensors[0]) == (std::vector<float>{1, -2}),
             boost::test_tools::per_element());
  BOOST_TEST(checkpoint.read_as_floats(tensors[1]) == (std::vector<float>{0.5, 3}),
             boost::test_tools::per_element());
  BOOST_TEST(!checkpoint.setting("n_head"));
}

BOOST_AUTO_TEST_CASE(settings_are_found_in_a_dict_and_in_an_object) {
  for (const auto* name : {"settings_of_nanogpt", "settings_in_an_object"}) {
    const TorchCheckpoint checkpoint(sample(name));
    BOOST_TEST(checkpoint.tensors().size() == 2U);
    BOOST_TEST(checkpoint.setting("n_head").value_or(0) == 2);
    BOOST_TEST(checkpoint.setting("bias").value_or(1) == 0);
    BOOST_TEST(!checkpoint.setting("block_size"));
  }
}

BOOST_AUTO_TEST_CASE(tensors_share_a_storage) {
  const TorchCheckpoint checkpoint(sample("views_of_one_storage"));
  std::vector<std::vector<float>> values;
  for (const auto& tensor : checkpoint.tensors()) {
    values.push_back(checkpoint.read_as_floats(tensor));
  }
  BOOST_TEST((values == std::vector<std::vector<float>>{{1, -2}, {-2}, {}, {1}}));
}

BOOST_AUTO_TEST_CASE(a_storage_of_several_pieces_is_read_from_any_element) {
  constexpr std::int32_t kElements = 600'001;  // 2.3 MiB
  std::string record;
  for (std::int32_t i = 0; i < kElements; ++i) record += kRecord.substr(i % 2 * 4, 4);
  const TemporaryFolder folder;
  write_file(folder / "a.pt", torch_file(pickled_state({{"a",
                                                         {.record_elements = kElements,
                                                          .first_element = 3,
                                                          .shape = {kElements - 4},
                                                          .strides = {1}}}}),
                                         {record}));
  const TorchCheckpoint checkpoint(folder / "a.pt");
  const auto values = checkpoint.read_as_floats(checkpoint.tensors()[0]);
  BOOST_TEST_REQUIRE(values.size() == kElements - 4U);
  for (std::size_t i = 0; i < values.size(); ++i) {
    BOOST_TEST_REQUIRE(values[i] == (i % 2 == 0 ? -2.0F : 1.0F));
  }
}

BOOST_AUTO_TEST_CASE(nothing_that_a_pickle_names_is_run) {
  const TemporaryFolder folder;
  const auto witness = (folder / "witness").string();
  const auto call = pickled_name("os", "system") + "(" + pickled_text("touch " + witness) + "tR";
  write_file(
      folder / "a.pt",
      torch_file(pickled_dict(
                     {{"model", pickled_state(
                                    {{"a", {.record_elements = 2, .shape = {2}, .strides = {1}}}})},
                      {"config", call}}),
                 {kRecord}));
  BOOST_TEST(TorchCheckpoint(folder / "a.pt").tensors().size() == 1U);
  BOOST_TEST(!fs::exists(witness));
}

BOOST_AUTO_TEST_CASE(a_value_that_holds_itself_is_read) {
  const TemporaryFolder folder;
  write_file(folder / "a.pt", torch_file("}q\1X" + std::string("\5\0\0\0modelh\1s", 12), {}));
  BOOST_TEST(
      contains(error_of<InputError>([&] { TorchCheckpoint(folder / "a.pt"); }), "no state dict"));
}

BOOST_AUTO_TEST_CASE(every_cut_of_a_file_is_refused) {
  const TemporaryFolder folder;
  const auto whole = read_file(sample("settings_of_nanogpt"));
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    write_file(folder / "a.pt", whole.substr(0, bytes));
    BOOST_REQUIRE_THROW(TorchCheckpoint(folder / "a.pt"), InputError);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::formats
