// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tests/fuzz/fuzz_target.h"

#include <fstream>
#include <iterator>

#include "tests/support/temporary_folder.h"

namespace gpt2::fuzz {

const std::filesystem::path& scratch_folder() {
  static const support::TemporaryFolder folder;
  return folder.path();
}

std::string write_scratch_file(std::string_view name, std::string_view bytes) {
  const auto path = scratch_folder() / name;
  std::ofstream out(path, std::ios::binary);
  out << bytes;
  if (!out.flush()) throw std::runtime_error("cannot write " + path.string());
  return path.string();
}

std::string read_whole(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace gpt2::fuzz
