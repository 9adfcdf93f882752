// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/checkpoint_writer.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstring>
#include <future>
#include <limits>

#include "formats/durable_file.h"
#include "formats/errors.h"
#include "libcore/model/model_directory.h"
#include "libcore/model/model_weights.h"
#include "tests/libcore/data/shard_fixture.h"
#include "tests/libcore/model/model_fixture.h"

namespace gpt2::train {
namespace {

namespace fs = std::filesystem;
using data::says;
using Names = std::vector<std::string>;

struct Writing : data::ShardFixture {
  Writing() : small(model::test::odd_config()), optimizer(small.model, {}), run(folder / "run") {
    small.roughen();
    run.begin_run("");
  }
  ~Writing() { formats::set_fault_hook({}); }

  CheckpointWriter writer(std::uint64_t keep_last = 3) {
    return {run, small.model, optimizer, nullptr, keep_last, *alone};
  }
  static CheckpointOrder order(std::uint64_t step, Names names, bool rolling = false) {
    CheckpointOrder order{.names = std::move(names), .rolling = rolling};
    order.manifest.step = step;
    order.due = std::chrono::steady_clock::now();
    return order;
  }
  static CheckpointOrder rolling(std::uint64_t step) {
    return order(step, {step_checkpoint_name(step)}, true);
  }
  fs::path path(const std::string& name) const { return run.checkpoint_path(name); }
  Names checkpoints() const {
    Names names;
    for (const auto& directory : model::list_checkpoints(run.path()))
      names.push_back(directory.filename().string());
    return names;
  }
  std::uint64_t newest_step() const {
    std::vector<std::string> notices;
    const auto newest = model::newest_checkpoint(run.path(), notices);
    BOOST_TEST(notices.empty());
    return newest->manifest->step;
  }

