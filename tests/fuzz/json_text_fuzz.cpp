// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Any bytes, quoted, are a JSON text: the same if they are UTF-8. Any double, written, is a JSON
// number of the same bits, or null.
#include <simdjson.h>

#include <bit>
#include <cmath>

#include "formats/byte_codec.h"
#include "formats/json_text.h"
#include "tests/fuzz/fuzz_target.h"

namespace gpt2::fuzz {

void check(std::string_view input) {
  simdjson::dom::parser parser;
  const auto parse = [&parser](std::string_view json) {
    simdjson::dom::element element;
    require(parser.parse(json.data(), json.size()).get(element) == simdjson::SUCCESS,
            "what is written is JSON");
    return element;
  };
  std::string_view text;
  require(parse(formats::json_quote(input)).get(text) == simdjson::SUCCESS, "a quote is a text");
  require(text == input || !simdjson::validate_utf8(input), "UTF-8 is kept");

  if (input.size() < sizeof(double)) return;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(input.data());
  const auto number = std::bit_cast<double>(formats::load_u64(bytes));
  const auto element = parse(formats::json_number(number));
  double found = 0;
  require(std::isfinite(number) == (element.get(found) == simdjson::SUCCESS),
          "a number that is finite, and no other, is written");
  require(!std::isfinite(number) ||
              std::bit_cast<std::uint64_t>(found) == std::bit_cast<std::uint64_t>(number),
          "a number keeps its bits");
}

}  // namespace gpt2::fuzz
