// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A model file that is accepted comes back equal when it is written again, but for the rows that
// pad its vocabulary.
#include <cmath>

#include "formats/errors.h"
#include "formats/llmc.h"
#include "tests/fuzz/fuzz_target.h"

namespace gpt2::fuzz {
namespace {

using namespace formats;

bool holds_nan(const std::vector<float>& values) {
  for (const float value : values) {
    if (std::isnan(value)) return true;  // its bits need not come back
  }
  return false;
}

}  // namespace

void check(std::string_view input) {
  const auto path = write_scratch_file("model.bin", input);
  try {
    const LlmcModelReader reader(path);
    const auto copy = scratch_folder() / "copy.bin";
    LlmcModelWriter writer(copy, reader.header());
    for (const auto& tensor : reader.tensors()) writer.write(reader.read(tensor));
    writer.commit();
    require(begins_as_llmc_model(path), "an accepted file is known by its first bytes");
    const LlmcModelReader again(copy);
    require(again.header() == reader.header(), "the same header comes back");
    for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
      const auto before = reader.read(reader.tensors()[i]), after = again.read(again.tensors()[i]);
      require(holds_nan(before) || before == after, "a tensor keeps its values");
    }
  } catch (const FormatError&) {
  }
}

}  // namespace gpt2::fuzz
