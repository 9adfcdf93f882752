// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// How much memory this process has held at most, as Linux counts it.
#pragma once

#include <cstddef>
#include <fstream>
#include <stdexcept>
#include <string>

namespace gpt2::support {

/// From here on the peak counts anew, where the system allows it.
inline void reset_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

/// Units: bytes of resident memory. Throws: std::runtime_error where /proc does not tell.
inline std::size_t peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::size_t kibibytes = 0;
    if (word == "VmHWM:" && status >> kibibytes) return kibibytes * 1024;
  }
  throw std::runtime_error("/proc/self/status has no VmHWM");
}

}  // namespace gpt2::support
