// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/data/cut_into_shards.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <random>
#include <sstream>

#include "formats/durable_file.h"
#include "formats/errors.h"
#include "formats/token_shard.h"
#include "formats/token_stream.h"
#include "libcore/data/shard_set.h"
#include "tests/libcore/data/shard_fixture.h"

namespace gpt2::data {
namespace {

namespace fs = std::filesystem;

constexpr formats::TokenStreamHeader kHeader{.vocab_size = 100, .end_of_text = 0, .tokenizer = {7}};

std::string stream_of(const std::vector<std::uint16_t>& tokens) {
  std::ostringstream out;
  formats::TokenStreamWriter writer(out, kHeader);
  writer.append(tokens);
  writer.finish(static_cast<std::uint64_t>(std::count(tokens.begin(), tokens.end(), 0)));
  return out.str();
}

std::vector<std::uint16_t> tokens_of(const fs::path& path) {
  const formats::TokenShardReader shard(path);
  std::vector<std::uint16_t> tokens(shard.header().token_count);
  shard.read(0, tokens);
  return tokens;
}

struct CutFixture : ShardFixture {
  ShardCut cut_of(std::uint64_t tokens_per_shard, std::uint64_t val = 0,
                  std::uint64_t test = 0) const {
    return {.out_dir = folder.string(),
            .prefix = "p",
            .tokens_per_shard = tokens_per_shard,
            .val_tokens = val,
            .test_tokens = test};
  }
  static ShardCutResult run(const std::string& stream, const ShardCut& cut) {
    std::istringstream in(stream);
    return cut_into_shards(in, "the stream", cut);
  }
  /// Names of everything in the folder, hidden and folders too.
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder)) {
      found.push_back(entry.path().filename());
    }
    std::sort(found.begin(), found.end());
    return found;
  }
};

using Names = std::vector<std::string>;

}  // namespace

BOOST_FIXTURE_TEST_SUITE(cut_into_shards_, CutFixture)

BOOST_AUTO_TEST_CASE(cuts_val_then_test_then_train_exactly) {
  const auto tokens = counting_tokens(103);
  const auto result = run(stream_of(tokens), cut_of(10, 13, 5));
  const Names expected{"p_test_000002.bin",  "p_train_000003.bin", "p_train_000004.bin",
                       "p_train_000005.bin", "p_train_000006.bin", "p_train_000007.bin",
                       "p_train_000008.bin", "p_train_000009.bin", "p_train_000010.bin",
                       "p_train_000011.bin", "p_val_000000.bin",   "p_val_000001.bin"};
  BOOST_TEST(names() == expected, boost::test_tools::per_element());
  const std::vector<std::uint64_t> counts{10, 3, 5, 10, 10, 10, 10, 10, 10, 10, 10, 5};
  BOOST_TEST_REQUIRE(result.shards.size() == counts.size());
  std::vector<std::uint16_t> joined;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    BOOST_TEST(result.shards[i].token_count == counts[i]);
    const auto shard = tokens_of(result.shards[i].path);
    BOOST_TEST(shard.size() == counts[i]);
    joined.insert(joined.end(), shard.begin(), shard.end());
  }
  BOOST_TEST(joined == tokens, boost::test_tools::per_element());
  BOOST_TEST(result.token_count == 103U);
  BOOST_TEST(result.document_count == 2U);
}

