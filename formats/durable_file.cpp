// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/durable_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>
#include <vector>

#include "formats/errors.h"
#include "formats/file_descriptor.h"
#include "formats/input_file.h"
#include "formats/temporary_path.h"

namespace gpt2::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

FaultHook& fault_hook() {
  static FaultHook hook;
  return hook;
}

// One system call, repeated while a signal interrupts it; the hook may fail it.
template <typename Call>
auto attempt(std::string_view name, const fs::path& path, Call call) {
  for (;;) {
    auto result = decltype(call()){-1};
    const int fault = fault_hook() ? fault_hook()(name, path) : 0;
    if (fault == 0) {
      result = call();
    } else {
      errno = fault;
    }
    if (result >= 0 || errno != EINTR) return result;
  }
}

FileDescriptor open_file(const fs::path& path, int flags) {
  return FileDescriptor(
      attempt("open", path, [&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0666); }));
}

int sync_descriptor(const FileDescriptor& descriptor, const fs::path& path) {
  return attempt("fsync", path, [&] { return ::fsync(descriptor.number()); });
}

int rename_path(const fs::path& from, const fs::path& to, unsigned flags) {
  return attempt("rename", to,
                 [&] { return ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags); });
}

// The kernel or the file system does not have the flag of renameat2.
bool lacks_flag(int code) { return code == EINVAL || code == ENOSYS || code == EOPNOTSUPP; }

fs::path parent_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// The last part of `path`.
std::string name_to_write(const fs::path& path) {
  std::string name = path.filename().string();
  if (name.empty() || name == "." || name == "..") {
    throw UsageError(fmt::format("'{}' does not end in a name to write to", path.string()));
  }
  return name;
}

// `.tmp-NAME` beside `path`.
fs::path temporary_beside(const fs::path& path) {
  return path.parent_path() / (".tmp-" + name_to_write(path));
}

void refuse_unless_file_or_nothing(const fs::path& path) {
  const auto type = fs::symlink_status(path).type();
  if (type != fs::file_type::not_found && type != fs::file_type::regular &&
      type != fs::file_type::symlink) {
    throw ExistsError(fmt::format("{}: exists and is not a regular file", path.string()));
  }
}

// Locks `descriptor`; false if another process has it. A file system without locks counts as free.
bool lock_if_free(const FileDescriptor& descriptor) {
  return ::flock(descriptor.number(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

// Is `path` still the file that was opened? Another writer may have renamed or removed it since.
bool is_still_named(const FileDescriptor& descriptor, const fs::path& path) {
  struct stat opened {
  }, named{};
  return ::fstat(descriptor.number(), &opened) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

[[noreturn]] void throw_in_use(const fs::path& final_path) {
  throw ExistsError(fmt::format("{}: is being written by another process", final_path.string()));
}

// The file at `path`, made if missing, that this descriptor alone has locked: what a killed writer
// left there, never what a live one is at.
FileDescriptor open_alone(const fs::path& path, const fs::path& final_path) {
  for (;;) {
    auto file = open_file(path, O_WRONLY | O_CREAT | O_NOFOLLOW);
    if (!file.is_open()) throw_io_error(final_path.string(), "opening for writing");
    if (!lock_if_free(file)) throw_in_use(final_path);
    if (is_still_named(file, path)) return file;
  }
}

// The same for a folder, which is emptied after `rescue`.
FileDescriptor open_directory_alone(const fs::path& path, const fs::path& final_path,
                                    const std::function<void(const fs::path&)>& rescue) {
  for (;;) {
    const auto make = [&] { return ::mkdir(path.c_str(), 0777); };
    const bool is_made = attempt("mkdir", path, make) == 0;
    if (!is_made && errno != EEXIST) throw_io_error(final_path.string(), "making the folder");
    auto directory = open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!directory.is_open()) {
      const int code = errno;
      if (is_made) ::rmdir(path.c_str());
      errno = code;
      if (code == ENOENT) continue;
      throw_io_error(path.string(), "open");
    }
    if (!lock_if_free(directory)) throw_in_use(final_path);
    if (!is_still_named(directory, path)) continue;
    if (rescue) rescue(path);
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(path, error)) {
      if (!error) fs::remove_all(entry.path(), error);
    }
    if (error) throw IoError(fmt::format("{}: remove: {}", path.string(), error.message()));
    return directory;
  }
}

// fsync of a folder and of every folder in it; its files are synced by their writers.
void sync_tree(const fs::path& directory) {
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_directory() && !entry.is_symlink()) sync_directory(entry.path());
  }
  sync_directory(directory);
}

// False: errno says why not.
bool empty_file(const FileDescriptor& file, const fs::path& path) {
  return attempt("truncate", path, [&] { return ::ftruncate(file.number(), 0); }) == 0;
}

