// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/fetch/fetch_set.h"

#include <fmt/format.h>
#include <zip.h>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <map>
#include <set>

#include "formats/digest.h"
#include "formats/durable_file.h"
#include "tests/libcore/fetch/fault_server.h"
#include "tests/support/temporary_folder.h"

namespace gpt2::fetch {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

ContentHash hash_of(std::string_view bytes) {
  return content_hash_from_hex(formats::Digest().update(bytes).hex());
}

/// A server in place of the hub and of all others, with files by path.
struct Sets {
  support::TemporaryFolder folder;
  const fs::path out = folder / "out";
  std::map<std::string, std::string> files;  // path to bytes
  FaultServer server{[this](const Request& request, Connection& connection) {
    const auto file = files.find(request.path);
    connection.send(file == files.end() ? response("404 Not Found", "", "")
                                        : right_answer(request, file->second));
  }};
  FetchSettings settings;
  std::vector<FetchProgress> progress;
  std::vector<std::string> told;
  const FetchObserver observer{
      .progress = [this](const FetchProgress& now) { progress.push_back(now); },
      .notice = [this](const std::string& text) { told.push_back(text); },
      .detail = [](const std::string&) {}};

  Sets() {
    settings.hub = server.url("");
    settings.download.retry.sleep = [](std::chrono::milliseconds) {};
    settings.jobs = 3;
  }
  /// A set of files that the hub has, with their hashes and sizes.
  DataSet set_of(const std::string& name, const std::vector<std::string>& names) {
    DataSet set{.name = name, .about = {}, .licence = {}, .files = {}, .folder = {}, .members = {}};
    for (const auto& file : names) {
      const auto bytes = name + file + std::string(100'000, 'x');
      const auto url = hub_url("datasets/" + name, "1", file);
      files[url.substr(kHub.size())] = bytes;
      set.files.push_back(
          {.name = file, .url = url, .bytes = bytes.size(), .hash = hash_of(bytes)});
    }
    return set;
  }
  void fetch(const std::vector<const DataSet*>& sets) { fetch_sets(sets, out, settings, observer); }
  std::set<std::string> made() const {
    std::set<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(out)) {
      if (entry.is_regular_file()) names.insert(fs::relative(entry.path(), out));
    }
    return names;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(fetch_set, Sets)

BOOST_AUTO_TEST_CASE(all_files_of_all_sets_come_into_their_folders) {
  const auto a = set_of("a", {"1", "2", "3", "4"}), b = set_of("b", {"1", "2"});
  fetch({&a, &b});
  BOOST_TEST(made() == (std::set<std::string>{"a/1", "a/2", "a/3", "a/4", "b/1", "b/2"}),
             boost::test_tools::per_element());
  BOOST_TEST(read_file(out / "b/2") == "b2" + std::string(100'000, 'x'));
  BOOST_TEST(told.empty());
  BOOST_TEST(server.requests().size() == 6U);
  fetch({&a, &b});
  BOOST_TEST(server.requests().size() == 6U);
}

BOOST_AUTO_TEST_CASE(progress_ends_at_its_total_and_counts_what_came_in_this_call) {
  const auto a = set_of("a", {"1", "2", "3"});
  fs::create_directories(out / "a");
  folder.write("out/a/1", files["/datasets/a/resolve/1/1"]);
  folder.write("out/a/2.part", files["/datasets/a/resolve/1/2"].substr(0, 40'000));
  fetch({&a});
  const auto& last = progress.back();
  BOOST_TEST(last.bytes == 2 * 100'002 - 40'000);
  BOOST_TEST(last.total == last.bytes);
  BOOST_TEST(last.files == 3U);
  BOOST_TEST(last.file_count == 3U);
  for (const auto& now : progress) BOOST_TEST(now.bytes <= now.total);
}

BOOST_AUTO_TEST_CASE(file_that_fails_keeps_no_other_from_coming_and_each_failure_is_told) {
  const auto a = set_of("a", {"1", "2", "3", "4"});
  files.erase("/datasets/a/resolve/1/1");
  files["/datasets/a/resolve/1/3"].back() = '?';
  BOOST_CHECK_THROW(fetch({&a}), formats::InputError);
  BOOST_TEST(made() == (std::set<std::string>{"a/2", "a/4"}), boost::test_tools::per_element());
  BOOST_TEST(told.size() == 1U);  // the other one was thrown
}

BOOST_AUTO_TEST_CASE(full_disk_ends_it_at_once) {
  const auto a = set_of("a", {"1", "2", "3", "4", "5", "6"});
  settings.jobs = 1;
  formats::set_fault_hook(
      [](std::string_view call, const fs::path&) { return call == "write" ? ENOSPC : 0; });
  BOOST_CHECK_THROW(fetch({&a}), formats::IoError);
  formats::set_fault_hook({});
  BOOST_TEST(server.requests().size() == 1U);
}

BOOST_AUTO_TEST_CASE(mirror_of_what_was_fetched_serves_names_and_hashes_decide) {
  const auto a = set_of("a", {"1", "2"});
  for (const auto& file : a.files) {
    files["/mirror/a/" + file.name] = files[file.url.substr(kHub.size())];
  }
  settings.base_url = server.url("/mirror/");
  fetch({&a});
  BOOST_TEST(server.requests().front().path.starts_with("/mirror/a/"));
  fs::remove(out / "a/1");
  files["/mirror/a/1"].front() ^= 1;
  BOOST_CHECK_THROW(fetch({&a}), formats::InputError);
  BOOST_TEST(!fs::exists(out / "a/1"));
}

BOOST_AUTO_TEST_CASE(include_takes_the_files_that_a_glob_names) {
  const auto a = set_of("a", {"val_0", "train_1", "train_2"});
  settings.include = {"*_0", "train_[2-9]"};
  fetch({&a});
  BOOST_TEST(made() == (std::set<std::string>{"a/val_0", "a/train_2"}),
             boost::test_tools::per_element());
  settings.include = {"*.parquet"};
  BOOST_CHECK_THROW(fetch({&a}), formats::UsageError);
}

BOOST_AUTO_TEST_CASE(folder_that_the_hub_lists_is_fetched_and_checked_by_what_it_says) {
  DataSet a = set_of("a", {"1", "2"});
  std::string listing;
  for (const auto& file : a.files) {
    listing += fmt::format(
        R"({}{{"type": "file", "path": "texts/{}", "size": {}, "oid": "x", "lfs": {{"oid": "{}"}}}})",
        listing.empty() ? "" : ",", file.name, file.bytes, file.hash.hex);
    files["/datasets/a/resolve/1/texts/" + file.name] = files[file.url.substr(kHub.size())];
  }
  files["/api/datasets/a/tree/1/texts"] = "[" + listing + "]";
  a.files.clear();
  a.folder = {.repository = "datasets/a", .revision = "1", .path = "texts"};
  fetch({&a});
  BOOST_TEST(made() == (std::set<std::string>{"a/1", "a/2"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(files_without_a_hash_are_counted_and_recorded) {
  auto a = set_of("a", {"1", "2", "3"});
  a.files[0].hash = a.files[1].hash = {};
  fetch({&a});
  BOOST_REQUIRE(told.size() == 1U);
  BOOST_TEST(told.front().starts_with("2 of 3 files: not checked"), told.front());
  BOOST_TEST((load_recorded_hash(out / "a/1") == hash_of(read_file(out / "a/1"))));
  told.clear();
  fetch({&a});
  BOOST_TEST(told.empty());
  BOOST_TEST(server.requests().size() == 3U);
}

BOOST_AUTO_TEST_CASE(archive_is_unpacked_beside_itself_and_what_was_removed_comes_back) {
  const auto path = folder / "a.zip";
  int code = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE, &code);
  zip_file_add(archive, "texts/a.txt", zip_source_buffer(archive, "words", 5, 0), 0);
  BOOST_REQUIRE(zip_close(archive) == 0);
  auto a = set_of("a", {"a.zip"});
  const auto bytes = read_file(path);
  files["/datasets/a/resolve/1/a.zip"] = bytes;
  a.files.front().bytes = bytes.size();
  a.files.front().hash = hash_of(bytes);
  a.members = {"texts/a.txt"};
  for (int i = 0; i < 2; ++i) {
    fetch({&a});
    BOOST_TEST(read_file(out / "a/a.txt") == "words");
    fs::remove(out / "a/a.txt");
  }
  BOOST_TEST(server.requests().size() == 1U);
}

BOOST_AUTO_TEST_CASE(address_without_protection_or_hash_is_refused) {
  files["/a.txt"] = "words";
  BOOST_CHECK_THROW(fetch_url(server.url("/a.txt"), out / "a.txt", {}, settings, observer),
                    formats::UsageError);
  fetch_url(server.url("/a.txt"), out / "deep/a.txt", hash_of("words"), settings, observer);
  BOOST_TEST(read_file(out / "deep/a.txt") == "words");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::fetch
