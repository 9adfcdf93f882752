// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/data/shard_names.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <map>

#include "formats/durable_file.h"
#include "formats/errors.h"
#include "libcore/data/shard_set.h"
#include "tests/libcore/data/shard_fixture.h"

namespace gpt2::data {
namespace {

namespace fs = std::filesystem;

/// Runs `action` in a child process that is killed before call number `call` of those that a fault
/// hook hears of; false if it ended before.
template <typename Action>
bool is_killed_at(int call, const Action& action) {
  const pid_t child = ::fork();
  if (child == 0) {
    formats::set_fault_hook([calls = 0, call](std::string_view, const fs::path&) mutable {
      if (calls++ == call) ::raise(SIGKILL);
      return 0;
    });
    action();
    ::_exit(0);
  }
  int status = 0;
  BOOST_TEST_REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status);
}

/// Two sets of one prefix, which share a name.
struct TwoSets : ShardFixture {
  using Files = std::map<std::string, std::string>;

  void begin(const Files& before) const {
    for (const auto& entry : fs::directory_iterator(folder)) fs::remove_all(entry);
    fs::create_directory(staging);
    for (const auto& [name, bytes] : new_set) write_bytes(".tmp-p/" + name, bytes);
    for (const auto& [name, bytes] : before) write_bytes(name, bytes);
  }
  void publish() const {
    std::vector<fs::path> names;
    for (const auto& [name, bytes] : new_set) names.emplace_back(name);
    publish_shards(staging, "p", names, folder);
  }
  void undo() const { undo_publish_shards(staging, "p", folder); }

  Files shards() const {
    Files found;
    for (const auto& name : find_shards_of("p", folder)) found[name] = read_bytes(name);
    return found;
  }
  /// Is there a shard, and is the set refused because it is not whole?
  bool is_refused() const {
    try {
      if (!shards().empty()) ShardSet({at("p_*.bin")});
      return false;
    } catch (const formats::InputError& error) {
      BOOST_TEST_REQUIRE(says({"p_", "not whole", "gpt2-shard"})(error), error.what());
      return true;
    }
  }
  void check_not_taken_for_whole(const Files& before) const {
    const auto found = shards();
    BOOST_TEST_REQUIRE((found.empty() || found == before || found == new_set || is_refused()));
  }

  const fs::path staging = folder / ".tmp-p";
  const Files old_set = files_of(
                  {{"p_test_000001.bin", 1}, {"p_train_000002.bin", 2}, {"p_val_000000.bin", 3}}),
              new_set = files_of({{"p_train_000001.bin", 4}, {"p_val_000000.bin", 5}});

 private:
  Files files_of(const std::map<std::string, std::uint16_t>& tokens) const {
    Files files;
    for (const auto& [name, token] : tokens) {
      write_shard(name, {token});
      files[name] = read_bytes(name);
    }
    return files;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(shard_names, TwoSets)

BOOST_AUTO_TEST_CASE(are_given_in_the_place_of_the_old_ones) {
  begin(old_set);
  publish();
  BOOST_TEST((shards() == new_set));
  BOOST_TEST(!is_refused());
  undo();
  BOOST_TEST((shards() == new_set));
}

BOOST_AUTO_TEST_CASE(a_kill_at_any_call_leaves_a_set_that_is_whole_or_refused_and_can_be_undone) {
  for (const Files& before : {Files{}, old_set}) {
    std::size_t refused_count = 0;
    for (int call = 0;; ++call) {
      BOOST_TEST_CONTEXT("call " << call) {
        begin(before);
        if (!is_killed_at(call, [&] { publish(); })) break;
        check_not_taken_for_whole(before);
        if (is_refused()) ++refused_count;
        undo();
        BOOST_TEST((shards() == before));
        BOOST_TEST(!is_refused());
      }
    }
    BOOST_TEST((shards() == new_set));
    BOOST_TEST(refused_count > before.size() + new_set.size());
  }
}

BOOST_AUTO_TEST_CASE(a_kill_while_they_are_put_back_can_be_undone_too) {
  int calls_to_last_name = 0;
  formats::set_fault_hook(
      [&](std::string_view, const fs::path&) { return ++calls_to_last_name, 0; });
  begin(old_set);
  publish();
  formats::set_fault_hook({});
  for (int call = 0, killed = 1; killed != 0; ++call) {
    BOOST_TEST_CONTEXT("call " << call) {
      begin(old_set);
      BOOST_TEST(is_killed_at(calls_to_last_name - 1, [&] { publish(); }));
      BOOST_TEST(is_refused());
      killed = is_killed_at(call, [&] { undo(); }) ? 1 : 0;
      check_not_taken_for_whole(old_set);
      undo();
      BOOST_TEST((shards() == old_set));
      BOOST_TEST(!is_refused());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_call_that_fails_can_be_undone) {
  for (int failing = 0;; ++failing) {
    begin(old_set);
    int calls = 0;
    formats::set_fault_hook(
        [&](std::string_view, const fs::path&) { return calls++ == failing ? EIO : 0; });
    try {
      publish();
    } catch (const formats::IoError&) {
    }
    formats::set_fault_hook({});
    if (calls <= failing) break;
    check_not_taken_for_whole(old_set);
    undo();
    BOOST_TEST_REQUIRE((shards() == old_set), "call " << failing);
  }
  BOOST_TEST((shards() == new_set));
}

BOOST_AUTO_TEST_CASE(only_those_of_the_set_are_refused) {
  begin({});
  fs::create_directory(staging / "taking");
  for (const auto* name :
       {"pp_train_000000.bin", "p_trainer_000000.bin", "p_train_.bin", "p_val_train_000000.bin",
        "train_000000.bin", "p_train_000000.bin.old"}) {
    BOOST_TEST(open_shard(write_shard(name, {1, 2, 3})).header().token_count == 3U);
  }
  for (const auto* name : {"p_train_000000.bin", "p_val_000012.bin", "p_test_1.bin"}) {
    BOOST_CHECK_EXCEPTION(open_shard(write_shard(name, {1, 2, 3})), formats::InputError,
                          says({name, "not whole"}));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::data
