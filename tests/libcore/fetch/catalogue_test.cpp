// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/fetch/catalogue.h"

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <set>

#include "libcore/fetch/url.h"

namespace gpt2::fetch {

BOOST_AUTO_TEST_SUITE(catalogue_of_data_sets)

BOOST_AUTO_TEST_CASE(every_set_can_be_found_shown_and_fetched) {
  std::set<std::string> names;
  for (const auto& set : catalogue()) {
    BOOST_TEST_CONTEXT(set.name) {
      BOOST_TEST(names.insert(set.name).second);
      BOOST_TEST(find_data_set(set.name) == &set);
      BOOST_TEST(is_plain_file_name(set.name));
      BOOST_TEST(!set.about.empty());
      BOOST_TEST(!set.licence.empty());
      BOOST_TEST(set.files.empty() != set.folder.path.empty());
      BOOST_TEST((set.members.empty() || set.files.size() == 1));
    }
  }
  BOOST_TEST(find_data_set("gpt3") == nullptr);
}

BOOST_AUTO_TEST_CASE(every_file_has_a_plain_name_and_an_https_address_that_ends_in_it) {
  for (const auto& set : catalogue()) {
    std::set<std::string> names;
    for (const auto& file : set.files) {
      BOOST_TEST_CONTEXT(set.name << "/" << file.name) {
        BOOST_TEST(names.insert(file.name).second);
        BOOST_TEST(is_plain_file_name(file.name));
        BOOST_TEST(parse_url(file.url).secure);
        BOOST_TEST(file_name_of(parse_url(file.url)) == file.name);
      }
    }
  }
}

// A mistyped digit makes content_hash_from_hex() take a hash for none.
BOOST_AUTO_TEST_CASE(only_files_of_the_hub_are_without_a_hash_and_they_lie_at_a_fixed_revision) {
  for (const auto& set : catalogue()) {
    for (const auto& file : set.files) {
      if (file.hash.is_known()) continue;
      BOOST_TEST(file.url.starts_with(kHub), file.url);
      const auto revision = file.url.substr(file.url.find("/resolve/") + 9, 40);
      BOOST_TEST((content_hash_from_hex(revision).kind == ContentHash::Kind::kGitBlob), file.url);
    }
  }
  for (const auto* name :
       {"gpt2-vocab", "gpt2", "gpt2-medium", "gpt2-xl", "tinyshakespeare", "wikitext-2",
        "wikitext-103", "alpaca", "hellaswag", "lambada", "fineweb-edu-10B"}) {
    for (const auto& file : find_data_set(name)->files) BOOST_TEST(file.hash.is_known(), file.url);
  }
}

BOOST_AUTO_TEST_CASE(sizes_of_fineweb_edu_add_up_to_the_published_sum) {
  std::uint64_t sum = 0;
  for (const auto& file : find_data_set("fineweb-edu-10B")->files) sum += file.bytes;
  BOOST_TEST(find_data_set("fineweb-edu-10B")->files.size() == 14U);
  BOOST_TEST(sum == 28'518'193'415U);
}

BOOST_AUTO_TEST_CASE(shards_are_numbered_as_their_makers_do) {
  const auto& files = find_data_set("fineweb-edu-100B-gpt2")->files;
  BOOST_TEST(files.size() == 1002U);
  BOOST_TEST(files.front().name == "edu_fineweb_val_000000.bin");
  BOOST_TEST(files.back().name == "edu_fineweb_train_001001.bin");
  BOOST_TEST(find_data_set("fineweb-10B-gpt2")->files.back().name == "fineweb_train_000103.bin");
}

// The hashes of files that are at hand are those of the catalogue.
BOOST_AUTO_TEST_CASE(hashes_are_those_of_the_real_files) {
  const char* data = std::getenv("GPT2_TEST_DATA");
  if (data == nullptr) return;
  const std::string folder = data;
  const auto check = [&](const char* set, const char* file, const std::string& path) {
    for (const auto& known : find_data_set(set)->files) {
      if (known.name != file) continue;
      BOOST_TEST((content_hash_of(path, known.hash.kind) == known.hash), path);
      BOOST_TEST(std::filesystem::file_size(path) == known.bytes);
      return;
    }
    BOOST_ERROR(set << " has no " << file);
  };
  check("gpt2-vocab", "encoder.json", folder + "/gpt2/encoder.json");
  check("gpt2-vocab", "vocab.bpe", folder + "/gpt2/vocab.bpe");
  check("gpt2", "vocab.json", folder + "/gpt2/encoder.json");
  check("tinyshakespeare", "input.txt", folder + "/tinyshakespeare/input.txt");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::fetch
