// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/fetch/content_hash.h"

#include <boost/test/unit_test.hpp>
#include <fstream>

#include "tests/support/temporary_folder.h"

namespace gpt2::fetch {

BOOST_AUTO_TEST_SUITE(content_hash)

BOOST_AUTO_TEST_CASE(kind_is_told_by_the_number_of_digits) {
  BOOST_TEST((content_hash_from_hex(std::string(64, 'A')).kind == ContentHash::Kind::kSha256));
  BOOST_TEST(content_hash_from_hex(std::string(64, 'A')).hex == std::string(64, 'a'));
  BOOST_TEST((content_hash_from_hex(std::string(40, '0')).kind == ContentHash::Kind::kGitBlob));
  for (const auto& text : {std::string(), std::string(63, '0'), std::string(64, 'g')}) {
    BOOST_TEST(!content_hash_from_hex(text).is_known());
  }
}

// `printf 'abc' | git hash-object --stdin`
BOOST_AUTO_TEST_CASE(hash_of_a_file_is_that_of_git_or_sha256sum) {
  const support::TemporaryFolder folder;
  const auto file = folder.write("file", "abc");
  BOOST_TEST(content_hash_of(file, ContentHash::Kind::kGitBlob).hex ==
             "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f");
  BOOST_TEST(content_hash_of(file, ContentHash::Kind::kSha256).hex ==
             "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

BOOST_AUTO_TEST_CASE(record_is_what_sha256sum_writes_and_is_read_back) {
  const support::TemporaryFolder folder;
  const auto file = folder.write("file", "abc");
  BOOST_TEST(!load_recorded_hash(file).is_known());
  const auto hash = content_hash_of(file, ContentHash::Kind::kSha256);
  record_hash(file, hash.hex);
  BOOST_TEST((load_recorded_hash(file) == hash));
  std::ifstream record(file + ".sha256");
  std::string line;
  std::getline(record, line);
  BOOST_TEST(line == hash.hex + "  file");
  folder.write("file.sha256", "<html>");
  BOOST_TEST(!load_recorded_hash(file).is_known());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::fetch
