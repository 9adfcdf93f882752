// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/fetch/unzip_members.h"

#include <zip.h>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <map>
#include <random>

#include "formats/errors.h"
#include "tests/support/temporary_folder.h"

namespace gpt2::fetch {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Archive {
  support::TemporaryFolder folder;
  const fs::path zip = folder / "texts.zip", out = folder / "out";
  std::string text;
  Archive() {
    std::mt19937 random(1);
    for (int i = 0; i < 2'000'000; ++i) text += static_cast<char>('a' + random() % 26);
    fs::create_directory(out);
  }

  void write(const std::map<std::string, std::string>& files, const char* password = nullptr) {
    fs::remove(zip);
    zip_t* archive = zip_open(zip.c_str(), ZIP_CREATE, nullptr);
    BOOST_REQUIRE(archive != nullptr);
    for (const auto& [name, bytes] : files) {
      auto* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
      const auto index = zip_file_add(archive, name.c_str(), source, 0);
      BOOST_REQUIRE(index >= 0);
      if (password != nullptr) {
        zip_file_set_encryption(archive, static_cast<zip_uint64_t>(index), ZIP_EM_AES_256,
                                password);
      }
    }
    BOOST_REQUIRE(zip_close(archive) == 0);
  }
  void unzip(const std::vector<std::string>& members, std::uint64_t most_bytes = 10'000'000) {
    unzip_members(zip, members, out, most_bytes);
  }
  /// Changes one byte of the archive, counted from `mark` on.
  void damage(const std::string& mark, std::size_t offset) {
    auto bytes = read_file(zip);
    bytes[bytes.find(mark) + offset] ^= 0x55;
    std::ofstream(zip, std::ios::binary) << bytes;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(unzip, Archive)

BOOST_AUTO_TEST_CASE(members_are_written_under_their_own_names_and_nothing_else) {
  write({{"texts/a.txt", text}, {"texts/b.txt", "b"}, {"texts/c.txt", "c"}});
  unzip({"texts/a.txt", "texts/b.txt"});
  BOOST_TEST((read_file(out / "a.txt") == text));
  BOOST_TEST(read_file(out / "b.txt") == "b");
  BOOST_TEST(std::distance(fs::directory_iterator(out), fs::directory_iterator()) == 2);
}

BOOST_AUTO_TEST_CASE(hostile_names_in_the_archive_write_nothing) {
  write({{"../evil", "x"}, {"/evil", "x"}, {"a/../../evil", "x"}, {"texts/a.txt", "a"}});
  unzip({"texts/a.txt"});
  BOOST_TEST(!fs::exists(folder / "evil"));
  BOOST_TEST(!fs::exists(out / "evil"));
}

BOOST_AUTO_TEST_CASE(what_is_there_and_right_stays_and_what_differs_is_replaced) {
  write({{"texts/a.txt", "abc"}, {"texts/b.txt", "abc"}, {"texts/c.txt", "abc"}});
  std::ofstream(out / "a.txt") << "abc";
  std::ofstream(out / "b.txt") << "abd";
  std::ofstream(out / "c.txt") << "abcd";
  const auto before = fs::last_write_time(out / "a.txt") - std::chrono::hours(1);
  fs::last_write_time(out / "a.txt", before);
  unzip({"texts/a.txt", "texts/b.txt", "texts/c.txt"});
  BOOST_TEST((fs::last_write_time(out / "a.txt") == before));
  for (const auto* name : {"a.txt", "b.txt", "c.txt"}) BOOST_TEST(read_file(out / name) == "abc");
}

BOOST_AUTO_TEST_CASE(damage_too_much_and_a_missing_member_are_refused) {
  write({{"texts/a.txt", text}});
  BOOST_CHECK_THROW(unzip({"texts/b.txt"}), formats::InputError);
  BOOST_CHECK_THROW(unzip({"texts/a.txt"}, text.size() - 1), formats::InputError);
  damage("texts/a.txt", 40);  // in the packed bytes
  BOOST_CHECK_THROW(unzip({"texts/a.txt"}), formats::InputError);
  std::ofstream(zip, std::ios::binary) << "<html>";
  BOOST_CHECK_THROW(unzip({"texts/a.txt"}), formats::InputError);
  fs::remove(zip);
  BOOST_CHECK_THROW(unzip({"texts/a.txt"}), formats::InputError);
  BOOST_TEST(fs::is_empty(out));
}

// The directory at the end of the archive says less than the member unpacks to.
BOOST_AUTO_TEST_CASE(member_that_unpacks_to_more_than_it_says_is_refused) {
  write({{"texts/a.txt", text}});
  auto bytes = read_file(zip);
  const auto entry = bytes.find("PK\x01\x02");
  BOOST_REQUIRE(entry != std::string::npos);
  bytes.replace(entry + 24, 4, std::string("\x05\0\0\0", 4));
  std::ofstream(zip, std::ios::binary) << bytes;
  BOOST_CHECK_THROW(unzip({"texts/a.txt"}, 1000), formats::InputError);
  BOOST_TEST(fs::is_empty(out));
}

BOOST_AUTO_TEST_CASE(locked_member_is_refused) {
  write({{"texts/a.txt", "a"}}, "secret");
  BOOST_CHECK_THROW(unzip({"texts/a.txt"}), formats::InputError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::fetch
