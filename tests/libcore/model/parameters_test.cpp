// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/model/parameters.h"

#include <boost/test/unit_test.hpp>

#include "formats/errors.h"
#include "libcore/model/gpt2_config.h"

namespace gpt2::model {
namespace {

BOOST_AUTO_TEST_SUITE(gpt2_config)

BOOST_AUTO_TEST_CASE(refuses_shapes_that_are_no_gpt2) {
  const auto refused = [](auto change) {
    Gpt2Config config;
    change(config);
    BOOST_CHECK_THROW(config.check(), formats::UsageError);
  };
  BOOST_CHECK_NO_THROW(Gpt2Config{}.check());
  refused([](Gpt2Config& c) { c.vocab_size = 0; });
  refused([](Gpt2Config& c) { c.vocab_size = 65537; });
  refused([](Gpt2Config& c) { c.context = 0; });
  refused([](Gpt2Config& c) { c.layers = -1; });
  refused([](Gpt2Config& c) { c.layers = std::int64_t{1} << 40; });
  refused([](Gpt2Config& c) { c.heads = 0; });
  refused([](Gpt2Config& c) { c.heads = 7; });
  refused([](Gpt2Config& c) { c.channels = 0; });
  refused([](Gpt2Config& c) { c.ffn_channels = -5; });
  refused([](Gpt2Config& c) { c.layer_norm_epsilon = 0; });
}

BOOST_AUTO_TEST_CASE(an_unknown_name_is_answered_with_the_four) {
  BOOST_CHECK_EXCEPTION(
      named_config("gpt3"), formats::UsageError, [](const formats::UsageError& error) {
        return std::string(error.what()).find("gpt2, gpt2-medium, gpt2-large, gpt2-xl") !=
               std::string::npos;
      });
}

BOOST_AUTO_TEST_CASE(four_times_the_channels_is_the_default_inner_size) {
  Gpt2Config given;
  given.ffn_channels = 4 * given.channels;
  BOOST_TEST((given == Gpt2Config{}));
  given.ffn_channels = 3 * given.channels;
  BOOST_TEST((given != Gpt2Config{}));
}

BOOST_AUTO_TEST_SUITE_END()
BOOST_AUTO_TEST_SUITE(parameter_table)

BOOST_AUTO_TEST_CASE(counts_the_parameters_of_the_four_sizes) {
  const std::vector<std::int64_t> counts{124'439'808, 354'823'168, 774'030'080, 1'557'611'200};
  BOOST_REQUIRE(config_names().size() == counts.size());
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto config = named_config(config_names()[i]);
    const ParameterTable table(config);
    BOOST_TEST(table.parameter_count() == counts[i]);
    BOOST_TEST(table.parameters().size() == static_cast<std::size_t>(12 * config.layers + 4));
  }
}

BOOST_AUTO_TEST_CASE(tensors_are_aligned_and_do_not_overlap) {
  const Gpt2Config config{
      .vocab_size = 150, .context = 9, .layers = 3, .heads = 5, .channels = 35, .ffn_channels = 71};
  const ParameterTable table(config);
  std::int64_t end = 0;
  for (const auto& parameter : table.parameters()) {
    BOOST_TEST(parameter.offset % 16 == 0);
    BOOST_TEST(parameter.offset >= end);
    end = parameter.offset + parameter.element_count;
  }
  BOOST_TEST(table.buffer_elements() >= end);
  BOOST_TEST(table.at("wpe.weight").offset >= 256 * 35);  // room for the padded vocabulary
}

BOOST_AUTO_TEST_CASE(names_shapes_and_order_are_those_of_hugging_face) {
  const ParameterTable table({.vocab_size = 150,
                              .context = 9,
                              .layers = 1,
                              .heads = 2,
                              .channels = 6,
                              .ffn_channels = 10});
  const std::vector<std::pair<std::string, std::vector<std::int64_t>>> expected{
      {"wte.weight", {150, 6}},
      {"wpe.weight", {9, 6}},
      {"h.0.ln_1.weight", {6}},
      {"h.0.ln_1.bias", {6}},
      {"h.0.attn.c_attn.weight", {6, 18}},
      {"h.0.attn.c_attn.bias", {18}},
      {"h.0.attn.c_proj.weight", {6, 6}},
      {"h.0.attn.c_proj.bias", {6}},
      {"h.0.ln_2.weight", {6}},
      {"h.0.ln_2.bias", {6}},
      {"h.0.mlp.c_fc.weight", {6, 10}},
      {"h.0.mlp.c_fc.bias", {10}},
      {"h.0.mlp.c_proj.weight", {10, 6}},
      {"h.0.mlp.c_proj.bias", {6}},
      {"ln_f.weight", {6}},
      {"ln_f.bias", {6}}};
  BOOST_REQUIRE(table.parameters().size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto& parameter = table.parameters()[i];
    BOOST_TEST(parameter.name == "transformer." + expected[i].first);
    BOOST_TEST(parameter.shape == expected[i].second, boost::test_tools::per_element());
    BOOST_TEST(parameter.decayed() == (expected[i].second.size() == 2));
    BOOST_TEST(&table.at(expected[i].first) == &parameter);
    BOOST_TEST(&table.at(parameter.name) == &parameter);
  }
  BOOST_TEST(table.find("h.1.ln_1.weight") == nullptr);
  BOOST_CHECK_THROW(table.at("lm_head.weight"), formats::UsageError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::model
