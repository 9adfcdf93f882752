// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// copy_tokenizer FROM TO: reads a tokenizer and writes it in all forms, for the Python peers to
// read.
#include <cstdio>
#include <exception>

#include "formats/tokenizer_files.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: copy_tokenizer FROM TO\n", stderr);
    return 64;
  }
  try {
    gpt2::formats::save_tokenizer_files(argv[2], gpt2::formats::load_tokenizer_files(argv[1]),
                                        1024);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "copy_tokenizer: %s\n", error.what());
    return 65;
  }
  return 0;
}