// Writes all of `bytes` at `offset`; false: errno says why not.
bool write_whole(const FileDescriptor& file, const fs::path& path, std::string_view bytes,
                 std::uint64_t offset) {
  while (!bytes.empty()) {
    const auto written = attempt("write", path, [&] {
      return ::pwrite(file.number(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    });
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return true;
}

// Like rename(2), but fails with EEXIST if `to` is there.
int rename_to_new(const fs::path& from, const fs::path& to) {
  if (rename_path(from, to, RENAME_NOREPLACE) == 0) return 0;
  if (!lacks_flag(errno)) return -1;
  if (attempt("link", to, [&] { return ::link(from.c_str(), to.c_str()); }) != 0) return -1;
  ::unlink(from.c_str());
  return 0;
}

}  // namespace

void set_fault_hook(FaultHook hook) { fault_hook() = std::move(hook); }

void rename_file(const fs::path& from, const fs::path& to) {
  if (rename_path(from, to, 0) != 0) throw_io_error(to.string(), "rename");
}

void sync_directory(const fs::path& directory) {
  const auto descriptor = open_file(directory, O_RDONLY | O_DIRECTORY);
  if (!descriptor.is_open()) throw_io_error(directory.string(), "open");
  if (sync_descriptor(descriptor, directory) != 0) throw_io_error(directory.string(), "fsync");
}

DurableFile::DurableFile(fs::path path) : path_(std::move(path)) {
  const auto temporary = temporary_beside(path_);
  refuse_unless_file_or_nothing(path_);
  buffer_.reserve(kBufferBytes);
  const auto lock = lock_temporary_paths();
  descriptor_ = open_alone(temporary, path_);
  temporary_.claim(temporary);
  if (!empty_file(descriptor_, temporary)) fail("truncate");
}

DurableFile::~DurableFile() { give_up(); }

void DurableFile::give_up() noexcept {
  if (!descriptor_.is_open()) return;
  const auto lock = lock_temporary_paths();
  ::unlink(temporary_.path().c_str());  // before close, which gives up the lock
  temporary_.forget();
  descriptor_.close();
}

void DurableFile::fail(std::string_view action) {
  const int code = errno;
  give_up();
  errno = code;
  throw_io_error(path_.string(), action);
}

void DurableFile::check_open() const {
  if (!descriptor_.is_open()) {
    throw IoError(fmt::format("{}: cannot be written any more after it failed or was finished",
                              path_.string()));
  }
}

void DurableFile::write_through(std::string_view bytes, std::uint64_t offset) {
  if (!write_whole(descriptor_, path_, bytes, offset)) fail("write");
}

void DurableFile::flush() {
  write_through(buffer_, bytes_written_ - buffer_.size());
  buffer_.clear();
}

void DurableFile::write(std::string_view text) {
  check_open();
  if (buffer_.size() + text.size() > kBufferBytes) flush();
  if (text.size() < kBufferBytes) {
    buffer_ += text;
  } else {
    write_through(text, bytes_written_);
  }
  bytes_written_ += text.size();
}

void DurableFile::write(std::span<const std::uint8_t> bytes) {
  write(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void DurableFile::write_at(std::uint64_t offset, std::span<const std::uint8_t> bytes) {
  check_open();
  if (offset > bytes_written_ || bytes.size() > bytes_written_ - offset) {
    throw UsageError(fmt::format("{}: bytes {} to {} are not all written yet", path_.string(),
                                 offset, offset + bytes.size()));
  }
  flush();
  write_through({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, offset);
}

void DurableFile::commit(bool replace) {
  check_open();
  flush();
  if (sync_descriptor(descriptor_, path_) != 0) fail("fsync");
  {
    const auto lock = lock_temporary_paths();
    const auto& temporary = temporary_.path();
    const int renamed =
        replace ? rename_path(temporary, path_, 0) : rename_to_new(temporary, path_);
    if (renamed != 0) {
      if (errno != EEXIST) fail("rename");
      give_up();
      throw ExistsError(fmt::format("{}: exists already", path_.string()));
    }
    temporary_.forget();
    descriptor_.close();
  }
  sync_directory(parent_of(path_));
}

PartialFile::PartialFile(fs::path path)
    : path_(std::move(path)), part_(path_.parent_path() / (name_to_write(path_) + ".part")) {
  refuse_unless_file_or_nothing(path_);
  refuse_unless_file_or_nothing(part_);
  descriptor_ = open_alone(part_, path_);
  struct stat status {};
  if (::fstat(descriptor_.number(), &status) != 0) throw_io_error(part_.string(), "stat");
  bytes_ = static_cast<std::uint64_t>(status.st_size);
}

PartialFile::~PartialFile() {
  if (bytes_ == 0) remove();
}

void PartialFile::append(std::string_view bytes) {
  if (!write_whole(descriptor_, part_, bytes, bytes_)) throw_io_error(part_.string(), "write");
  bytes_ += bytes.size();
}

void PartialFile::restart() {
  if (!empty_file(descriptor_, part_)) throw_io_error(part_.string(), "truncate");
  bytes_ = 0;
}

void PartialFile::remove() noexcept {
  if (descriptor_.is_open()) ::unlink(part_.c_str());  // before close, which gives up the lock
  descriptor_.close();
}

void PartialFile::commit(bool replace) {
  if (sync_descriptor(descriptor_, part_) != 0) throw_io_error(part_.string(), "fsync");
  if ((replace ? rename_path(part_, path_, 0) : rename_to_new(part_, path_)) != 0) {
    if (errno != EEXIST) throw_io_error(path_.string(), "rename");
    throw ExistsError(fmt::format("{}: exists already", path_.string()));
  }
  descriptor_.close();
  sync_directory(parent_of(path_));
}

TemporaryDirectory::TemporaryDirectory(const fs::path& path,
                                       const std::function<void(const fs::path&)>& rescue) {
  const auto temporary = temporary_beside(path);
  const auto lock = lock_temporary_paths();
  descriptor_ = open_directory_alone(temporary, path, rescue);
  temporary_.claim(temporary);
}

void TemporaryDirectory::remove() noexcept {
  if (!descriptor_.is_open()) return;
  const auto lock = lock_temporary_paths();
  std::error_code ignored;  // what stays is removed by the next writer of this name
  fs::remove_all(path(), ignored);
  release();
}

void TemporaryDirectory::release() noexcept {
  temporary_.forget();
  descriptor_.close();
}

DurableDirectory::DurableDirectory(fs::path path)
    : path_(path.has_filename() ? std::move(path) : path.parent_path()), building_(path_) {}

void DurableDirectory::commit() {
  sync_tree(building_.path());
  {
    const auto lock = lock_temporary_paths();
    const auto type = fs::symlink_status(path_).type();
    if (type == fs::file_type::directory) {
      replace();
    } else if (type != fs::file_type::not_found) {
      throw ExistsError(fmt::format("{}: exists and is not a folder", path_.string()));
    } else {
      if (rename_path(building_.path(), path_, 0) != 0) throw_io_error(path_.string(), "rename");
      building_.release();
    }
  }
  sync_directory(parent_of(path_));
  building_.remove();
}

// Afterwards `building_` is the old folder, or nothing.
void DurableDirectory::replace() {
  // Locked while it has its old name, so that no other writer takes it for a left-over.
  auto old = open_file(path_, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!old.is_open()) throw_io_error(path_.string(), "open");
  if (!lock_if_free(old)) throw_in_use(path_);
  if (rename_path(building_.path(), path_, RENAME_EXCHANGE) == 0) {
    building_.descriptor_ = std::move(old);
    return;
  }
  if (!lacks_flag(errno)) throw_io_error(path_.string(), "rename");
  // Without the flag there is a moment without the name; a crash then leaves both folders whole.
  const auto aside = parent_of(path_) / (".tmp-old-" + path_.filename().string());
  std::error_code ignored;
  fs::remove_all(aside, ignored);
  if (rename_path(path_, aside, 0) != 0) throw_io_error(path_.string(), "rename");
  if (rename_path(building_.path(), path_, 0) != 0) {
    const int code = errno;
    ::rename(aside.c_str(), path_.c_str());
    errno = code;
    throw_io_error(path_.string(), "rename");
  }
  building_.release();
  sync_directory(parent_of(path_));
  fs::remove_all(aside, ignored);
}

void link_or_copy_file(const fs::path& existing, const fs::path& path) {
  if (attempt("link", path, [&] { return ::link(existing.c_str(), path.c_str()); }) == 0) return;
  const bool has_no_links =
      errno == EPERM || errno == EXDEV || errno == EMLINK || errno == EOPNOTSUPP || errno == ENOSYS;
  if (!has_no_links) throw_io_error(path.string(), "link");
  const InputFile from(existing);
  DurableFile copy(path);
  std::vector<std::uint8_t> piece(std::min<std::uint64_t>(from.bytes(), kBufferBytes));
  for (std::uint64_t done = 0; done < from.bytes(); done += piece.size()) {
    piece.resize(std::min<std::uint64_t>(from.bytes() - done, kBufferBytes));
    from.read(done, piece);
    copy.write(piece);
  }
  copy.commit(/*replace=*/false);
}

void replace_symlink(const fs::path& link, const fs::path& target) {
  const fs::path temporary = temporary_beside(link);
  ::unlink(temporary.c_str());
  if (attempt("symlink", link, [&] { return ::symlink(target.c_str(), temporary.c_str()); }) != 0) {
    throw_io_error(link.string(), "symlink");
  }
  if (rename_path(temporary, link, 0) != 0) {
    const int code = errno;
    ::unlink(temporary.c_str());
    errno = code;
    throw_io_error(link.string(), "rename");
  }
  sync_directory(parent_of(link));
}

FileLock::FileLock(const fs::path& path, std::string_view what) {
  do {  // the file of a folder that is just being removed is no lock
    descriptor_ = open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW);
    if (!descriptor_.is_open()) throw_io_error(path.string(), "open");
    const auto lock = [&] { return ::flock(descriptor_.number(), LOCK_EX | LOCK_NB); };
    if (attempt("flock", path, lock) == 0) continue;
    if (errno != EWOULDBLOCK) throw_io_error(path.string(), "lock");
    throw ExistsError(
        fmt::format("{} is in use by another process, which holds {}", what, path.string()));
  } while (!is_still_named(descriptor_, path));
}

}  // namespace gpt2::formats
