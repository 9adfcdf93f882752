// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Whole runs on a GPU. Which ways of its matrix products are fastest is found by timing, now the
// one and now the other: runs that are to have the same bits go on from one checkpoint, which says.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <functional>
#include <map>
#include <string_view>

#include "formats/checkpoint.h"
#include "formats/errors.h"
#include "formats/train_log.h"
#include "libcore/model/model_directory.h"
#include "libcore/train/training_run.h"
#include "tests/libcore/train/tiny_run.h"
#include "tests/support/backend.h"

namespace gpt2::train {
namespace {

/// Remembers what it was told.
struct Notices : TrainingObserver {
  void on_notice(const std::string& sentence) override { all += sentence + "\n"; }
  std::string all;
};

struct GpuRuns : TinyRun {
  GpuRuns() { support::open_test_device(0); }  // leaves where there is none
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
  /// The trainer's state in a checkpoint; as changed by `change`, if there is one.
  std::map<std::string, double> state(
      const std::string& out, const std::string& name,
      const std::function<void(std::map<std::string, double>&)>& change = {}) const {
    const auto file = std::filesystem::relative(checkpoint(out, name), folder) / "checkpoint.json";
    auto manifest = formats::decode_checkpoint_manifest(read_bytes(file.string()), file.string());
    if (change) {
      change(manifest.state);
      write_bytes(file.string(), formats::encode_checkpoint_manifest(manifest));
    }
    return manifest.state;
  }
  /// A run whose checkpoints say how products are done.
  void begin() const { train(short_config("first")); }
  /// Settings of a run that goes on from its first step.
  TrainingConfig go_on(const std::string& out) const {
    auto settings = short_config(out);
    settings.resume = checkpoint("first", "step_00000001").string();
    return settings;
  }
  /// One step in fp16; then its loss scale is another one.
  void begin_in_fp16(double loss_scale) const {
    auto settings = short_config("first");
    settings.precision = "fp16";
    settings.max_steps = 1;
    settings.histogram_every = 1;
    train(settings);
    state("first", "step_00000001", [&](auto& numbers) { numbers["loss_scale"] = loss_scale; });
  }
  /// Settings of a run that goes on from there, and what it is given.
  TrainingConfig go_on_in_fp16(const std::string& out) const {
    auto settings = go_on(out);
    settings.max_steps = 7;
    settings.max_bad_steps = 2;
    return settings;
  }
  std::string products(const std::string& out, const std::string& name) const {
    return model::open_checkpoint(checkpoint(out, name))
        .manifest->configuration.at("product-choices");
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(gpu_run, GpuRuns)

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
  // tests/ranks has the others; one GPU is too few to be asked.
  if (comm::reaches_gpus() || device::visible_gpus().size() < 2) return;
  OneOfTwo ranks;
  TrainingObserver nobody;
  BOOST_CHECK_EXCEPTION(run_training(
                            short_config("ranks"), {"out"}, nobody, [] { return 0; }, ranks),
                        formats::UnavailableError, [](const auto& error) {
                          return std::string_view(error.what()).find("built without NCCL") !=
                                 std::string_view::npos;
                        });
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
        settings, {"out", "resume", "device", "save-every-steps"}, order,
        [&] { return order.loops++, 0; }, *alone);
    return order.loops_before;
  };
  begin();
  auto settings = go_on("late");
  settings.save_every_steps = 0;  // with nothing due after it, a step may be told late
  const auto late = loops_before_records(settings);
  settings.out = run("on_cpu").string();
  settings.device = "cpu";
  const auto on_cpu = loops_before_records(settings);
  BOOST_REQUIRE_EQUAL(late.size(), 2U);
  BOOST_REQUIRE_EQUAL(on_cpu.size(), 2U);
  for (std::size_t i = 0; i < late.size(); ++i) BOOST_TEST(late[i] == on_cpu[i] + 1);
  // Saves ask for the outcome of every step.
  train(go_on("at_once"));
  BOOST_TEST(metrics("late") == metrics("at_once"), boost::test_tools::per_element());
  BOOST_TEST((final_files("late") == final_files("at_once")));
}

BOOST_AUTO_TEST_CASE(bad_steps_are_left_out_before_they_are_known) {
  begin();
  for (const auto& [out, every] : {std::pair{"late", 0}, {"at_once", 1}}) {
    auto wild = go_on(out);
    wild.learning_rate = 1e30;
    wild.allow_change = {"learning-rate"};
    wild.max_steps = 20;
    wild.max_bad_steps = 3;
    wild.save_every_steps = static_cast<std::uint64_t>(every);
    BOOST_CHECK_THROW(
        train(wild, {"learning-rate", "max-steps", "max-bad-steps", "save-every-steps"}),
        formats::DivergedError);
  }
  const auto late = metrics("late");
  BOOST_TEST(std::ranges::count_if(late, [](const std::string& line) {
               return line.find("skip") != std::string::npos;
             }) == 3);
  BOOST_TEST(late == metrics("at_once"), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(fp16_halves_its_loss_scale_until_the_gradients_fit) {
  constexpr double kTooLarge = 0x1p25;
  begin_in_fp16(kTooLarge);
  const std::set<std::string> given{"max-steps", "max-bad-steps"};
  const auto notices = train(go_on_in_fp16("whole"), given);
  BOOST_TEST(notices.find("step 2: the gradients overflow fp16 at a loss scale of 33554432") !=
             std::string::npos);
  auto scale = kTooLarge;
  double overflowed = 0;
  for (const auto& record : formats::load_train_log(run("whole"))) {
    if (record.kind != "skip" && record.kind != "train") continue;
    const auto number = [&](const char* name) { return record.numbers.at(name); };
    BOOST_TEST(number("loss_scale") == scale);
    BOOST_TEST(number("loss") > 1);
    BOOST_TEST(number("loss") < 6);
    if (record.kind == "skip") {
      BOOST_TEST(number("overflowed_steps") == ++overflowed);
      BOOST_TEST(!record.numbers.contains("skipped_steps"));
      scale /= 2;
    } else {
      BOOST_TEST(number("gradient_norm") < 10);
    }
  }
  BOOST_TEST(overflowed >= 2);
  BOOST_TEST(overflowed < 6);
  const auto weights = [&](const std::string& out, const char* name) {
    return read_bytes(out + "/checkpoints/" + name + "/model.safetensors");
  };
  BOOST_TEST((weights("whole", "step_00000002") == weights("first", "step_00000001")));
  BOOST_TEST((weights("whole", "final") != weights("first", "step_00000001")));
  BOOST_TEST(state("whole", "final").at("loss_scale") == scale);
  BOOST_TEST(state("whole", "final").at("good_steps_at_loss_scale") == 6 - overflowed);

  auto parts = go_on_in_fp16("parts");
  parts.resume = checkpoint("whole", "step_00000003").string();
  train(parts, given);
  BOOST_TEST((final_files("parts") == final_files("whole")));
  BOOST_TEST((state("parts", "final") == state("whole", "final")));
}

BOOST_AUTO_TEST_CASE(histograms_of_gradients_in_fp16_are_without_the_loss_scale) {
  begin_in_fp16(1);
  double squares = 0, norm = 0;
  for (const auto& record : formats::load_train_log(run("first"))) {
    if (record.kind == "train") norm = record.numbers.at("gradient_norm");
    if (record.text.starts_with("gradients/")) squares += record.numbers.at("sum_squares");
  }
  BOOST_TEST(std::sqrt(squares) == norm, boost::test_tools::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(at_the_least_loss_scale_a_step_that_is_not_finite_is_a_bad_one) {
  begin_in_fp16(2);
  auto wild = go_on_in_fp16("wild");
  wild.learning_rate = 1e30;
  wild.allow_change = {"learning-rate"};
  BOOST_CHECK_THROW(train(wild, {"learning-rate", "max-steps", "max-bad-steps"}),
                    formats::DivergedError);
  std::vector<std::string> counted;
  for (const auto& record : formats::load_train_log(run("wild"))) {
    if (record.kind != "skip") continue;
    counted.push_back(record.numbers.contains("overflowed_steps") ? "overflow" : "bad");
  }
  BOOST_TEST((counted == std::vector<std::string>{"overflow", "bad", "bad"}));
}

BOOST_AUTO_TEST_CASE(a_loss_scale_that_is_no_power_of_two_is_refused) {
  begin_in_fp16(3);
  BOOST_CHECK_THROW(train(go_on_in_fp16("run")), formats::InputError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::train
