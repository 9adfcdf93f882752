// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Items that are accepted come back equal when they are written again.
#include "formats/errors.h"
#include "formats/eval_items.h"
#include "tests/fuzz/fuzz_target.h"

namespace gpt2::fuzz {

void check(std::string_view input) {
  formats::EvalItems read;
  try {
    read = formats::decode_eval_items(input, "input");
  } catch (const formats::FormatError&) {
    return;
  }
  std::string text = formats::encode_eval_identity(read.identity) + "\n";
  for (const auto& item : read.items) {
    for (const auto& [convention, choices] : item.choices) {
      require(item.label < choices.sums.size(), "the label is one of the choices");
      require(choices.likeliest_by_length() < choices.sums.size(), "a choice is chosen");
    }
    text += formats::encode_eval_item(item) + "\n";
  }
  const auto again = formats::decode_eval_items(text, "output");
  require(again.identity == read.identity, "the same identity comes back");
  require(again.items == read.items, "the same items come back");
}

}  // namespace gpt2::fuzz
