// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/zip_archive.h"

#include <fmt/format.h>
#include <zip.h>

#include <algorithm>
#include <utility>

#include "formats/errors.h"

namespace gpt2::formats {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;

[[noreturn]] void fail(const std::string& place, std::string_view words) {
  throw InputError(fmt::format("{}: cannot be unpacked: {}", place, words));
}

}  // namespace

void ZipArchive::Discard::operator()(zip* archive) const { zip_discard(archive); }

ZipArchive::ZipArchive(std::filesystem::path path) : path_(std::move(path)) {
  int code = 0;
  archive_.reset(zip_open(path_.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code));
  if (archive_ != nullptr) return;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string words = zip_error_strerror(&error);
  zip_error_fini(&error);
  throw InputError(fmt::format("{}: cannot be read as a zip archive: {}", path_.string(), words));
}

std::string ZipArchive::place_of(const std::string& name) const {
  return fmt::format("{}: {}", path_.string(), name);
}

std::vector<std::string> ZipArchive::names() const {
  std::vector<std::string> names;
  const auto count = zip_get_num_entries(archive_.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const char* name = zip_get_name(archive_.get(), static_cast<zip_uint64_t>(i), ZIP_FL_ENC_RAW);
    if (name != nullptr) names.emplace_back(name);
  }
  return names;
}

bool ZipArchive::contains(const std::string& name) const {
  return zip_name_locate(archive_.get(), name.c_str(), ZIP_FL_ENC_RAW) >= 0;
}

ZipArchive::Member ZipArchive::member(const std::string& name) const {
  zip_stat_t status;
  zip_stat_init(&status);
  constexpr zip_uint64_t kNeeded = ZIP_STAT_SIZE | ZIP_STAT_CRC | ZIP_STAT_COMP_METHOD;
  if (zip_stat(archive_.get(), name.c_str(), ZIP_FL_ENC_RAW, &status) != 0) {
    throw InputError(fmt::format("{}: is not in the archive", place_of(name)));
  }
  if ((status.valid & kNeeded) != kNeeded) {
    throw InputError(
        fmt::format("{}: the archive does not say its size and CRC-32", place_of(name)));
  }
  return {
      .bytes = status.size, .crc32 = status.crc, .is_packed = status.comp_method != ZIP_CM_STORE};
}

void ZipArchive::read(const std::string& name,
                      const std::function<void(std::string_view)>& take) const {
  const auto expected = member(name);
  const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(
      zip_fopen(archive_.get(), name.c_str(), ZIP_FL_ENC_RAW), zip_fclose);
  if (file == nullptr) fail(place_of(name), zip_strerror(archive_.get()));
  std::string piece(std::clamp<std::uint64_t>(expected.bytes, 1, kPieceBytes), '\0');
  std::uint64_t total = 0;
  for (;;) {
    const auto got = zip_fread(file.get(), piece.data(), piece.size());
    if (got < 0) fail(place_of(name), zip_file_strerror(file.get()));
    if (got == 0) break;
    total += static_cast<std::uint64_t>(got);
    if (total > expected.bytes) break;
    take(std::string_view(piece.data(), static_cast<std::size_t>(got)));
  }
  if (total != expected.bytes) fail(place_of(name), "its size is not what the archive says");
}

}  // namespace gpt2::formats
