// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A config.json that is accepted gives the same shape when it is written again.
#include "formats/errors.h"
#include "libcore/model/gpt2_config.h"
#include "tests/fuzz/fuzz_target.h"

namespace gpt2::fuzz {

void check(std::string_view input) {
  model::Gpt2Config config;
  try {
    config = model::decode_config(input, "config.json");
  } catch (const formats::InputError&) {
    return;
  }
  config.check();
  const auto written = model::encode_config(config, "float32");
  require(model::decode_config(written, "config.json") == config, "the same shape comes back");
}

}  // namespace gpt2::fuzz
