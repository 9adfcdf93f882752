// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// parquet_probe: shows parquet_files.py what formats/parquet.h reads.
//
//   parquet_probe COLUMN FILE...
//
// One line a file: "texts nulls sha256" of the texts, each behind its length as u32, or
// "refused: " and why, as JSON text.
#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "formats/byte_codec.h"
#include "formats/digest.h"
#include "formats/errors.h"
#include "formats/json_text.h"
#include "formats/parquet.h"

namespace gpt2::formats {
namespace {

std::string describe(const char* path, std::string_view column) try {
  ParquetTextReader reader(InputFile(path), column);
  Digest digest;
  std::uint64_t text_count = 0;
  for (std::string_view text; reader.next(text); ++text_count) {
    std::uint8_t length[4];
    store_u32(length, static_cast<std::uint32_t>(text.size()));
    digest.update({reinterpret_cast<const char*>(length), sizeof length}).update(text);
  }
  return fmt::format("{} {} {}", text_count, reader.null_count(), digest.hex());
} catch (const InputError& error) {
  return fmt::format("refused: {}", json_quote(error.what()));
}

}  // namespace
}  // namespace gpt2::formats

int main(int argc, char** argv) try {
  for (int i = 2; i < argc; ++i) {
    fmt::print("{}\n", gpt2::formats::describe(argv[i], argv[1]));
    std::fflush(stdout);
  }
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "parquet_probe: {}\n", error.what());
  return 1;
}
