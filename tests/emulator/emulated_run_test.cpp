// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Whole runs on an emulated GPU.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <string_view>

#include "formats/errors.h"
#include "libcore/model/model_directory.h"
#include "libcore/train/training_run.h"
#include "tests/libcore/train/tiny_run.h"

namespace gpt2::train {
namespace {

/// Remembers what it was told.
struct Notices : TrainingObserver {
  void on_notice(const std::string& sentence) override { all += sentence + "\n"; }
  std::string all;
};

struct EmulatedRuns : TinyRun {
  TrainingConfig short_config(const std::string& out) const {
    auto settings = config(out);
    settings.val.clear();
    settings.device = "cuda";
    settings.layers = 1;
    settings.total_batch_tokens = 2 * 2 * kTinyContext;
    settings.schedule = "constant";
    settings.warmup_steps = "0";
    settings.max_steps = 3;
    settings.save_every_steps = 1;
    return settings;
  }
  std::string train(const TrainingConfig& settings, std::set<std::string> given = {}) const {
    Notices notices;
    given.insert({"out", "resume"});
    const auto alone = comm::make_solo_communicator();
    run_training(
        settings, given, notices, [] { return 0; }, *alone);
    return notices.all;
  }
  std::string products(const std::string& out, const std::string& name) const {
    return model::open_checkpoint(checkpoint(out, name))
        .manifest->configuration.at("product-choices");
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(emulated_run, EmulatedRuns)

// The emulated timing finds another way fastest each time that it is asked.
BOOST_AUTO_TEST_CASE(goes_on_to_the_bit_with_the_products_of_its_checkpoint) {
  train(short_config("whole"));
  auto parts = short_config("parts");
  parts.resume = checkpoint("whole", "step_00000001").string();
  BOOST_TEST(train(parts) == "goes on from step 1 (" + parts.resume + ")\n");
  BOOST_TEST((final_files("parts") == final_files("whole")));
  BOOST_TEST(products("parts", "final") == products("whole", "final"));
  BOOST_TEST(!products("whole", "final").empty());
}

BOOST_AUTO_TEST_CASE(of_another_batch_size_chooses_products_anew_and_says_it) {
  train(short_config("whole"));
  auto parts = short_config("parts");
  parts.resume = checkpoint("whole", "step_00000001").string();
  parts.batch_size = "1";
  const auto notices = train(parts, {"batch-size"});
  BOOST_TEST(notices.find("products are chosen anew") != std::string::npos);
  BOOST_TEST(products("parts", "final") != products("whole", "final"));
}

/// The first of two ranks, the other of which says what this one does.
struct OneOfTwo : comm::Communicator {
  int rank() const override { return 0; }
  int size() const override { return 2; }
  std::vector<std::string> gather(std::string_view bytes) override {
    return {std::string(bytes), std::string(bytes)};
  }
  void reduce_shares(device::TensorView /*values*/, const comm::Shares& /*shares*/,
                     comm::ElementRange /*range*/, device::DataType /*wire*/) override {}
  void gather_shares(device::TensorView /*values*/, const comm::Shares& /*shares*/) override {}
  std::unique_ptr<Communicator> duplicate() override { return std::make_unique<OneOfTwo>(); }
  void say_phase(std::string_view /*phase*/) override {}
  int leave(int code) override { return code; }
};

BOOST_AUTO_TEST_CASE(of_several_ranks_is_refused_by_a_build_without_nccl) {
  if (comm::reaches_gpus()) return;  // tests/ranks has the others
  auto settings = short_config("ranks");
  settings.device = "cuda";
  OneOfTwo ranks;
  ::setenv("GPT2_EMULATOR_GPUS", "2", /*overwrite=*/1);
  TrainingObserver nobody;
  BOOST_CHECK_EXCEPTION(run_training(
                            settings, {"out"}, nobody, [] { return 0; }, ranks),
                        formats::UnavailableError, [](const auto& error) {
                          return std::string_view(error.what()).find("built without NCCL") !=
                                 std::string_view::npos;
                        });
  ::unsetenv("GPT2_EMULATOR_GPUS");
}

BOOST_AUTO_TEST_CASE(a_step_is_told_when_the_next_one_is_queued_and_is_the_same) {
  struct Order : Notices {
    void on_record(const formats::TrainLogRecord& record) override {
      if (record.kind == "train") loops_before.push_back(loops);
    }
    int loops = 0;
    std::vector<int> loops_before;
  };
  const auto alone = comm::make_solo_communicator();
  const auto loops_before_records = [&](const TrainingConfig& settings) {
    Order order;
    run_training(
        settings, {"out"}, order, [&] { return order.loops++, 0; }, *alone);
    return order.loops_before;
  };
  auto settings = short_config("late");
  settings.save_every_steps = 0;  // with nothing due after it, a step may be told late
  const auto late = loops_before_records(settings);
  settings.out = run("on_cpu").string();
  settings.device = "cpu";
  const auto on_cpu = loops_before_records(settings);
  BOOST_REQUIRE_EQUAL(late.size(), 3U);
  BOOST_REQUIRE_EQUAL(on_cpu.size(), 3U);
  for (std::size_t i = 0; i < late.size(); ++i) BOOST_TEST(late[i] == on_cpu[i] + 1);
  // Saves ask for the outcome of every step.
  train(short_config("at_once"));
  BOOST_TEST(metrics("late") == metrics("at_once"), boost::test_tools::per_element());
  BOOST_TEST((final_files("late") == final_files("at_once")));
}

BOOST_AUTO_TEST_CASE(bad_steps_are_left_out_before_they_are_known) {
  for (const auto& [out, every] : {std::pair{"late", 0}, {"at_once", 1}}) {
    auto wild = short_config(out);
    wild.learning_rate = 1e30;
    wild.max_steps = 20;
    wild.max_bad_steps = 3;
    wild.save_every_steps = static_cast<std::uint64_t>(every);
    BOOST_CHECK_THROW(train(wild), formats::DivergedError);
  }
  const auto late = metrics("late");
  BOOST_TEST(std::ranges::count_if(late, [](const std::string& line) {
               return line.find("skip") != std::string::npos;
             }) == 3);
  BOOST_TEST(late == metrics("at_once"), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::train
