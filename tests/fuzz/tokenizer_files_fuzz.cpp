// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A tokenizer that is accepted, from tokenizer.json or from a vocabulary with merges, has the same
// fingerprint when it is written in both forms and read again.
#include <array>

#include "formats/errors.h"
#include "formats/tokenizer_files.h"
#include "tests/fuzz/fuzz_target.h"

namespace gpt2::fuzz {
namespace {

using namespace formats;

void check_folder(const std::filesystem::path& folder) {
  TokenizerFiles files;
  try {
    files = load_tokenizer_files(folder);
  } catch (const InputError&) {
    return;
  }
  const auto copy = scratch_folder() / "copy";
  std::filesystem::create_directory(copy);
  save_tokenizer_files(copy, files, 1024);
  require(tokenizer_fingerprint(load_tokenizer_files(copy)) == tokenizer_fingerprint(files),
          "the same tokenizer comes back");
}

/// Writes the parts of `input`, which zero bytes divide, to files of these names.
template <std::size_t count>
void check_files(std::string_view input, const std::array<const char*, count>& names) {
  const auto folder = scratch_folder() / "tokenizer";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  for (const auto* name : names) {
    const auto part = input.substr(0, input.find('\0'));
    input.remove_prefix(std::min(part.size() + 1, input.size()));
    write_scratch_file(std::string("tokenizer/") + name, part);
    if (input.empty()) break;
  }
  check_folder(folder);
}

}  // namespace

void check(std::string_view input) {
  if (input.find('\0') == std::string_view::npos) {
    check_files<1>(input, {"tokenizer.json"});
  } else {
    check_files<4>(input,
                   {"vocab.json", "merges.txt", "added_tokens.json", "tokenizer_config.json"});
  }
}

}  // namespace gpt2::fuzz
