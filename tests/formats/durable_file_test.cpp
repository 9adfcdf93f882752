// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/durable_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "formats/errors.h"
#include "formats/temporary_path.h"
#include "tests/formats/format_fixture.h"

namespace gpt2::formats {
namespace {

namespace fs = std::filesystem;

// Fails system calls while it lives, from the `first`-th on, `count` of them.
class Fault {
 public:
  Fault(int code, std::size_t first, std::size_t count) {
    set_fault_hook([=, this](std::string_view call, const fs::path&) {
      calls_.emplace_back(call);
      const std::size_t index = calls_.size() - 1;
      return index >= first && index - first < count ? code : 0;
    });
  }
  // Fails every call of one name.
  Fault(int code, std::string name) {
    set_fault_hook([=, this](std::string_view call, const fs::path&) {
      calls_.emplace_back(call);
      return call == name ? code : 0;
    });
  }
  Fault(const Fault&) = delete;
  Fault& operator=(const Fault&) = delete;
  ~Fault() { set_fault_hook({}); }
  const std::vector<std::string>& calls() const { return calls_; }

 private:
  std::vector<std::string> calls_;
};
constexpr std::size_t kNone = ~std::size_t{0};

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

const std::string kOld = "the old contents", kNew(3'000'000, 'n');

// Writes in pieces below and above the size of the buffer, and its first byte last.
void write_new(const fs::path& path) {
  DurableFile file(path);
  file.write("?");
  file.write(std::string_view(kNew).substr(0, 99));
  file.write(std::string_view(kNew).substr(0, 2'000'000));
  file.write(std::string_view(kNew).substr(0, kNew.size() - 2'000'100));
  file.write_at(0, bytes_of("n"));
  file.commit();
}

void write_old_folder(const fs::path& path) {
  write_file(path / "a", kOld);
  write_file(path / "old only", kOld);
}

void write_new_folder(const fs::path& path) {
  DurableDirectory folder(path);
  fs::create_directory(folder.temporary_path() / "inner");
  for (const auto* name : {"a", "inner/b"}) {
    DurableFile file(folder.temporary_path() / name);
    file.write(kNew);
    file.commit();
  }
  folder.commit();
}

bool is_old_folder(const fs::path& path) {
  return names_in(path) == std::vector<std::string>{"a", "old only"} &&
         read_file(path / "a") == kOld && read_file(path / "old only") == kOld;
}
bool is_new_folder(const fs::path& path) {
  return names_in(path) == std::vector<std::string>{"a", "inner"} &&
         read_file(path / "a") == kNew && read_file(path / "inner/b") == kNew;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(durable_file)

BOOST_AUTO_TEST_CASE(writes_all_bytes_in_order) {
  const TemporaryFolder folder;
  write_new(folder / "file");
  BOOST_TEST((read_file(folder / "file") == kNew));
  BOOST_TEST(names_in(folder.path()).size() == 1U);
}

BOOST_AUTO_TEST_CASE(without_commit_nothing_is_left) {
  const TemporaryFolder folder;
  {
    DurableFile file(folder / "file");
    file.write(kNew);
    BOOST_TEST(names_in(folder.path()) == std::vector<std::string>{".tmp-file"});
  }
  BOOST_TEST(names_in(folder.path()).empty());
}

BOOST_AUTO_TEST_CASE(the_file_appears_at_commit_and_can_be_moved_before) {
  const TemporaryFolder folder;
  std::optional<DurableFile> file;
  {
    DurableFile first(folder / "file");
    first.write("abc");
    file.emplace(std::move(first));
  }
  file->write("def");
  BOOST_TEST(file->bytes_written() == 6U);
  BOOST_TEST(!fs::exists(folder / "file"));
  file->commit();
  BOOST_TEST(read_file(folder / "file") == "abcdef");
}

BOOST_AUTO_TEST_CASE(a_relative_name_lies_in_the_current_folder) {
  const TemporaryFolder folder;
  const auto before = fs::current_path();
  fs::current_path(folder.path());
  DurableFile file("file");
  file.write("x");
  file.commit();
  fs::current_path(before);
  BOOST_TEST(read_file(folder / "file") == "x");
}

// Whatever call fails, a reader finds the old file or the new one, whole; and once the file is
// known not to be complete, no error is swallowed and no temporary file stays.
BOOST_AUTO_TEST_CASE(a_full_disk_at_any_call_leaves_the_old_file_whole) {
  const TemporaryFolder folder;
  std::size_t calls = 0;
  {
    const Fault none(0, kNone, 0);
    write_new(folder / "file");
    calls = none.calls().size();
    const std::vector<std::string> expected{"open",  "truncate", "write",  "write", "write",
                                            "write", "fsync",    "rename", "open",  "fsync"};
    BOOST_TEST(none.calls() == expected, boost::test_tools::per_element());
  }
  for (const std::size_t count : {std::size_t{1}, kNone}) {
    for (std::size_t first = 0; first < calls; ++first) {
      write_file(folder / "file", kOld);
      const Fault fault(ENOSPC, first, count);
      BOOST_CHECK_THROW(write_new(folder / "file"), IoError);
      const bool renamed = first + 2 >= calls;  // only the folder's open and fsync come later
      BOOST_TEST((read_file(folder / "file") == (renamed ? kNew : kOld)));
      BOOST_TEST(names_in(folder.path()) == std::vector<std::string>{"file"});
    }
  }
}

BOOST_AUTO_TEST_CASE(an_interrupted_call_is_repeated) {
  const TemporaryFolder folder;
  for (std::size_t first = 0; first < 10; ++first) {
    const Fault fault(EINTR, first, 2);
    write_new(folder / "file");
    BOOST_TEST((read_file(folder / "file") == kNew));
  }
}

BOOST_AUTO_TEST_CASE(nothing_is_written_after_a_failure_even_if_it_is_ignored) {
  const TemporaryFolder folder;
  write_file(folder / "file", kOld);
  DurableFile file(folder / "file");
  {
    const Fault fault(ENOSPC, 0, 1);
    BOOST_CHECK_THROW(file.write(kNew), IoError);
  }
  BOOST_CHECK_THROW(file.write("more"), IoError);
  BOOST_CHECK_THROW(file.write_at(0, bytes_of("x")), IoError);
  BOOST_CHECK_THROW(file.commit(), IoError);
  BOOST_TEST(read_file(folder / "file") == kOld);
}

// A limit on the size of files makes the kernel write less than asked, and then nothing.
BOOST_AUTO_TEST_CASE(a_short_write_is_continued_and_then_fails) {
  const TemporaryFolder folder;
  write_file(folder / "file", kOld);
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1'500'000, 1'500'000};
    int result = ::setrlimit(RLIMIT_FSIZE, &limit) == 0 ? 1 : 2;
    try {
      write_new(folder / "file");
    } catch (const IoError& error) {
      if (contains(error.what(), "File too large")) result = 0;
    }
    ::_exit(result);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  BOOST_TEST(status == 0);
  BOOST_TEST(read_file(folder / "file") == kOld);
  BOOST_TEST(names_in(folder.path()) == std::vector<std::string>{"file"});
}

BOOST_AUTO_TEST_CASE(errors_name_the_file_and_the_reason) {
  const TemporaryFolder folder;
  const std::string path = (folder / "missing/file").string();
  BOOST_TEST(error_of<IoError>([&] { DurableFile{path}; }) ==
             path + ": opening for writing: No such file or directory");
}

BOOST_AUTO_TEST_CASE(commit_without_replace_keeps_an_existing_file) {
  const TemporaryFolder folder;
  // EINVAL is what a file system without RENAME_NOREPLACE answers.
  for (const int rename_fault : {0, EINVAL}) {
    const Fault fault(rename_fault, "rename");
    write_file(folder / "file", kOld);
    {
      DurableFile file(folder / "file");
      file.write("new");
      BOOST_CHECK_THROW(file.commit(false), ExistsError);
    }
    BOOST_TEST(read_file(folder / "file") == kOld);
    fs::remove(folder / "file");
    {
      DurableFile file(folder / "file");
      file.write("new");
      file.commit(false);
    }
    BOOST_TEST(read_file(folder / "file") == "new");
    BOOST_TEST(names_in(folder.path()) == std::vector<std::string>{"file"});
  }
}

BOOST_AUTO_TEST_CASE(a_second_writer_of_the_same_file_is_refused) {
  const TemporaryFolder folder;
  DurableFile first(folder / "file");
  first.write("first");
  BOOST_CHECK_THROW(DurableFile(folder / "file"), ExistsError);
  first.commit();
  DurableFile second(folder / "file");
  second.write("second");
  second.commit();
  BOOST_TEST(read_file(folder / "file") == "second");
}

BOOST_AUTO_TEST_CASE(what_a_killed_writer_left_is_overwritten) {
  const TemporaryFolder folder;
  write_file(folder / ".tmp-file", "half of something much longer than the new contents");
  DurableFile file(folder / "file");
  file.write("new");
  file.commit();
  BOOST_TEST(read_file(folder / "file") == "new");
}

BOOST_AUTO_TEST_CASE(a_link_in_place_of_the_temporary_file_is_not_followed) {
  const TemporaryFolder folder;
  write_file(folder / "precious", kOld);
  fs::create_symlink("precious", folder / ".tmp-file");
  BOOST_CHECK_THROW(DurableFile(folder / "file"), IoError);
  BOOST_TEST(read_file(folder / "precious") == kOld);
}

BOOST_AUTO_TEST_CASE(devices_pipes_and_folders_are_not_replaced) {
  const TemporaryFolder folder;
  BOOST_TEST_REQUIRE(::mkfifo((folder / "pipe").c_str(), 0666) == 0);
  fs::create_directory(folder / "folder");
  for (const auto& path : {folder / "pipe", folder / "folder", fs::path("/dev/null")}) {
    BOOST_CHECK_THROW(DurableFile{path}, ExistsError);
  }
  for (const auto* path : {"", "/", ".", "..", "a/"})
    BOOST_CHECK_THROW(DurableFile{path}, UsageError);
}

BOOST_AUTO_TEST_CASE(write_at_reaches_only_what_is_written) {
  const TemporaryFolder folder;
  DurableFile file(folder / "file");
  file.write("0123456789");
  file.write_at(8, bytes_of("xy"));
  file.write_at(10, bytes_of(""));
  BOOST_CHECK_THROW(file.write_at(9, bytes_of("ab")), UsageError);
  BOOST_CHECK_THROW(file.write_at(~std::uint64_t{0}, bytes_of("ab")), UsageError);
  file.write("!");
  file.commit();
  BOOST_TEST(read_file(folder / "file") == "01234567xy!");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(partial_file)

BOOST_AUTO_TEST_CASE(a_later_writer_goes_on_where_the_first_one_stopped) {
  const TemporaryFolder folder;
  {
    PartialFile first(folder / "file");
    first.append("abc");
    BOOST_TEST(names_in(folder.path()) == std::vector<std::string>{"file.part"});
  }
  PartialFile second(folder / "file");
  BOOST_TEST(second.bytes() == 3U);
  second.append("def");
  BOOST_TEST(!fs::exists(folder / "file"));
  second.commit();
  BOOST_TEST(read_file(folder / "file") == "abcdef");
  BOOST_TEST(names_in(folder.path()) == std::vector<std::string>{"file"});
}

BOOST_AUTO_TEST_CASE(restart_forgets_what_is_there_and_remove_leaves_nothing) {
  const TemporaryFolder folder;
  PartialFile file(folder / "file");
  file.append(kNew);
  file.restart();
  BOOST_TEST(file.bytes() == 0U);
  file.append("x");
  BOOST_TEST(read_file(file.part_path()) == "x");
  file.remove();
  BOOST_TEST(names_in(folder.path()).empty());
}

BOOST_AUTO_TEST_CASE(an_empty_one_does_not_stay) {
  const TemporaryFolder folder;
  { PartialFile{folder / "file"}; }
  BOOST_TEST(names_in(folder.path()).empty());
  PartialFile file(folder / "file");
  file.commit();  // an empty file may be what is wanted
  BOOST_TEST(read_file(folder / "file") == "");
}

// Whatever call fails, no wrong file appears, and what was written stays to go on from.
BOOST_AUTO_TEST_CASE(a_full_disk_at_any_call_keeps_what_was_written) {
  const TemporaryFolder folder;
  const auto write = [&folder] {
    PartialFile file(folder / "file");
    file.append(std::string_view(kNew).substr(file.bytes()));
    file.commit();
  };
  std::size_t calls = 0;
  {
    const Fault none(0, kNone, 0);
    write();
    calls = none.calls().size();
  }
  BOOST_TEST(calls == 6U);
  for (std::size_t first = 0; first < calls; ++first) {
    write_file(folder / "file", kOld);
    write_file(folder / "file.part", "nnn");
    {
      const Fault fault(ENOSPC, first, kNone);
      BOOST_CHECK_THROW(write(), IoError);
    }
    const bool renamed = first + 2 >= calls;  // only the folder's open and fsync come later
    BOOST_TEST((read_file(folder / "file") == (renamed ? kNew : kOld)));
    if (!renamed) BOOST_TEST(read_file(folder / "file.part").starts_with("nnn"));
    write();
    BOOST_TEST((read_file(folder / "file") == kNew));
  }
}

BOOST_AUTO_TEST_CASE(a_second_writer_of_the_same_file_is_refused) {
  const TemporaryFolder folder;
  PartialFile first(folder / "file");
  BOOST_CHECK_THROW(PartialFile(folder / "file"), ExistsError);
  first.append("x");
  write_file(folder / "file", kOld);
  BOOST_CHECK_THROW(first.commit(false), ExistsError);
  BOOST_TEST(read_file(folder / "file") == kOld);
}

BOOST_AUTO_TEST_CASE(links_pipes_and_folders_in_its_place_are_refused) {
  const TemporaryFolder folder;
  write_file(folder / "precious", kOld);
  fs::create_symlink("precious", folder / "a.part");
  BOOST_CHECK_THROW(PartialFile(folder / "a"), IoError);
  BOOST_TEST_REQUIRE(::mkfifo((folder / "b.part").c_str(), 0666) == 0);
  BOOST_CHECK_THROW(PartialFile(folder / "b"), ExistsError);
  fs::create_directory(folder / "c");
  BOOST_CHECK_THROW(PartialFile(folder / "c"), ExistsError);
  BOOST_TEST(read_file(folder / "precious") == kOld);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(durable_directory)

BOOST_AUTO_TEST_CASE(appears_whole_at_commit) {
  const TemporaryFolder folder;
  {
    const DurableDirectory abandoned(folder / "d");
    write_file(abandoned.temporary_path() / "a", "x");
  }
  BOOST_TEST(names_in(folder.path()).empty());
  write_file(folder / ".tmp-d/left over", "by a killed writer");
  write_new_folder(folder / "d/");
  BOOST_TEST(is_new_folder(folder / "d"));
  BOOST_TEST(names_in(folder.path()) == std::vector<std::string>{"d"});
}

BOOST_AUTO_TEST_CASE(a_full_disk_at_any_call_leaves_the_old_folder_whole) {
  const TemporaryFolder folder;
  std::size_t calls = 0;
  {
    write_old_folder(folder / "d");
    const Fault none(0, kNone, 0);
    write_new_folder(folder / "d");
    calls = none.calls().size();
  }
  for (const std::size_t count : {std::size_t{1}, kNone}) {
    for (std::size_t first = 0; first < calls; ++first) {
      fs::remove_all(folder / "d");
      write_old_folder(folder / "d");
      const Fault fault(ENOSPC, first, count);
      BOOST_CHECK_THROW(write_new_folder(folder / "d"), IoError);
      const bool renamed = first + 2 >= calls;  // the fsync of the parent folder
      BOOST_TEST((renamed ? is_new_folder(folder / "d") : is_old_folder(folder / "d")));
    }
  }
}

BOOST_AUTO_TEST_CASE(replaces_an_existing_folder_where_names_cannot_be_exchanged) {
  const TemporaryFolder folder;
  write_old_folder(folder / "d");
  std::size_t renames = 0;
  set_fault_hook([&](std::string_view call, const fs::path&) {
    return call == "rename" && ++renames == 3 ? EINVAL : 0;  // 1 and 2: the files in it
  });
  write_new_folder(folder / "d");
  set_fault_hook({});
  BOOST_TEST(renames == 5U);
  BOOST_TEST(is_new_folder(folder / "d"));
  BOOST_TEST(names_in(folder.path()) == std::vector<std::string>{"d"});
}

BOOST_AUTO_TEST_CASE(a_file_of_that_name_is_kept) {
  const TemporaryFolder folder;
  write_file(folder / "d", kOld);
  BOOST_CHECK_THROW(write_new_folder(folder / "d"), ExistsError);
  BOOST_TEST(read_file(folder / "d") == kOld);
  BOOST_CHECK_THROW(DurableDirectory("/"), UsageError);
}

BOOST_AUTO_TEST_CASE(a_second_builder_of_the_same_folder_is_refused) {
  const TemporaryFolder folder;
  DurableDirectory first(folder / "d");
  write_file(first.temporary_path() / "a", kNew);
  BOOST_TEST(contains(error_of<ExistsError>([&] { DurableDirectory(folder / "d"); }),
                      "is being written by another process"));
  first.commit();
  BOOST_TEST(read_file(folder / "d/a") == kNew);
}

BOOST_AUTO_TEST_CASE(a_folder_that_another_process_is_replacing_is_kept) {
  const TemporaryFolder folder;
  write_old_folder(folder / "d");
  DurableDirectory second(folder / "d");
  const FileDescriptor other(::open((folder / "d").c_str(), O_RDONLY | O_DIRECTORY));
  BOOST_TEST_REQUIRE(::flock(other.number(), LOCK_EX | LOCK_NB) == 0);
  BOOST_CHECK_THROW(second.commit(), ExistsError);
  BOOST_TEST(is_old_folder(folder / "d"));
}

BOOST_AUTO_TEST_CASE(a_symbolic_link_is_replaced_in_one_step) {
  const TemporaryFolder folder;
  replace_symlink(folder / "latest", "step_1");
  replace_symlink(folder / "latest", "step_2");
  BOOST_TEST(fs::read_symlink(folder / "latest") == "step_2");
  for (std::size_t first = 0; first < 2; ++first) {
    const Fault fault(ENOSPC, first, 1);
    BOOST_CHECK_THROW(replace_symlink(folder / "latest", "step_3"), IoError);
    BOOST_TEST(fs::read_symlink(folder / "latest") == "step_2");
  }
  BOOST_TEST(names_in(folder.path()) == std::vector<std::string>{"latest"});
}

BOOST_AUTO_TEST_CASE(second_name_shares_the_file_or_is_a_copy) {
  const TemporaryFolder folder;
  const std::string bytes(3'000'000, 'x');
  write_file(folder / "file", bytes);
  link_or_copy_file(folder / "file", folder / "link");
  BOOST_TEST(std::filesystem::equivalent(folder / "file", folder / "link"));
  for (const int code : {EPERM, EXDEV, EMLINK}) {
    set_fault_hook([code](std::string_view call, const std::filesystem::path&) {
      return call == "link" || call == "rename" ? code : 0;
    });
    BOOST_CHECK_THROW(link_or_copy_file(folder / "file", folder / "copy"), IoError);
    BOOST_TEST(!std::filesystem::exists(folder / "copy"));
    set_fault_hook([code](std::string_view call, const std::filesystem::path& path) {
      return call == "link" && path.filename() == "copy" ? code : 0;
    });
    link_or_copy_file(folder / "file", folder / "copy");
    BOOST_TEST(!std::filesystem::equivalent(folder / "file", folder / "copy"));
    BOOST_TEST((read_file(folder / "copy") == bytes));
    std::filesystem::remove(folder / "copy");
  }
  set_fault_hook([](std::string_view call, const std::filesystem::path&) {
    return call == "link" ? ENOSPC : 0;
  });
  BOOST_CHECK_THROW(link_or_copy_file(folder / "file", folder / "copy"), IoError);
  set_fault_hook({});
  BOOST_TEST(!std::filesystem::exists(folder / "copy"));
  BOOST_CHECK_THROW(link_or_copy_file(folder / "missing", folder / "copy"), IoError);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(temporary_path)

BOOST_AUTO_TEST_CASE(what_is_unfinished_is_removed_and_nothing_else) {
  const TemporaryFolder folder;
  write_file(folder / ".tmp-of another process", kOld);
  DurableFile done(folder / "done");
  done.commit();
  {
    DurableFile half(folder / "half"), moved(std::move(half));
    moved.write(kNew);
    TemporaryDirectory staging(folder / "staging");
    write_file(staging.path() / "deep/file", kNew);
    DurableDirectory building(folder / "building");
    DurableFile inner(building.temporary_path() / "file");
    remove_temporary_paths();
    BOOST_TEST(
        names_in(folder.path()) == (std::vector<std::string>{".tmp-of another process", "done"}),
        boost::test_tools::per_element());
  }
  BOOST_TEST(names_in(folder.path()).size() == 2U);
}

BOOST_AUTO_TEST_CASE(none_can_be_made_while_the_lock_is_held) {
  const TemporaryFolder folder;
  auto lock = remove_temporary_paths();
  std::thread writer([&] { write_new(folder / "file"); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  BOOST_TEST(names_in(folder.path()).empty());
  lock.unlock();
  writer.join();
  BOOST_TEST(names_in(folder.path()) == std::vector<std::string>{"file"});
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(file_lock)

BOOST_AUTO_TEST_CASE(one_holder_at_a_time) {
  const TemporaryFolder folder;
  {
    const FileLock held(folder / "lock", "the run");
    const auto error = error_of<ExistsError>([&] { FileLock(folder / "lock", "the run"); });
    BOOST_TEST(contains(error, "the run is in use"));
    BOOST_TEST(contains(error, (folder / "lock").string()));
  }
  const FileLock again(folder / "lock", "the run");
}

// One process opens the file, the one before removes it with its folder: a lock on what has no name
// would keep nobody out.
BOOST_AUTO_TEST_CASE(file_that_is_removed_meanwhile_is_no_lock) {
  const TemporaryFolder folder;
  int calls = 0;
  set_fault_hook([&](std::string_view call, const std::filesystem::path& path) {
    if (call == "flock" && calls++ == 0) std::filesystem::remove(path);
    return 0;
  });
  const FileLock held(folder / "lock", "the run");
  set_fault_hook({});
  BOOST_TEST(calls == 2);
  BOOST_CHECK_THROW(FileLock(folder / "lock", "the run"), ExistsError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::formats
