// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// fuzz_FORMAT LIST: runs a target over the files that LIST names, one a line. Exit 1 and a line for
// each that is a finding.
#include <sys/resource.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <string>

#include "tests/fuzz/fuzz_target.h"

namespace {

// An input that asks for gigabytes is a finding. (AddressSanitizer maps terabytes for itself.)
void limit_memory() {
#ifndef __SANITIZE_ADDRESS__
  constexpr rlim_t kMostBytes = rlim_t{1} << 30;
  const rlimit limit{.rlim_cur = kMostBytes, .rlim_max = kMostBytes};
  ::setrlimit(RLIMIT_AS, &limit);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: fuzz_FORMAT LIST\n", stderr);
    return 64;
  }
  limit_memory();
  std::ifstream list(argv[1]);
  int input_count = 0, finding_count = 0;
  for (std::string path; std::getline(list, path); ++input_count) {
    try {
      gpt2::fuzz::check(gpt2::fuzz::read_whole(path));
    } catch (const std::exception& finding) {
      std::fprintf(stderr, "%s: %s\n", path.c_str(), finding.what());
      ++finding_count;
    }
  }
  std::fprintf(stderr, "%d inputs, %d findings\n", input_count, finding_count);
  return input_count > 0 && finding_count == 0 ? 0 : 1;
}