  std::unique_ptr<comm::Communicator> alone = comm::make_solo_communicator();
  model::test::SmallModel small;
  optim::AdamW optimizer;
  RunFolder run;
};

BOOST_FIXTURE_TEST_SUITE(checkpoint_writer, Writing)

BOOST_AUTO_TEST_CASE(save_has_all_its_names_and_latest_is_the_last) {
  auto saves = writer();
  BOOST_TEST(!saves.wait().has_value());
  saves.begin(order(8, {"step_00000008", "epoch_0001", "final"}));
  const auto save = saves.wait();
  BOOST_REQUIRE(save.has_value());
  BOOST_TEST(save->step == 8U);
  BOOST_TEST(save->seconds >= save->stall_seconds);
  BOOST_TEST(save->notices.empty());
  BOOST_TEST(!saves.wait().has_value());
  for (const std::string name : {"step_00000008", "epoch_0001", "final"}) {
    BOOST_TEST(model::open_checkpoint(path(name)).manifest->step == 8U);
    BOOST_TEST(
        fs::equivalent(path("final") / "model.safetensors", path(name) / "model.safetensors"));
    BOOST_TEST(is_lasting_checkpoint(path(name), 8));
    BOOST_TEST(!is_lasting_checkpoint(path(name), 9));
  }
  BOOST_TEST(fs::read_symlink(path("latest")) == "final");
}

// The thread waits at its first file until the model has changed.
BOOST_AUTO_TEST_CASE(training_goes_on_while_a_save_is_written) {
  std::promise<void> model_has_changed;
  auto changed = model_has_changed.get_future().share();
  formats::set_fault_hook([changed](std::string_view, const fs::path&) {
    changed.wait();
    return 0;
  });
  const auto before = small.download(small.model.parameters());
  auto saves = writer();
  saves.begin(order(1, {"step_00000001"}));
  BOOST_TEST(saves.is_busy());
  BOOST_TEST(!saves.finished().has_value());
  small.model.initialise(7);
  model_has_changed.set_value();
  BOOST_TEST(saves.wait().has_value());
  BOOST_TEST(!saves.is_busy());
  formats::set_fault_hook({});
  BOOST_TEST(small.download(small.model.parameters()) != before);
  model::load_weights(model::open_checkpoint(path("step_00000001")), small.model);
  BOOST_TEST(small.download(small.model.parameters()) == before);
}

BOOST_AUTO_TEST_CASE(save_under_way_is_finished_when_the_writer_goes) {
  {
    auto saves = writer();
    saves.begin(order(1, {"step_00000001"}));
  }
  BOOST_TEST(newest_step() == 1U);
}

BOOST_AUTO_TEST_CASE(rolling_saves_are_pruned_and_others_kept) {
  auto saves = writer(2);
  for (std::uint64_t step = 1; step <= 6; ++step) {
    saves.begin(step == 2 ? order(2, {"step_00000002"}) : rolling(step));
    saves.wait();
  }
  BOOST_TEST(checkpoints() == (Names{"step_00000006", "step_00000005", "step_00000002"}),
             boost::test_tools::per_element());
  BOOST_TEST(!is_lasting_checkpoint(path("step_00000006"), 6));
}

// A run that fell back from a damaged checkpoint: what it saves on the way must not go for it.
BOOST_AUTO_TEST_CASE(rolling_saves_of_later_steps_do_not_count) {
  auto saves = writer(1);
  saves.begin(rolling(8));
  saves.wait();
  fs::remove(path("step_00000008") / "config.json");
  for (const std::uint64_t step : {6, 7}) {
    saves.begin(rolling(step));
    saves.wait();
  }
  BOOST_TEST(checkpoints() == (Names{"step_00000008", "step_00000007"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(checkpoint_of_this_step_gets_more_names_without_a_snapshot) {
  auto saves = writer();
  saves.begin(rolling(5));
  saves.wait();
  const auto& parameter = small.model.table().at("ln_f.bias");
  small.model.load_parameter(parameter,
                             std::vector<float>(static_cast<std::size_t>(parameter.element_count),
                                                std::numeric_limits<float>::quiet_NaN()));
  auto more = order(5, {"step_00000005", "final"});
  more.existing = path("step_00000005");
  saves.begin(std::move(more));
  saves.wait();
  for (const std::string name : {"step_00000005", "final"}) {
    BOOST_TEST(is_lasting_checkpoint(path(name), 5));
  }
  BOOST_TEST(fs::equivalent(path("step_00000005") / "model.safetensors",
                            path("final") / "model.safetensors"));
}

BOOST_AUTO_TEST_CASE(weights_that_are_not_finite_are_never_saved) {
  auto saves = writer();
  const auto& parameter = small.model.table().at("h.1.mlp.c_fc.weight");
  auto values = small.stored("h.1.mlp.c_fc.weight");
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    values[5] = bad;
    small.model.load_parameter(parameter, values);
    BOOST_CHECK_EXCEPTION(saves.begin(order(30, {"final"})), formats::DivergedError,
                          says({"step 30", "learning-rate"}));
    BOOST_TEST(!saves.wait().has_value());
    BOOST_TEST(checkpoints().empty());
  }
  values[5] = std::numeric_limits<float>::max();
  small.model.load_parameter(parameter, values);
  saves.begin(order(30, {"final"}));
  BOOST_TEST(saves.wait().has_value());
}

// Every system call of a save with two names fails in turn, until a save meets no failure. Whatever
// call it is, one of the two checkpoints is the newest, and whole.
BOOST_AUTO_TEST_CASE(save_that_fails_at_any_call_says_so_and_keeps_what_was) {
  auto saves = writer();
  for (const int code : {ENOSPC, EIO}) {
    int failing = 0;
    for (bool failed = true; failed; ++failing) {
      fs::remove_all(path(""));
      fs::create_directory(path(""));
      saves.begin(order(10, {"step_00000010"}));
      saves.wait();
      int calls = 0;
      failed = false;
      formats::set_fault_hook([&](std::string_view, const fs::path&) {
        if (calls++ != failing) return 0;
        failed = true;
        return code;
      });
      saves.begin(order(20, {"step_00000020", "final"}));
      std::string words;
      try {
        saves.wait();
      } catch (const formats::IoError& error) {
        words = error.what();
      }
      formats::set_fault_hook({});
      BOOST_TEST(failed == !words.empty());
      BOOST_TEST(!saves.wait().has_value());
      if (failed) {
        BOOST_TEST(
            says({"step 20", "--resume latest", std::strerror(code)})(std::runtime_error(words)),
            words);
      }
      const auto step = newest_step();
      BOOST_TEST((step == 20U || (failed && step == 10U)));
    }
    BOOST_TEST(failing > 30);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::train
