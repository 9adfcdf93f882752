// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// make_samples DIR: writes the files of formats/samples into DIR.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/formats/sample_files.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: make_samples DIR\n", stderr);
    return 64;
  }
  for (const auto& [name, bytes] : gpt2::formats::sample_files()) {
    const auto path = std::filesystem::path(argv[1]) / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream out(path, std::ios::binary);
    out << bytes;
    if (!out.flush()) {
      std::fprintf(stderr, "make_samples: cannot write %s\n", path.c_str());
      return 74;
    }
  }
  return 0;
}
