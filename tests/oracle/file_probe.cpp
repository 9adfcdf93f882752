// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// file_probe: shows damaged_files.py what the project reads out of one file.
//
//   file_probe packed FILE | safetensors FILE | zip FILE MEMBER
//
// Packed text and a member of an archive: its bytes. Safetensors: a line "name dtype shape sha256"
// for each tensor. Refused files: exit 65, and why on stderr.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <exception>
#include <string_view>
#include <vector>

#include "formats/decompression.h"
#include "formats/digest.h"
#include "formats/errors.h"
#include "formats/safetensors.h"
#include "libcore/fetch/unzip_members.h"
#include "tests/support/temporary_folder.h"

namespace gpt2 {
namespace {

constexpr std::uint64_t kMostUnpackedBytes = std::uint64_t{16} << 20;

void print(std::span<const std::uint8_t> bytes) {
  std::fwrite(bytes.data(), 1, bytes.size(), stdout);
}

void show_packed(const char* path) {
  const auto source = formats::open_byte_source(path);
  std::vector<std::uint8_t> bytes(1 << 16);
  for (std::size_t got = bytes.size(); got == bytes.size();) {
    got = source->read(bytes);
    print(std::span(bytes).first(got));
  }
}

void show_tensors(const char* path) {
  const formats::SafetensorsReader reader{std::filesystem::path(path)};
  for (const auto& entry : reader.entries()) {
    std::vector<std::uint8_t> bytes(entry.end - entry.begin);
    reader.read(entry, 0, bytes);
    formats::Digest digest;
    digest.update({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    fmt::print("{} {} {} {}\n", entry.name, entry.dtype, entry.shape, digest.hex());
  }
}

void show_member(const char* path, const char* member) {
  const support::TemporaryFolder folder;
  fetch::unzip_members(path, {member}, folder.path(), kMostUnpackedBytes);
  show_packed((folder / std::filesystem::path(member).filename().string()).c_str());
}

}  // namespace
}  // namespace gpt2

int main(int argc, char** argv) try {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  if (words.size() == 2 && words[0] == "packed") {
    gpt2::show_packed(argv[2]);
  } else if (words.size() == 2 && words[0] == "safetensors") {
    gpt2::show_tensors(argv[2]);
  } else if (words.size() == 3 && words[0] == "zip") {
    gpt2::show_member(argv[2], argv[3]);
  } else {
    return 64;
  }
  return 0;
} catch (const gpt2::formats::InputError& error) {
  fmt::print(stderr, "file_probe: {}\n", error.what());
  return 65;
} catch (const std::exception& error) {
  fmt::print(stderr, "file_probe: {}\n", error.what());
  return 70;
}
