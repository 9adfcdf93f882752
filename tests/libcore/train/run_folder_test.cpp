// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/run_folder.h"

#include <boost/test/unit_test.hpp>

#include "formats/errors.h"
#include "tests/libcore/data/shard_fixture.h"

namespace gpt2::train {
namespace {

namespace fs = std::filesystem;

BOOST_FIXTURE_TEST_SUITE(run_folder, data::ShardFixture)

BOOST_AUTO_TEST_CASE(names_sort_as_their_numbers) {
  BOOST_TEST(step_checkpoint_name(100) == "step_00000100");
  BOOST_TEST(step_checkpoint_name(123456789) == "step_123456789");
  BOOST_TEST(epoch_checkpoint_name(1) == "epoch_0001");
}

BOOST_AUTO_TEST_CASE(new_folder_holds_no_run) {
  const RunFolder run(folder / "deep" / "run");
  BOOST_TEST(!run.holds_run());
  BOOST_TEST(!run.has_checkpoints());
}

BOOST_AUTO_TEST_CASE(settings_or_a_checkpoint_make_it_a_run) {
  RunFolder run(folder / "run");
  run.begin_run("seed: 1\n");
  BOOST_TEST(run.holds_run());
  BOOST_TEST(read_bytes("run/config.yaml") == "seed: 1\n");
  BOOST_TEST(!run.has_checkpoints());
  fs::create_directory(run.checkpoint_path("step_00000001"));
  BOOST_TEST(run.has_checkpoints());
}

BOOST_AUTO_TEST_CASE(folder_in_which_no_run_began_goes_with_all_that_was_made) {
  { const RunFolder refused(folder / "deep" / "run"); }
  BOOST_TEST(!fs::exists(folder / "deep"));
  fs::create_directories(folder / "old");
  write_bytes("old/notes.txt", "mine");
  { const RunFolder refused(folder / "old"); }
  BOOST_TEST((contents() == std::map<std::string, std::string>{{"old/notes.txt", "mine"}}));
  RunFolder(folder / "new" / "run").begin_run("seed: 1\n");
  BOOST_TEST(read_bytes("new/run/config.yaml") == "seed: 1\n");
  BOOST_TEST(fs::exists(folder / "new/run/checkpoints"));
}

// The lock is that of the run, so it must outlive a start that is refused.
BOOST_AUTO_TEST_CASE(folder_of_another_trainer_is_left_as_it_is) {
  const RunFolder other(folder / "run");
  BOOST_CHECK_THROW(RunFolder(folder / "run"), formats::ExistsError);
  BOOST_TEST(fs::exists(folder / "run/lock"));
  BOOST_TEST(fs::exists(folder / "run/checkpoints"));
}

BOOST_AUTO_TEST_CASE(second_trainer_is_refused_while_the_first_lives) {
  {
    const RunFolder first(folder / "run");
    BOOST_CHECK_THROW(RunFolder(folder / "run"), formats::ExistsError);
  }
  BOOST_CHECK_NO_THROW(RunFolder(folder / "run"));
}

BOOST_AUTO_TEST_CASE(what_a_killed_writer_left_is_removed_and_nothing_else) {
  fs::create_directories(folder / "run/checkpoints/.tmp-step_00000002/deep");
  fs::create_directories(folder / "run/checkpoints/step_00000001");
  write_bytes("run/.tmp-config.yaml", "half");
  write_bytes("run/notes.txt", "mine");
  const RunFolder run(folder / "run");
  BOOST_TEST(!fs::exists(folder / "run/checkpoints/.tmp-step_00000002"));
  BOOST_TEST(!fs::exists(folder / "run/.tmp-config.yaml"));
  BOOST_TEST(fs::exists(folder / "run/checkpoints/step_00000001"));
  BOOST_TEST(fs::exists(folder / "run/notes.txt"));
}

BOOST_AUTO_TEST_CASE(latest_is_a_relative_link_that_is_replaced) {
  RunFolder run(folder / "run");
  run.point_latest_to("step_00000001");
  run.point_latest_to("step_00000002");
  BOOST_TEST(fs::read_symlink(folder / "run/checkpoints/latest") == "step_00000002");
}

BOOST_AUTO_TEST_CASE(removed_checkpoint_is_gone_whole) {
  RunFolder run(folder / "run");
  fs::create_directory(run.checkpoint_path("step_00000001"));
  write_bytes("run/checkpoints/step_00000001/model.safetensors", "x");
  BOOST_TEST(run.remove_checkpoint(run.checkpoint_path("step_00000001")));
  BOOST_TEST(fs::is_empty(folder / "run/checkpoints"));
  BOOST_TEST(!run.remove_checkpoint(run.checkpoint_path("step_00000001")));
}

BOOST_AUTO_TEST_CASE(folder_that_cannot_be_made_is_named) {
  write_bytes("file", "x");
  for (const auto& path : {folder / "file", folder / "file" / "run"}) {
    BOOST_CHECK_EXCEPTION(RunFolder{path}, formats::ExistsError,
                          data::says({at("file"), "not a folder"}));
  }
  BOOST_TEST(read_bytes("file") == "x");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::train
