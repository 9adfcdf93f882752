// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Files and folders that appear whole or not at all: temporary name, fsync, rename, fsync of the
// folder. Every writer of the project goes through here, so a fault hook can fail any of its system
// calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "formats/file_descriptor.h"
#include "formats/temporary_path.h"

namespace gpt2::formats {

/// Writes `.tmp-NAME` beside `path`; commit() makes it `path`. Without commit() nothing is left.
/// Owns: the file descriptor and the temporary file, locked against a second writer. Move-only.
class DurableFile {
 public:
  /// Throws: IoError (folder missing, no permission ...); UsageError if `path` names no file;
  /// ExistsError if it is no regular file or another writer is at it.
  explicit DurableFile(std::filesystem::path path);
  DurableFile(DurableFile&& other) noexcept = default;
  DurableFile& operator=(DurableFile&&) = delete;
  ~DurableFile();

  /// Appends. Throws: IoError, and the temporary file is gone: nothing more can be written.
  void write(std::span<const std::uint8_t> bytes);
  void write(std::string_view text);
  /// Overwrites bytes written before (a header that is known last). Throws: as write.
  void write_at(std::uint64_t offset, std::span<const std::uint8_t> bytes);
  /// Flushes, fsyncs and renames; `path` is whole from here on. `replace` false: ExistsError if it
  /// is there.
  void commit(bool replace = true);
  std::uint64_t bytes_written() const { return bytes_written_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  void write_through(std::string_view bytes, std::uint64_t offset);
  void flush();
  void check_open() const;
  [[noreturn]] void fail(std::string_view action);
  void give_up() noexcept;
  std::filesystem::path path_;
  FileDescriptor descriptor_;
  TemporaryPath temporary_;
  std::uint64_t bytes_written_ = 0;
  std::string buffer_;
};

/// Writes `NAME.part` beside `path`, which stays when the writer fails or is killed: the next one
/// goes on at its end. commit() makes it `path`. What it holds is the caller's to check. An empty
/// one does not stay.
/// Owns: the file descriptor, and the lock that keeps other writers away.
class PartialFile {
 public:
  /// Opens what is there already or makes an empty file. Throws: as DurableFile.
  explicit PartialFile(std::filesystem::path path);
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;
  ~PartialFile();

  /// Throws: IoError; the bytes before stay.
  void append(std::string_view bytes);
  /// Begins again with no bytes. Throws: IoError.
  void restart();
  /// Removes it; nothing can be done with it then.
  void remove() noexcept;
  /// As DurableFile::commit().
  void commit(bool replace = true);
  std::uint64_t bytes() const { return bytes_; }
  const std::filesystem::path& part_path() const { return part_; }

 private:
  std::filesystem::path path_, part_;
  FileDescriptor descriptor_;
  std::uint64_t bytes_ = 0;
};

/// `.tmp-NAME` beside `path`: a folder for what is not finished, removed with what is in it by the
/// destructor. Owns: the folder, locked against other processes.
class TemporaryDirectory {
 public:
  /// Makes it, or empties what a killed process left, after `rescue` has taken out of that folder
  /// what it wants to keep. Throws: IoError; UsageError if `path` names no folder; ExistsError if
  /// another process has it.
  explicit TemporaryDirectory(
      const std::filesystem::path& path,
      const std::function<void(const std::filesystem::path& left)>& rescue = {});
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() { remove(); }
  const std::filesystem::path& path() const { return temporary_.path(); }
  /// Leaves the folder as it is: it has another name now, or the next one of this name is to rescue
  /// what is in it.
  void release() noexcept;

 private:
  friend class DurableDirectory;
  void remove() noexcept;
  FileDescriptor descriptor_;  // holds the lock
  TemporaryPath temporary_;
};

/// A folder built as `.tmp-NAME` beside its final place. Files inside are written by DurableFile.
class DurableDirectory {
 public:
  /// Throws: as TemporaryDirectory.
  explicit DurableDirectory(std::filesystem::path path);
  /// Where files are written before commit().
  const std::filesystem::path& temporary_path() const { return building_.path(); }
  /// fsync, then the final name: an existing folder of that name is exchanged, then removed.
  /// Throws: IoError; ExistsError if the name is that of something else than a folder, or another
  /// process is replacing it.
  void commit();

 private:
  void replace();
  std::filesystem::path path_;
  TemporaryDirectory building_;
};

/// Gives the regular file `existing` the second name `path`, or where the file system has no hard
/// links makes `path` a copy of it. Throws: InputError, IoError; ExistsError if `path` is there.
void link_or_copy_file(const std::filesystem::path& existing, const std::filesystem::path& path);
/// Replaces the relative symbolic link `link` by one to `target` in one rename. Throws: IoError.
void replace_symlink(const std::filesystem::path& link, const std::filesystem::path& target);
/// rename(2); the new name is only durable after sync_directory(). Throws: IoError.
void rename_file(const std::filesystem::path& from, const std::filesystem::path& to);
/// fsync of a folder, so that names in it survive a power cut. Throws: IoError.
void sync_directory(const std::filesystem::path& directory);

/// An exclusive flock on a file, held until destroyed. Throws: ExistsError if another process has
/// it.
class FileLock {
 public:
  FileLock(const std::filesystem::path& path, std::string_view what);
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  FileDescriptor descriptor_;
};

/// For tests: called before every open, write, truncate, fsync, rename, link, symlink and mkdir; a
/// non-zero errno returned makes that call fail. An empty hook removes it. Not to be set while
/// files are written.
using FaultHook = std::function<int(std::string_view call, const std::filesystem::path& path)>;
void set_fault_hook(FaultHook hook);

}  // namespace gpt2::formats
