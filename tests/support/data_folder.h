// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Real data to test with: the folder that GPT2_TEST_DATA names.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <iostream>

namespace gpt2::support {

inline std::filesystem::path data_folder() {
  const char* folder = std::getenv("GPT2_TEST_DATA");
  return folder == nullptr ? "" : folder;
}

/// As BOOST_TEST_GLOBAL_FIXTURE: without the folder the whole program is skipped, visibly.
struct DataFolder {
  DataFolder() {
    if (!data_folder().empty()) return;
    std::cout << "skipped: GPT2_TEST_DATA is not set\n";
    std::exit(77);
  }
};

}  // namespace gpt2::support
