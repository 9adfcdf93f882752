// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/fetch/unzip_members.h"

#include <fmt/format.h>
#include <zip.h>
#include <zlib.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "formats/durable_file.h"
#include "formats/errors.h"
#include "formats/input_file.h"

namespace gpt2::fetch {
namespace {

namespace fs = std::filesystem;
using formats::InputError;

constexpr std::size_t kPieceBytes = 1 << 20;

struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
using Archive = std::unique_ptr<zip_t, Discard>;

Archive open_archive(const fs::path& path) {
  int code = 0;
  Archive archive(zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code));
  if (archive == nullptr) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string words = zip_error_strerror(&error);
    zip_error_fini(&error);
    throw InputError(fmt::format("{}: cannot be read as a zip archive: {}", path.string(), words));
  }
  return archive;
}

/// One member of an archive, being read.
class Member {
 public:
  Member(zip_t* archive, std::string place, const std::string& name)
      : archive_(archive), place_(std::move(place)) {
    zip_stat_init(&status_);
    constexpr zip_uint64_t kNeeded = ZIP_STAT_SIZE | ZIP_STAT_CRC;
    if (zip_stat(archive, name.c_str(), ZIP_FL_ENC_RAW, &status_) != 0) {
      throw InputError(fmt::format("{}: is not in the archive", place_));
    }
    if ((status_.valid & kNeeded) != kNeeded) {
      throw InputError(fmt::format("{}: the archive does not say its size and CRC-32", place_));
    }
  }
  std::uint64_t bytes() const { return status_.size; }
  std::uint32_t crc() const { return status_.crc; }
  /// Gives its bytes, piece by piece, to `take`. libzip compares their CRC-32 at the end.
  template <typename Take>
  void read(const Take& take) const {
    const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(
        zip_fopen_index(archive_, status_.index, 0), zip_fclose);
    if (file == nullptr) fail(zip_strerror(archive_));
    std::string piece(kPieceBytes, '\0');
    std::uint64_t total = 0;
    for (;;) {
      const auto got = zip_fread(file.get(), piece.data(), piece.size());
      if (got < 0) fail(zip_file_strerror(file.get()));
      if (got == 0) break;
      total += static_cast<std::uint64_t>(got);
      if (total > bytes()) break;
      take(std::string_view(piece.data(), static_cast<std::size_t>(got)));
    }
    if (total != bytes()) fail("its size is not what the archive says");
  }

 private:
  [[noreturn]] void fail(std::string_view words) const {
    throw InputError(fmt::format("{}: cannot be unpacked: {}", place_, words));
  }
  zip_t* archive_;
  std::string place_;  // for errors: archive and name
  zip_stat_t status_{};
};

bool is_there(const fs::path& path, const Member& member) {
  if (!fs::is_regular_file(path)) return false;
  const formats::InputFile file(path);
  if (file.bytes() != member.bytes()) return false;
  std::vector<std::uint8_t> piece(kPieceBytes);
  auto crc = crc32(0, nullptr, 0);
  for (std::uint64_t offset = 0; offset < file.bytes(); offset += piece.size()) {
    piece.resize(std::min<std::uint64_t>(piece.size(), file.bytes() - offset));
    file.read(offset, piece);
    crc = crc32(crc, piece.data(), static_cast<uInt>(piece.size()));
  }
  return crc == member.crc();
}

}  // namespace

void unzip_members(const fs::path& archive, const std::vector<std::string>& members,
                   const fs::path& folder, std::uint64_t most_bytes) {
  const auto opened = open_archive(archive);
  for (const auto& name : members) {
    const auto place = fmt::format("{}: {}", archive.string(), name);
    const Member member(opened.get(), place, name);
    if (member.bytes() > most_bytes) {
      throw InputError(fmt::format("{}: has {} bytes unpacked; more than {} are not taken", place,
                                   member.bytes(), most_bytes));
    }
    const auto path = folder / fs::path(name).filename();
    if (is_there(path, member)) continue;
    formats::DurableFile file(path);
    member.read([&file](std::string_view bytes) { file.write(bytes); });
    file.commit();
  }
}

}  // namespace gpt2::fetch