BOOST_AUTO_TEST_CASE(one_val_shard_is_number_0_and_train_begins_at_1) {
  run(stream_of(counting_tokens(30)), cut_of(100, 10));
  BOOST_TEST(names() == (Names{"p_train_000001.bin", "p_val_000000.bin"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(without_val_train_begins_at_0) {
  run(stream_of(counting_tokens(30)), cut_of(20));
  BOOST_TEST(names() == (Names{"p_train_000000.bin", "p_train_000001.bin"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_stream_that_fills_its_shards_leaves_no_empty_one) {
  const auto result = run(stream_of(counting_tokens(40)), cut_of(10, 20, 10));
  BOOST_TEST(result.shards.size() == 4U);
  BOOST_TEST(names().back() == "p_val_000001.bin");
}

BOOST_AUTO_TEST_CASE(every_shard_verifies_and_says_where_its_tokens_come_from) {
  std::vector<std::uint16_t> tokens{0, 5, 6, 0, 0, 7,
                                    8, 9, 0, 4, 3};  // documents begin at 0, 3, 4, 8
  const auto result = run(stream_of(tokens), cut_of(4, 3));
  const std::vector<std::uint64_t> documents{1, 2, 1};
  BOOST_TEST_REQUIRE(result.shards.size() == documents.size());
  for (std::size_t i = 0; i < documents.size(); ++i) {
    const formats::TokenShardReader shard(result.shards[i].path);
    shard.verify();
    BOOST_TEST(!shard.header().foreign);
    BOOST_TEST(shard.header().vocab_size == 100U);
    BOOST_TEST(shard.header().end_of_text == 0U);
    BOOST_TEST((shard.header().tokenizer == formats::Fingerprint{7}));
    BOOST_TEST(shard.header().document_count == documents[i]);
  }
  BOOST_TEST(result.document_count == 4U);
}

BOOST_AUTO_TEST_CASE(cuts_blocks_of_the_stream_wherever_they_end) {
  const auto tokens = counting_tokens(5'000'001);  // three blocks
  const auto result = run(stream_of(tokens), cut_of(1'300'000, 7, 2'600'001));
  std::vector<std::uint16_t> joined;
  for (const auto& shard : result.shards) {
    const auto part = tokens_of(shard.path);
    joined.insert(joined.end(), part.begin(), part.end());
  }
  BOOST_TEST((joined == tokens));
  BOOST_TEST(result.shards.size() == 1U + 3 + 2);
}

BOOST_AUTO_TEST_CASE(refuses_a_stream_too_short_for_val_and_test) {
  BOOST_CHECK_EXCEPTION(run(stream_of(counting_tokens(29)), cut_of(10, 20, 10)),
                        formats::UsageError,
                        says({"29 tokens", "--val-tokens 20", "--test-tokens 10"}));
  BOOST_TEST(names().empty());
  BOOST_TEST(run(stream_of(counting_tokens(30)), cut_of(10, 20, 10)).shards.size() == 3U);
}

BOOST_AUTO_TEST_CASE(cuts_between_documents_when_documents_are_counted) {
  const std::vector<std::uint16_t> tokens{0, 5, 6, 0, 0, 7, 8, 9, 0, 4, 3, 0};
  auto cut = cut_of(3);
  cut.val_documents = 3;
  cut.test_documents = 1;
  const auto result = run(stream_of(tokens), cut);
  const std::vector<std::vector<std::uint16_t>> expected{
      {0, 5, 6}, {0, 0, 7}, {8, 9}, {0, 4, 3}, {0}};
  BOOST_TEST_REQUIRE(result.shards.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    BOOST_TEST(tokens_of(result.shards[i].path) == expected[i], boost::test_tools::per_element());
  }
  BOOST_TEST(names().front() == "p_test_000003.bin");
  BOOST_TEST(names()[1] == "p_train_000004.bin");
}

BOOST_AUTO_TEST_CASE(the_last_document_may_end_the_stream) {
  auto cut = cut_of(100);
  cut.val_documents = 2;
  BOOST_TEST(run(stream_of({0, 5, 0, 6}), cut).shards.size() == 1U);
  cut.force = true;
  cut.val_documents = 3;
  BOOST_CHECK_EXCEPTION(run(stream_of({0, 5, 0, 6}), cut), formats::UsageError,
                        says({"2 documents", "--val-documents 3"}));
}

BOOST_AUTO_TEST_CASE(documents_are_counted_only_where_the_vocabulary_marks_them) {
  std::ostringstream out;
  formats::TokenStreamWriter writer(out, {.vocab_size = 100, .end_of_text = formats::kNoToken});
  writer.append(counting_tokens(10));
  writer.finish(0);
  auto cut = cut_of(100);
  cut.test_documents = 1;
  BOOST_CHECK_EXCEPTION(run(out.str(), cut), formats::UsageError, says({"end-of-text"}));
  BOOST_TEST(names().empty());
  BOOST_TEST(run(out.str(), cut_of(100)).shards.size() == 1U);
}

BOOST_AUTO_TEST_CASE(refuses_an_empty_stream) {
  BOOST_CHECK_THROW(run(stream_of({}), cut_of(10)), formats::InputError);
  BOOST_TEST(names().empty());
}

BOOST_AUTO_TEST_CASE(refuses_values_that_name_no_shard) {
  const auto stream = stream_of(counting_tokens(5));
  BOOST_CHECK_THROW(run(stream, cut_of(0)), formats::UsageError);
  BOOST_CHECK_THROW(run(stream, cut_of(std::uint64_t{1} << 31)), formats::UsageError);
  BOOST_CHECK_THROW(run(stream, cut_of(10, UINT64_MAX, UINT64_MAX)), formats::UsageError);
  auto twice = cut_of(10, 1);
  twice.val_documents = 1;
  BOOST_CHECK_THROW(run(stream, twice), formats::UsageError);
  twice = cut_of(10, 0, 1);
  twice.test_documents = 1;
  BOOST_CHECK_THROW(run(stream, twice), formats::UsageError);
  for (const auto* prefix : {"", "a/b", ".hidden", "-x"}) {
    auto cut = cut_of(10);
    cut.prefix = prefix;
    BOOST_CHECK_THROW(run(stream, cut), formats::UsageError);
  }
  BOOST_TEST(names().empty());
}

BOOST_AUTO_TEST_CASE(a_stream_cut_anywhere_leaves_nothing) {
  const std::string stream = stream_of(counting_tokens(40));
  for (std::size_t bytes = 0; bytes < stream.size(); ++bytes) {
    BOOST_CHECK_THROW(run(stream.substr(0, bytes), cut_of(40, 20)), formats::InputError);
    BOOST_TEST_REQUIRE(names().empty(), "cut at byte " << bytes);
  }
}

BOOST_AUTO_TEST_CASE(a_long_stream_cut_anywhere_leaves_nothing) {
  const std::string stream = stream_of(counting_tokens(5'000'000));
  std::mt19937 random(1);  // NOLINT: the same places every time
  for (int i = 0; i < 5; ++i) {
    const std::size_t bytes = random() % stream.size();
    BOOST_CHECK_THROW(run(stream.substr(0, bytes), cut_of(1'000'000)), formats::InputError);
    BOOST_TEST_REQUIRE(names().empty(), "cut at byte " << bytes);
  }
}

BOOST_AUTO_TEST_CASE(a_changed_byte_leaves_nothing) {
  const std::string stream = stream_of(counting_tokens(40));
  for (std::size_t i = 0; i < stream.size(); ++i) {
    std::string damaged = stream;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    BOOST_CHECK_THROW(run(damaged, cut_of(40, 20)), formats::InputError);
    BOOST_TEST_REQUIRE(names().empty(), "byte " << i);
  }
}

BOOST_AUTO_TEST_CASE(shards_of_this_prefix_are_not_overwritten) {
  run(stream_of(counting_tokens(30)), cut_of(10));
  const auto before = contents();
  BOOST_CHECK_EXCEPTION(run(stream_of(counting_tokens(30, 5)), cut_of(10)), formats::ExistsError,
                        says({"p_train_000000.bin", "--force"}));
  BOOST_TEST((contents() == before));
}

BOOST_AUTO_TEST_CASE(other_prefixes_and_files_do_not_count) {
  for (const auto* name : {"p_more_train_000000.bin", "p_val_notes.bin", "p_train_000000.bin.gz",
                           "other_val_000000.bin", "p.bin", "p_val_.bin"}) {
    write_bytes(name, "mine");
  }
  auto cut = cut_of(10);
  cut.force = true;
  const auto before = contents();
  run(stream_of(counting_tokens(10)), cut);
  auto after = contents();
  BOOST_TEST(after.erase("p_train_000000.bin") == 1U);
  BOOST_TEST((after == before));
}

BOOST_AUTO_TEST_CASE(force_replaces_the_whole_set) {
  run(stream_of(counting_tokens(50)), cut_of(10, 10));
  auto cut = cut_of(10);
  cut.force = true;
  run(stream_of(counting_tokens(20, 5)), cut);
  BOOST_TEST(names() == (Names{"p_train_000000.bin", "p_train_000001.bin"}),
             boost::test_tools::per_element());
  BOOST_TEST(tokens_of(at("p_train_000000.bin")) == counting_tokens(10, 5),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(force_keeps_the_old_set_when_the_new_stream_is_cut) {
  run(stream_of(counting_tokens(50)), cut_of(10, 10));
  const auto before = contents();
  auto cut = cut_of(10);
  cut.force = true;
  const std::string stream = stream_of(counting_tokens(40));
  BOOST_CHECK_THROW(run(stream.substr(0, stream.size() - 1), cut), formats::InputError);
  BOOST_TEST((contents() == before));
  BOOST_TEST(names().size() == before.size());
}

BOOST_AUTO_TEST_CASE(progress_hears_of_every_token) {
  const std::string stream = stream_of(counting_tokens(5'000'000));
  std::vector<std::uint64_t> heard;
  std::istringstream whole(stream);
  cut_into_shards(whole, "s", cut_of(1'000'000),
                  [&](std::uint64_t done) { heard.push_back(done); });
  BOOST_TEST(heard.size() > 1U);
  BOOST_TEST(std::is_sorted(heard.begin(), heard.end()));
  BOOST_TEST(heard.back() == 5'000'000U);
}

BOOST_AUTO_TEST_CASE(a_killed_cut_leaves_no_final_name_and_the_next_one_cleans_up) {
  const std::string stream = stream_of(counting_tokens(5'000'000));
  const pid_t child = ::fork();
  if (child == 0) {
    std::istringstream in(stream);
    cut_into_shards(in, "s", cut_of(1'000'000), [](std::uint64_t) { ::raise(SIGKILL); });
    ::_exit(0);
  }
  int status = 0;
  BOOST_TEST_REQUIRE(::waitpid(child, &status, 0) == child);
  BOOST_TEST_REQUIRE(WIFSIGNALED(status));
  BOOST_TEST(names() == Names{".tmp-p"}, boost::test_tools::per_element());
  BOOST_TEST(!fs::is_empty(folder / ".tmp-p"));
  run(stream_of(counting_tokens(10)), cut_of(10));
  BOOST_TEST(names() == Names{"p_train_000000.bin"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_cut_killed_while_it_gives_names_is_undone_by_the_next_one) {
  run(stream_of(counting_tokens(30)), cut_of(10));
  const auto before = contents();
  auto cut = cut_of(10);
  cut.force = true;
  const std::string stream = stream_of(counting_tokens(20, 50));
  const pid_t child = ::fork();
  if (child == 0) {
    formats::set_fault_hook([](std::string_view call, const fs::path& path) {
      if (call == "rename" && path.filename() == "p_train_000000.bin" &&
          path.parent_path().filename() != ".tmp-p" &&
          !fs::exists(path.parent_path() / "p_train_000002.bin")) {
        ::raise(SIGKILL);
      }
      return 0;
    });
    run(stream, cut);
    ::_exit(0);
  }
  int status = 0;
  BOOST_TEST_REQUIRE(::waitpid(child, &status, 0) == child);
  BOOST_TEST_REQUIRE(WIFSIGNALED(status));
  BOOST_CHECK_EXCEPTION(ShardSet({at("p_*.bin")}), formats::InputError, says({"not whole"}));
  BOOST_CHECK_THROW(run(stream.substr(0, stream.size() - 1), cut), formats::InputError);
  BOOST_TEST((contents() == before));
  run(stream, cut);
  BOOST_TEST(names() == (Names{"p_train_000000.bin", "p_train_000001.bin"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(shards_that_cannot_be_put_back_stay_for_the_next_cut) {
  run(stream_of(counting_tokens(30)), cut_of(10));
  const auto before = contents();
  auto cut = cut_of(10);
  cut.force = true;
  const std::string stream = stream_of(counting_tokens(20, 50));
  formats::set_fault_hook([&](std::string_view, const fs::path& path) {
    return !fs::exists(folder / "p_train_000001.bin") && path.parent_path() == folder ? EIO : 0;
  });
  BOOST_CHECK_THROW(run(stream, cut), formats::IoError);
  formats::set_fault_hook({});
  BOOST_TEST(!fs::exists(folder / "p_train_000001.bin"));
  BOOST_CHECK_THROW(run(stream.substr(0, stream.size() - 1), cut), formats::InputError);
  BOOST_TEST((contents() == before));
}

BOOST_AUTO_TEST_CASE(a_folder_with_the_name_of_a_shard_is_in_the_way) {
  fs::create_directory(folder / "p_train_000007.bin");
  auto cut = cut_of(10);
  cut.force = true;
  BOOST_CHECK_EXCEPTION(run(stream_of(counting_tokens(30)), cut), formats::ExistsError,
                        says({"p_train_000007.bin", "folder"}));
  BOOST_TEST(names() == Names{"p_train_000007.bin"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(two_cuts_of_one_prefix_do_not_mix) {
  {
    const formats::TemporaryDirectory other(folder / "p");
    BOOST_CHECK_THROW(run(stream_of(counting_tokens(10)), cut_of(10)), formats::ExistsError);
    BOOST_TEST(fs::exists(folder / ".tmp-p"));
  }
  BOOST_TEST(run(stream_of(counting_tokens(10)), cut_of(10)).shards.size() == 1U);
}

BOOST_AUTO_TEST_CASE(every_failed_write_leaves_what_was_there) {
  run(stream_of(counting_tokens(30)), cut_of(10, 10));
  const auto before = contents();
  auto cut = cut_of(10);
  cut.force = true;
  const std::string stream = stream_of(counting_tokens(25, 50));
  int failing = 0;
  for (bool failed = true; failed; ++failing) {
    int calls = 0;
    formats::set_fault_hook(
        [&](std::string_view, const fs::path&) { return calls++ == failing ? ENOSPC : 0; });
    try {
      run(stream, cut);
      failed = calls > failing;
    } catch (const formats::IoError&) {
      formats::set_fault_hook({});
      BOOST_TEST_REQUIRE((contents() == before), "call " << failing);
      BOOST_TEST_REQUIRE(names().size() == before.size(), "call " << failing);
    }
    formats::set_fault_hook({});
  }
  BOOST_TEST(failing > 6);  // at least open and rename of three shards
  BOOST_TEST((contents() != before));
}

BOOST_AUTO_TEST_CASE(a_name_that_cannot_be_taken_undoes_the_others) {
  run(stream_of(counting_tokens(30)), cut_of(10));
  const auto before = contents();
  auto cut = cut_of(10);
  cut.force = true;
  std::istringstream in(stream_of(counting_tokens(50, 50)));
  // While the stream is read, a folder takes the name of a shard in the middle of the new set.
  BOOST_CHECK_THROW(cut_into_shards(in, "s", cut,
                                    [&](std::uint64_t) {
                                      fs::create_directories(folder / "p_train_000003.bin" / "x");
                                    }),
                    formats::IoError);
  BOOST_TEST((contents() == before));
  BOOST_TEST(!fs::exists(folder / ".tmp-p"));
}

BOOST_AUTO_TEST_CASE(makes_the_folder_only_for_a_token_stream) {
  auto cut = cut_of(10);
  cut.out_dir = (folder / "new" / "deep").string();
  BOOST_CHECK_THROW(run("not a token stream", cut), formats::InputError);
  BOOST_TEST(!fs::exists(folder / "new"));
  // Nor does half of one leave it behind.
  const std::string stream = stream_of(counting_tokens(10));
  BOOST_CHECK_THROW(run(stream.substr(0, stream.size() - 1), cut), formats::InputError);
  BOOST_TEST(!fs::exists(folder / "new"));
  BOOST_TEST(run(stream_of(counting_tokens(10)), cut).shards.size() == 1U);
  BOOST_TEST(fs::exists(folder / "new" / "deep" / "p_train_000000.bin"));
}

BOOST_AUTO_TEST_CASE(an_out_dir_that_is_a_file_is_kept) {
  auto cut = cut_of(10);
  cut.out_dir = write_bytes("file", "x");
  BOOST_CHECK_THROW(run(stream_of(counting_tokens(10)), cut), formats::ExistsError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::data
