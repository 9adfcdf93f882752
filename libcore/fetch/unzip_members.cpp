// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/fetch/unzip_members.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <string_view>

#include "formats/durable_file.h"
#include "formats/errors.h"
#include "formats/input_file.h"
#include "formats/zip_archive.h"

namespace gpt2::fetch {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path, const formats::ZipArchive::Member& member) {
  if (!fs::is_regular_file(path)) return false;
  const formats::InputFile file(path);
  if (file.bytes() != member.bytes) return false;
  std::vector<std::uint8_t> piece(1 << 20);
  auto crc = crc32(0, nullptr, 0);
  for (std::uint64_t offset = 0; offset < file.bytes(); offset += piece.size()) {
    piece.resize(std::min<std::uint64_t>(piece.size(), file.bytes() - offset));
    file.read(offset, piece);
    crc = crc32(crc, piece.data(), static_cast<uInt>(piece.size()));
  }
  return crc == member.crc32;
}

}  // namespace

void unzip_members(const fs::path& archive, const std::vector<std::string>& members,
                   const fs::path& folder, std::uint64_t most_bytes) {
  const formats::ZipArchive opened(archive);
  for (const auto& name : members) {
    const auto member = opened.member(name);
    if (member.bytes > most_bytes) {
      throw formats::InputError(
          fmt::format("{}: {}: has {} bytes unpacked; more than {} are not taken", archive.string(),
                      name, member.bytes, most_bytes));
    }
    const auto path = folder / fs::path(name).filename();
    if (is_there(path, member)) continue;
    formats::DurableFile file(path);
    opened.read(name, [&file](std::string_view bytes) { file.write(bytes); });
    file.commit();
  }
}

}  // namespace gpt2::fetch
