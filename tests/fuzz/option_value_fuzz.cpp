// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A value that an option accepts is the same after it was shown and read again; a whole number is
// what its digits and its unit say.
#include <cmath>
#include <cstdlib>

#include "formats/errors.h"
#include "tests/fuzz/fuzz_target.h"
#include "tools/cli/option_value.h"

namespace gpt2::fuzz {
namespace {

using Words = std::vector<std::string>;

/// Sets `value`; false if it refuses the words.
template <typename Value>
bool accepts(Value& value, const Words& words) {
  try {
    cli::assign(&value, words);
  } catch (const formats::UsageError&) {
    return false;
  }
  return true;
}

template <typename Value>
bool check_value(const Words& words, Value& value) {
  if (!accepts(value, words)) return false;
  Value again{};
  require(accepts(again, cli::words_of(&again, cli::text_of(&value))), "what is shown is accepted");
  require(again == value, "what is shown is the value");
  return true;
}

template <typename Integer>
void check_integer(const std::string& word) {
  Integer value = 0;
  if (!check_value({word}, value)) return;
  char* unit = nullptr;
  long double expected = std::strtold(word.c_str(), &unit);
  for (const char letter : std::string_view("KMG")) {
    if (*unit == '\0') break;
    expected *= unit[1] == 'i' ? 1024 : 1000;
    if (*unit == letter) break;
  }
  // 64 bits of mantissa: the last of 20 digits may be off by one or two.
  require(std::abs(static_cast<long double>(value) - expected) <= 2, "digits times unit");
}

}  // namespace

void check(std::string_view input) {
  const std::string word(input);
  check_integer<std::int64_t>(word);
  check_integer<std::uint64_t>(word);
  check_integer<std::uint32_t>(word);
  check_integer<int>(word);
  double real = 0;
  float single = 0;
  bool truth = false;
  std::string text;
  check_value({word}, real);
  check_value({word}, single);
  check_value({word}, truth);
  require(check_value({word}, text), "a text is any word");
  Words list;
  try {
    check_value(cli::words_of(&list, word), list);
  } catch (const formats::UsageError&) {  // no YAML list
  }
}

}  // namespace gpt2::fuzz
