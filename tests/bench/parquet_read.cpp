// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// parquet_read COLUMN FILE: reads all texts of a column; prints their bytes and the seconds it
// took. Run by parquet_speed.py.
#include <fmt/format.h>

#include <ctime>
#include <exception>

#include "formats/parquet.h"

int main(int argc, char** argv) try {
  if (argc != 3) {
    fmt::print(stderr, "usage: parquet_read COLUMN FILE\n");
    return 64;
  }
  const std::clock_t start = std::clock();
  gpt2::formats::ParquetTextReader reader(gpt2::formats::InputFile(argv[2]), argv[1]);
  std::uint64_t bytes = 0;
  for (std::string_view text; reader.next(text);) bytes += text.size();
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  fmt::print("{} {:.6f}\n", bytes, seconds);
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "parquet_read: {}\n", error.what());
  return 1;
}
