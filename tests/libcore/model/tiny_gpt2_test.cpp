// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A published model against numbers that transformers computed once. Needs GPT2_TEST_DATA.
#include <simdjson.h>

#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "libcore/model/model_directory.h"
#include "libcore/model/model_weights.h"
#include "libcore/text/tokenizer.h"
#include "tests/libcore/model/model_fixture.h"

namespace gpt2::model {
namespace {

namespace fs = std::filesystem;
using test::SmallModel;

fs::path test_data() {
  const auto* folder = std::getenv("GPT2_TEST_DATA");
  if (folder == nullptr) {
    std::fprintf(stderr, "skipped: GPT2_TEST_DATA is not set\n");
    std::_Exit(77);
  }
  return folder;
}

/// The ids of a case: listed, or the tokens of tinyshakespeare from 1000 on, told by their first
/// ones.
std::vector<std::int32_t> tokens_of(simdjson::dom::element ids, const fs::path& vocabulary) {
  std::vector<std::int32_t> tokens;
  if (ids.is_array()) {
    for (const std::int64_t id : ids) tokens.push_back(static_cast<std::int32_t>(id));
    return tokens;
  }
  std::ifstream file(test_data() / "tinyshakespeare/input.txt", std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  const auto all = text::Tokenizer::load(vocabulary).encode(text.str());
  const auto count = static_cast<std::size_t>(ids["n"].get_uint64().value());
  tokens.assign(all.begin() + 1000, all.begin() + 1000 + static_cast<std::ptrdiff_t>(count));
  std::size_t place = 0;
  for (const std::int64_t id : ids["first"]) BOOST_REQUIRE(tokens[place++] == id);
  return tokens;
}

BOOST_AUTO_TEST_SUITE(tiny_gpt2)

BOOST_AUTO_TEST_CASE(gives_the_losses_and_logits_of_transformers) {
  const auto directory = test_data() / "tiny-gpt2";
  SmallModel small(load_config(directory), 2);
  std::vector<std::string> notices;
  load_weights(open_model_directory(directory, notices), small.model);
  const auto V = static_cast<std::size_t>(small.model.config().vocab_size);
  simdjson::dom::parser parser;
  int case_count = 0;
  for (const auto golden : parser.load((directory / "golden.json").string())["cases"]) {
    auto tokens = tokens_of(golden["ids"], directory);
    std::vector<std::int32_t> targets(tokens.begin() + 1, tokens.end());
    if (static_cast<std::int64_t>(tokens.size()) > small.model.config().context) {
      tokens.pop_back();  // has no place, and is the last target
    } else {
      targets.push_back(-1);
    }
    const auto T = static_cast<std::int64_t>(tokens.size());
    std::vector<float> losses(tokens.size()), logits(tokens.size() * V);
    small.model.losses(tokens, targets, 1, T, losses);
    small.model.logits(tokens, 1, T, logits);

    const auto predicted =
        std::count_if(targets.begin(), targets.end(), [](auto t) { return t >= 0; });
    const double mean =
        std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(predicted);
    BOOST_TEST(std::abs(mean - golden["loss_mean_ce"].get_double()) < 1e-5);
    const auto last = std::span(logits).last(V);
    std::size_t id = 0;
    for (const double expected : golden["logits_last_first8"]) {
      BOOST_TEST(std::abs(last[id++] - expected) < 1e-6);
    }
    const auto top = golden["top5"].get_array().value();
    auto expected = top.begin();
    for (const std::uint64_t top_id : golden["top5_ids"]) {
      BOOST_TEST(std::abs(last[top_id] - (*expected).get_double()) < 1e-6);
      ++expected;
    }
    ++case_count;
  }
  BOOST_TEST(case_count == 3);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::model
