// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A fuzz target is one function over the bytes of an input. libFuzzer calls it with the inputs that
// it invents (libfuzzer_entry.cpp); every build calls it with those that are stored
// (replay_main.cpp).
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

namespace gpt2::fuzz {

/// Defined by each target: reads `input` as its format and requires what holds for all inputs.
/// What the reader refuses by its own error is well; any other exception is a finding.
void check(std::string_view input);

/// A promise that an input breaks.
class Finding : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};
/// Throws: Finding, unless `promise_holds`.
inline void require(bool promise_holds, const char* promise) {
  if (!promise_holds) throw Finding(promise);
}

/// A folder for the files of the input at hand, the same for every input of this process.
const std::filesystem::path& scratch_folder();
/// Writes a file into it and gives its path.
std::string write_scratch_file(std::string_view name, std::string_view bytes);
/// All bytes of a file.
std::string read_whole(const std::filesystem::path& path);

}  // namespace gpt2::fuzz
