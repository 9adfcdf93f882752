// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Whole runs of a model that trains in a moment.
#include "libcore/train/training_run.h"

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstring>
#include <future>
#include <map>
#include <numeric>
#include <utility>

#include "formats/durable_file.h"
#include "formats/errors.h"
#include "formats/safetensors.h"
#include "libcore/model/model_directory.h"
#include "libcore/train/checkpoint_writer.h"
#include "libcore/train/run_folder.h"
#include "tests/libcore/train/tiny_run.h"

namespace gpt2::train {
namespace {

namespace fs = std::filesystem;
using data::says;

/// Watches a run, and can stop it after a step or while it validates.
class Watcher : public TrainingObserver {
 public:
  void on_notice(const std::string& sentence) override { notices.push_back(sentence); }
  void on_begin(const RunSummary& summary) override {
    begun = true;
    first_step = summary.first_step;
  }
  void on_dry_run(const RunSummary& summary) override { planned = summary; }
  void on_record(const formats::TrainLogRecord& record) override {
    if (record.kind == "train") step = record.step;
    records.push_back(record);
  }
  void on_validation(std::uint64_t, std::uint64_t) override { ++validation_calls; }
  std::size_t count(const std::string& kind) const {
    return static_cast<std::size_t>(std::count_if(
        records.begin(), records.end(), [&](const auto& record) { return record.kind == kind; }));
  }
  bool noticed(const std::string& part) const {
    return std::any_of(notices.begin(), notices.end(),
                       [&](const auto& notice) { return notice.find(part) != std::string::npos; });
  }

  std::optional<RunSummary> planned;
  std::vector<std::string> notices;
  std::vector<formats::TrainLogRecord> records;
  std::uint64_t step = 0, first_step = 0;
  int validation_calls = 0;
  bool begun = false;
};

struct Runs : TinyRun {
  ~Runs() { formats::set_fault_hook({}); }

  /// `options` are those that the user gave beside --out and --resume; all others come from
  /// `config`.
  Watcher train(const TrainingConfig& config, std::set<std::string> options = {},
                const StopSignal& stop = {}) {
    Watcher watcher;
    train(config, watcher, std::move(options), stop);
    return watcher;
  }
  void train(const TrainingConfig& config, Watcher& watcher, std::set<std::string> options = {},
             const StopSignal& stop = {}) {
    options.insert({"out", "resume"});
    const auto alone = comm::make_solo_communicator();
    run_training(
        config, options, watcher, stop ? stop : [] { return 0; }, *alone);
  }
  /// Runs until `step` is done, then stops by SIGTERM.
  void train_until(const TrainingConfig& config, std::uint64_t step,
                   std::set<std::string> options = {}) {
    Watcher watcher;
    BOOST_CHECK_EXCEPTION(
        train(config, watcher, std::move(options),
              [&] { return watcher.begun && watcher.step >= step ? SIGTERM : 0; }),
        formats::StoppedError,
        says({"SIGTERM", "step " + std::to_string(step), "--resume latest"}));
  }
  std::uint64_t step_of(const std::string& out, const std::string& name) const {
    return model::open_checkpoint(checkpoint(out, name)).manifest->step;
  }
  std::vector<std::string> checkpoint_names(const std::string& out) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(run(out) / "checkpoints")) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  void damage(const std::string& out, const std::string& checkpoint_name) {
    const auto name =
        fs::relative(checkpoint(out, checkpoint_name) / "model.safetensors", folder).string();
    auto bytes = read_bytes(name);
    bytes[bytes.size() / 2] ^= 4;
    fs::remove(folder / name);  // a hard link elsewhere stays whole
    write_bytes(name, bytes);
  }
};

BOOST_FIXTURE_TEST_SUITE(training_run, Runs)

BOOST_AUTO_TEST_CASE(run_learns_and_leaves_its_folder) {
  auto settings = config("run");
  settings.max_steps = 40;
  settings.dropout = 0;
  const auto watcher = train(settings);
  BOOST_TEST(watcher.begun);
  BOOST_TEST(watcher.count("train") == 40U);
  BOOST_TEST(watcher.count("val") == 11U);  // before the first step, then after every fourth
  BOOST_TEST(watcher.records.front().kind == "val");
  const auto first = watcher.records.front().numbers.at("loss");
  const auto found = model::open_checkpoint(checkpoint("run", "final"));
  BOOST_TEST(first == std::log(kTinyVocabSize), boost::test_tools::tolerance(0.05));
  BOOST_TEST(*found.manifest->validation_loss < 3.2);  // letters alone: log 26 = 3.26
  BOOST_TEST(found.manifest->step == 40U);
  BOOST_TEST(found.manifest->sequences_consumed == 320U);
  BOOST_TEST(found.manifest->epoch == 320.0 / kTinyWindows);
  BOOST_TEST(found.manifest->slots == 4U);
  BOOST_TEST(found.manifest->training_data.size() == 2U);
  BOOST_TEST(fs::read_symlink(run("run") / "checkpoints/latest") == "final");
  BOOST_TEST(fs::exists(checkpoint("run", "final") / "tokenizer.json"));
  for (const std::string line :
       {"max-steps: 40", "slots: \"4\"", "min-learning-rate: \"0.001\"", "layers: 2"}) {
    BOOST_TEST(read_bytes("run/config.yaml").find("\n" + line + "\n") != std::string::npos, line);
  }
  BOOST_TEST(formats::load_train_log(run("run")).size() == watcher.records.size());
}

BOOST_AUTO_TEST_CASE(steps_count_updates_and_tokens_what_they_consumed) {
  const auto watcher = train(config("run"));
  std::uint64_t step = 0;
  for (const auto& record : watcher.records) {
    if (record.kind != "train") continue;
    BOOST_TEST(record.step == ++step);
    BOOST_TEST(record.numbers.at("tokens") == static_cast<double>(step * 8 * kTinyContext));
    BOOST_TEST(std::isfinite(record.numbers.at("gradient_norm")));
  }
  BOOST_TEST(step == 12U);
  BOOST_TEST(watcher.records[1].numbers.at("learning_rate") == 0.5e-2);  // 1 of 2 warm-up steps
}

BOOST_AUTO_TEST_CASE(resumed_run_equals_the_uninterrupted_one_to_the_bit) {
  auto settings = config("whole");
  settings.save_every_steps = 5;
  train(settings);
  settings.out = at("cut");
  train_until(settings, 4);       // where a validation is due: it is left to the run that goes on
  train_until(resume("cut"), 5);  // where a kept checkpoint is due
  train_until(resume("cut"), 6);
  train(resume("cut"));
  BOOST_TEST(metrics("cut") == metrics("whole"), boost::test_tools::per_element());
  BOOST_TEST(read_bytes("cut/log.txt") == read_bytes("whole/log.txt"));
  BOOST_TEST((final_files("cut") == final_files("whole")));
  BOOST_TEST(final_files("whole").contains("optimizer-00000-of-00001.safetensors"));
  BOOST_TEST(read_bytes("cut/config.yaml") == read_bytes("whole/config.yaml"));
}

BOOST_AUTO_TEST_CASE(run_stopped_before_its_first_step_goes_on) {
  train(config("whole"));
  train_until(config("cut"), 0);
  BOOST_TEST(step_of("cut", "step_00000000") == 0U);
  train(resume("cut"));
  BOOST_TEST(metrics("cut") == metrics("whole"), boost::test_tools::per_element());
  BOOST_TEST((final_files("cut") == final_files("whole")));
}

BOOST_AUTO_TEST_CASE(run_stopped_before_it_began_leaves_nothing) {
  const auto before = contents();
  BOOST_CHECK_EXCEPTION(train(config("run"), {}, [] { return SIGTERM; }), formats::StoppedError,
                        says({"SIGTERM", "same command"}));
  BOOST_TEST(!fs::exists(run("run")));
  BOOST_TEST((contents() == before));
  train_until(config("run"), 5);
  const auto saved = contents();
  BOOST_CHECK_THROW(train(resume("run"), {}, [] { return SIGINT; }), formats::StoppedError);
  BOOST_TEST((contents() == saved));
}

BOOST_AUTO_TEST_CASE(refused_start_leaves_nothing) {
  const auto before = contents();
  auto settings = config("run");
  settings.train = {at("nothing_*.bin")};
  BOOST_CHECK_THROW(train(settings), formats::InputError);
  settings = config("run");
  settings.total_batch_tokens = 100;
  BOOST_CHECK_THROW(train(settings), formats::UsageError);
  settings = config("run");
  settings.init_from = at("nowhere");
  settings.resume = "auto";
  BOOST_CHECK_THROW(train(settings), formats::InputError);
  BOOST_TEST(!fs::exists(run("run")));
  BOOST_TEST((contents() == before));
  fs::create_directory(run("empty"));
  BOOST_CHECK_THROW(train(resume("empty")), formats::InputError);
  BOOST_TEST(fs::is_empty(run("empty")));
}

BOOST_AUTO_TEST_CASE(run_stopped_after_its_last_step_is_completed) {
  train(config("whole"));
  train_until(config("cut"), 12);
  BOOST_TEST(!fs::exists(checkpoint("cut", "final")));
  train(resume("cut"));
  BOOST_TEST(metrics("cut") == metrics("whole"), boost::test_tools::per_element());
  BOOST_TEST((final_files("cut") == final_files("whole")));
}

BOOST_AUTO_TEST_CASE(stop_signal_cuts_a_validation_short) {
  Watcher watcher;
  int asked = 0;
  BOOST_CHECK_THROW(train(config("cut"), watcher, {},
                          [&] { return watcher.step == 4 && ++asked >= 3 ? SIGINT : 0; }),
                    formats::StoppedError);
  BOOST_TEST(watcher.records.back().kind == "checkpoint");
  BOOST_TEST(watcher.count("val") == 1U);  // of step 0
  train(resume("cut"));
  train(config("whole"));
  BOOST_TEST(metrics("cut") == metrics("whole"), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(stop_signal_cuts_a_sample_short) {
  auto settings = config("cut");
  settings.sample_every = 5;
  settings.val.clear();
  Watcher watcher;
  int asked = 0;
  BOOST_CHECK_THROW(
      train(settings, watcher, {}, [&] { return watcher.step == 5 && ++asked >= 3 ? SIGINT : 0; }),
      formats::StoppedError);
  BOOST_TEST(watcher.step == 5U);
  BOOST_TEST(watcher.count("sample") == 0U);
  BOOST_TEST(train(resume("cut")).count("sample") == 3U);
  settings.out = at("whole");
  train(settings);
  BOOST_TEST(metrics("cut") == metrics("whole"), boost::test_tools::per_element());
}

// The signal comes while the checkpoint of step 3 is being written: that one is finished, and the
// state of the step just done is saved, too.
BOOST_AUTO_TEST_CASE(stop_signal_waits_for_the_save_under_way) {
  auto settings = config("cut");
  settings.save_every_steps = 3;
  std::promise<void> asked_to_stop;
  formats::set_fault_hook(
      [asked = asked_to_stop.get_future().share()](std::string_view, const fs::path& path) {
        if (path.string().find("step_00000003") != std::string::npos) asked.wait();
        return 0;
      });
  Watcher watcher;
  bool asked = false;
  BOOST_CHECK_THROW(train(settings, watcher, {},
                          [&] {
                            if (watcher.step < 4) return 0;
                            if (!std::exchange(asked, true)) asked_to_stop.set_value();
                            return SIGTERM;
                          }),
                    formats::StoppedError);
  formats::set_fault_hook({});
  BOOST_TEST(checkpoint_names("cut") ==
                 (std::vector<std::string>{"latest", "step_00000003", "step_00000004"}),
             boost::test_tools::per_element());
  BOOST_TEST(watcher.count("checkpoint") == 2U);
  BOOST_TEST(train(resume("cut")).first_step == 4U);
}

BOOST_AUTO_TEST_CASE(complete_run_is_left_as_it_is) {
  train(config("run"));
  const auto before = contents();
  const auto watcher = train(resume("run"));
  BOOST_TEST(watcher.records.empty());
  BOOST_TEST((contents() == before));
}

BOOST_AUTO_TEST_CASE(number_of_threads_changes_no_bit) {
  for (std::uint32_t threads = 1; threads <= 3; ++threads) {
    auto settings = config("threads" + std::to_string(threads));
    settings.threads = threads;
    settings.max_steps = 4;
    train(settings);
  }
  for (const std::string other : {"threads2", "threads3"}) {
    BOOST_TEST(metrics(other) == metrics("threads1"), boost::test_tools::per_element());
    BOOST_TEST((final_files(other) == final_files("threads1")));
  }
}

BOOST_AUTO_TEST_CASE(folder_with_a_run_is_refused_unless_resumed) {
  train(config("run"));
  BOOST_CHECK_EXCEPTION(train(config("run")), formats::ExistsError,
                        says({"run", "--resume latest", "--out"}));
}

BOOST_AUTO_TEST_CASE(folder_with_a_trainer_is_refused) {
  const RunFolder busy(run("run"));
  auto settings = config("run");
  settings.resume = "auto";
  BOOST_CHECK_THROW(train(settings), formats::ExistsError);
}

BOOST_AUTO_TEST_CASE(resume_needs_a_checkpoint_and_makes_no_folder) {
  BOOST_CHECK_EXCEPTION(train(resume("nothing")), formats::InputError, says({"nothing"}));
  BOOST_TEST(!fs::exists(run("nothing")));
  fs::create_directory(run("nothing"));
  BOOST_CHECK_EXCEPTION(train(resume("nothing")), formats::InputError, says({"--resume auto"}));
}

BOOST_AUTO_TEST_CASE(resume_auto_begins_goes_on_and_refuses_damage) {
  auto settings = config("run");
  settings.resume = "auto";
  train_until(settings, 7);
  const auto watcher = train(settings, {"train", "val", "vocab", "seed", "max-steps"});
  BOOST_TEST(watcher.first_step == 7U);
  for (const auto& directory : model::list_checkpoints(run("run")))
    fs::remove(directory / "config.json");
  BOOST_CHECK_EXCEPTION(train(settings), formats::InputError, says({"none of its"}));
}

// A run killed before its first checkpoint has logs and settings, but nothing to go on from.
BOOST_AUTO_TEST_CASE(resume_auto_begins_anew_without_a_checkpoint) {
  train(config("run"));
  for (const auto& name : checkpoint_names("run")) fs::remove_all(checkpoint("run", name));
  auto settings = config("run");
  settings.resume = "auto";
  settings.max_steps = 3;
  train(settings);
  BOOST_TEST(formats::load_train_log(run("run")).front().step == 0U);
  BOOST_TEST(metrics("run").size() == 5U);  // val, 3 steps, val
}

BOOST_AUTO_TEST_CASE(damaged_newest_checkpoint_falls_back_to_the_one_before) {
  train(config("whole"));
  train_until(config("cut"), 6);
  train_until(resume("cut"), 8);
  damage("cut", "step_00000008");
  const auto watcher = train(resume("cut"));
  BOOST_TEST(watcher.first_step == 6U);
  BOOST_TEST(watcher.noticed("step_00000008"));
  BOOST_TEST(metrics("cut") == metrics("whole"), boost::test_tools::per_element());
  BOOST_TEST((final_files("cut") == final_files("whole")));
}

BOOST_AUTO_TEST_CASE(older_checkpoint_goes_on_in_another_folder) {
  auto settings = config("whole");
  settings.save_every_steps = 5;
  train(settings);
  auto back = resume("whole");
  back.resume = checkpoint("whole", "step_00000005").string();
  BOOST_CHECK_EXCEPTION(train(back), formats::ExistsError, says({"final", "newer", "--out"}));
  back.out = at("fork");
  train(back);
  BOOST_TEST((final_files("fork") == final_files("whole")));
  back.resume = checkpoint("fork", "latest").string() + "/";
  BOOST_TEST(train(back).first_step == 12U);  // the run's own newest
  back.out = at("other");
  back.resume = at("vocab");
  BOOST_CHECK_EXCEPTION(train(back), formats::InputError, says({"vocab", "--init-from"}));
  back.resume = at("fork");  // a run folder: its newest, which is the end
  BOOST_TEST(train(back).first_step == 12U);
  BOOST_CHECK_EXCEPTION(train(back), formats::ExistsError, says({"other", "--out"}));
  back.out = at("new");
  back.resume = at("mistyped");
  BOOST_CHECK_EXCEPTION(train(back), formats::InputError, says({"mistyped"}));
  BOOST_TEST(!fs::exists(run("new")));
}

// Whatever ends it, a run that began from another one's checkpoint goes on by --resume latest, with
// the settings that it was begun with.
BOOST_AUTO_TEST_CASE(run_from_another_folder_can_go_on_at_once) {
  auto settings = config("whole");
  settings.save_every_steps = 5;
  train(settings);
  auto fork = resume("fork");
  fork.resume = checkpoint("whole", "step_00000005").string();
  fork.learning_rate = 2e-2;
  fork.allow_change = {"learning-rate"};
  Watcher watcher;
  BOOST_CHECK_EXCEPTION(
      train(fork, watcher, {"learning-rate"}, [&] { return watcher.begun ? SIGTERM : 0; }),
      formats::StoppedError, says({"step 5", "fork", "--resume latest"}));
  BOOST_TEST(fs::read_symlink(run("fork") / "checkpoints/latest") == "step_00000005");
  BOOST_TEST(fs::equivalent(checkpoint("fork", "step_00000005") / "model.safetensors",
                            checkpoint("whole", "step_00000005") / "model.safetensors"));
  BOOST_TEST(train(resume("fork")).first_step == 5U);
  fork.out = at("straight");
  train(fork, {"learning-rate"});
  BOOST_TEST((final_files("fork") == final_files("straight")));
  BOOST_TEST((final_files("fork") != final_files("whole")));

  // Killed before its first checkpoint, it holds nothing that the same command would mix with.
  fs::remove_all(run("fork") / "checkpoints");
  fork.out = at("fork");
  BOOST_TEST(train(fork, {"learning-rate"}).first_step == 5U);
  BOOST_TEST((final_files("fork") == final_files("straight")));
}

// A signal at a step that has a lasting checkpoint anyway makes it no less lasting.
BOOST_AUTO_TEST_CASE(kept_checkpoint_stays_though_a_signal_made_it) {
  auto settings = config("run");
  settings.save_every_steps = 5;
  settings.keep_last = 1;
  train_until(settings, 5);
  for (const std::uint64_t step : {6, 7, 8}) train_until(resume("run"), step);
  BOOST_TEST(checkpoint_names("run") ==
                 (std::vector<std::string>{"latest", "step_00000005", "step_00000008"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(checkpoint_made_of_an_older_one_says_what_is_known_now) {
  train_until(config("run"), 12);  // after its last step, before the validation that is due there
  const auto loss_in = [&](const std::string& name) {
    return model::open_checkpoint(checkpoint("run", name)).manifest->validation_loss.value();
  };
  const double before = loss_in("step_00000012");  // of step 8
  const auto watcher = train(resume("run"));
  BOOST_TEST(watcher.records.front().kind == "val");
  BOOST_TEST(loss_in("final") == watcher.records.front().numbers.at("loss"));
  BOOST_TEST(loss_in("final") != before);
  BOOST_TEST(fs::equivalent(checkpoint("run", "step_00000012") / "model.safetensors",
                            checkpoint("run", "final") / "model.safetensors"));
}

BOOST_AUTO_TEST_CASE(other_data_or_settings_are_refused_unless_allowed) {
  train_until(config("run"), 5);
  auto settings = resume("run");
  settings.seed = 43;
  BOOST_CHECK_EXCEPTION(train(settings, {"seed"}), formats::ContradictionError, says({"seed"}));
  settings.train = {at("train_1.bin")};
  BOOST_CHECK_EXCEPTION(train(settings, {"train"}), formats::ContradictionError,
                        says({"--allow-change train"}));
  settings.val = {at("train_1.bin")};
  BOOST_CHECK_EXCEPTION(train(settings, {"val"}), formats::ContradictionError,
                        says({"--allow-change val"}));
  settings.max_steps = 20;
  BOOST_CHECK_EXCEPTION(train(settings, {"max-steps"}), formats::ContradictionError,
                        says({"12", "20"}));
  settings.max_steps = 3;
  settings.allow_change = {"max-steps"};
  BOOST_CHECK_EXCEPTION(train(settings, {"max-steps"}), formats::UsageError, says({"5"}));
  settings.max_steps = 6;
  settings.allow_change = {"train", "val", "max-steps", "seed"};
  const auto watcher = train(settings, {"train", "val", "max-steps", "seed"});
  BOOST_TEST(watcher.noticed("--allow-change train"));
  BOOST_TEST(step_of("run", "final") == 6U);
}

BOOST_AUTO_TEST_CASE(validation_can_be_added_on_the_way) {
  auto settings = config("run");
  settings.val.clear();
  train_until(settings, 5);
  auto with_val = resume("run");
  with_val.val = {at("val.bin")};
  BOOST_TEST(train(with_val, {"val"}).count("val") == 2U);  // steps 8 and 12
}

BOOST_AUTO_TEST_CASE(moved_data_are_recognised_by_their_content) {
  train_until(config("run"), 5);
  fs::create_directory(folder / "moved");
  for (const std::string name : {"train_0.bin", "train_1.bin", "val.bin"}) {
    fs::rename(folder / name, folder / "moved" / ("a_" + name));
  }
  BOOST_CHECK_EXCEPTION(train(resume("run")), formats::InputError, says({"train_"}));
  auto settings = resume("run");
  settings.train = {at("moved/a_train_*.bin")};
  settings.val = {at("moved/a_val.bin")};
  BOOST_CHECK_NO_THROW(train(settings, {"train", "val"}));
}

BOOST_AUTO_TEST_CASE(run_under_a_constant_rate_can_be_made_longer) {
  auto settings = config("whole");
  settings.schedule = "constant";
  train(settings);
  settings.out = at("longer");
  settings.max_steps = 7;
  train(settings);
  BOOST_TEST(step_of("longer", "final") == 7U);
  auto longer = resume("longer");
  longer.max_steps = 12;
  train(longer, {"max-steps"});
  BOOST_TEST(step_of("longer", "final") == 12U);
  BOOST_TEST(final_files("longer").at("model.safetensors") ==
             final_files("whole").at("model.safetensors"));
}

BOOST_AUTO_TEST_CASE(recomputation_gives_the_files_of_a_run_without) {
  auto settings = config("kept");
  settings.max_steps = 3;
  train(settings);
  for (const char* level : {"mlp", "block"}) {
    settings.out = at(level);
    settings.recompute = level;
    train(settings);
    BOOST_TEST((metrics(level) == metrics("kept")));
    BOOST_TEST((final_files(level) == final_files("kept")));
  }
}

BOOST_AUTO_TEST_CASE(automatic_batch_size_is_decided_once_and_kept) {
  auto settings = config("run");
  settings.batch_size = "auto";
  settings.slots = "2";
  settings.warmup_steps = "0";
  settings.max_steps = 2;
  train(settings, {"batch-size"});
  auto asked = resume("run");
  asked.batch_size = "auto";
  const auto stored = model::open_checkpoint(checkpoint("run", "final")).manifest->configuration;
  BOOST_TEST(stored.at("batch-size") == "4");
  BOOST_TEST(!train(asked, {"batch-size"}).noticed("batch-size"));
}

BOOST_AUTO_TEST_CASE(dry_run_plans_and_leaves_nothing) {
  auto settings = config("run");
  settings.dry_run = true;
  const auto watcher = train(settings);
  BOOST_REQUIRE(watcher.planned.has_value());
  BOOST_TEST(watcher.planned->memory.fits());
  BOOST_TEST(watcher.planned->plan.max_steps == 12U);
  BOOST_TEST(!watcher.begun);
  BOOST_TEST(!fs::exists(run("run")));
}

BOOST_AUTO_TEST_CASE(run_that_does_not_fit_the_memory_ends_before_it_begins) {
  auto settings = config("run");
  settings.memory_limit = 100000;
  BOOST_CHECK_EXCEPTION(train(settings), formats::UnavailableError,
                        says({"the run needs", "97.7 KiB is the --memory-limit"}));
  BOOST_TEST(!fs::exists(run("run")));
}

BOOST_AUTO_TEST_CASE(batch_size_may_change_with_a_notice) {
  train_until(config("run"), 5);
  auto settings = resume("run");
  settings.batch_size = "1";
  const auto watcher = train(settings, {"batch-size"});
  BOOST_TEST(watcher.noticed("batch-size: 2 in the checkpoint, 1 now"));
  const auto manifest = model::open_checkpoint(checkpoint("run", "final")).manifest.value();
  BOOST_TEST(manifest.sequences_consumed == 96U);
  BOOST_TEST(manifest.slots == 4U);
}

BOOST_AUTO_TEST_CASE(epochs_are_saved_at_the_step_that_has_consumed_them) {
  auto settings = config("run");
  settings.max_steps = 0;
  settings.max_epochs = 2;  // 120 windows: 15 steps; epoch 1 ends inside step 8
  settings.save_every_steps = 8;
  settings.save_every_epochs = 1;
  train(settings);
  BOOST_TEST(
      checkpoint_names("run") == (std::vector<std::string>{"epoch_0001", "epoch_0002", "final",
                                                           "latest", "step_00000008"}),
      boost::test_tools::per_element());
  BOOST_TEST(step_of("run", "epoch_0001") == 8U);
  BOOST_TEST(step_of("run", "epoch_0002") == 15U);
  BOOST_TEST(step_of("run", "final") == 15U);
  BOOST_TEST(fs::equivalent(checkpoint("run", "epoch_0001") / "model.safetensors",
                            checkpoint("run", "step_00000008") / "model.safetensors"));
  BOOST_TEST(fs::equivalent(checkpoint("run", "epoch_0002") / "model.safetensors",
                            checkpoint("run", "final") / "model.safetensors"));
}

// Which of the steps are saved by time depends on the time.
BOOST_AUTO_TEST_CASE(checkpoints_by_time_are_pruned_and_others_kept) {
  auto settings = config("run");
  settings.save_every_seconds = 1e-9;
  settings.keep_last = 2;
  settings.save_every_steps = 20;
  settings.max_steps = 50;
  settings.val.clear();
  train(settings);
  std::size_t rolling = 0, lasting = 0;
  for (const auto& name : checkpoint_names("run")) {
    if (!name.starts_with("step_")) continue;
    const auto step = step_of("run", name);
    ++(is_lasting_checkpoint(checkpoint("run", name), step) ? lasting : rolling);
  }
  BOOST_TEST(lasting == 2U);
  BOOST_TEST(rolling <= 2U);
}

BOOST_AUTO_TEST_CASE(samples_are_logged_and_need_a_tokenizer) {
  auto settings = config("run");
  settings.sample_every = 5;
  settings.sample_prompt = "abc";
  const auto watcher = train(settings);
  BOOST_TEST(watcher.count("sample") == 3U);  // steps 5, 10 and the last
  for (const auto& record : watcher.records) {
    if (record.kind == "sample") BOOST_TEST(record.text.starts_with("abc"));
  }
  settings.out = at("long");
  settings.sample_prompt = std::string(40, 'a');
  BOOST_CHECK_EXCEPTION(train(settings), formats::UsageError, says({"--sample-prompt"}));
  settings.out = at("none");
  settings.vocab.clear();
  BOOST_CHECK_EXCEPTION(train(settings), formats::UsageError, says({"--sample-every", "--vocab"}));
}

// Of each tensor's weights and gradients, as often as it was asked for, also through a stop.
BOOST_AUTO_TEST_CASE(histograms_count_every_element_once_a_time) {
  auto settings = config("run");
  settings.histogram_every = 2;
  settings.max_steps = 6;
  Watcher watcher;
  BOOST_CHECK_THROW(train(settings, watcher, {}, [&] { return watcher.step == 4 ? SIGTERM : 0; }),
                    formats::StoppedError);
  train(resume("run"));
  std::map<std::string, std::vector<std::uint64_t>> steps_of;
  for (const auto& record : formats::load_train_log(run("run"))) {
    if (record.kind != "histogram") continue;
    steps_of[record.text].push_back(record.step);
    BOOST_TEST(record.numbers.at("low") < record.numbers.at("high"));
  }
  const model::ParameterTable table(model::load_config(checkpoint("run", "final")));
  BOOST_TEST(steps_of.size() == 2 * table.parameters().size());
  for (const auto& [name, steps] : steps_of) {
    BOOST_TEST(steps == (std::vector<std::uint64_t>{2, 4, 6}), boost::test_tools::per_element());
  }
  const auto records = formats::load_train_log(run("run"));
  const auto of_embedding =
      std::ranges::find(records, "weights/wte.weight", &formats::TrainLogRecord::text);
  BOOST_REQUIRE(of_embedding != records.end());
  const auto& counts = of_embedding->counts;
  BOOST_TEST(std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}) ==
             static_cast<std::uint64_t>(table.at("wte.weight").element_count));
}

BOOST_AUTO_TEST_CASE(hellaswag_is_answered_when_due_and_needs_a_tokenizer) {
  auto settings = config("run");
  settings.hellaswag = write_bytes(
      "questions.jsonl",
      R"({"activity_label": "A", "ctx_a": "B", "ctx_b": "c", "ctx": "adm", "label": 2, "endings": ["b", "ef", "ghi", "k"]})"
      "\n");
  settings.hellaswag_every = 5;
  auto watcher = train(settings);
  BOOST_TEST(watcher.count("hella") == 3U);  // steps 5, 10 and the last
  for (const auto& record : watcher.records) {
    if (record.kind != "hella") continue;
    BOOST_TEST(record.numbers.at("items") == 1);
    BOOST_TEST((record.numbers.at("accuracy") == 0 || record.numbers.at("accuracy") == 1));
  }
  BOOST_TEST(train(resume("run")).count("hella") == 0U);
  settings.out = at("none");
  settings.vocab.clear();
  BOOST_CHECK_EXCEPTION(train(settings), formats::UsageError, says({"--hellaswag", "--vocab"}));
  settings.vocab = at("vocab");
  settings.hellaswag = at("val.bin");
  BOOST_CHECK_EXCEPTION(train(settings), formats::InputError, says({"val.bin:1"}));
  BOOST_TEST(!std::filesystem::exists(run("none") / "metrics.jsonl"));
}

BOOST_AUTO_TEST_CASE(run_without_tokenizer_says_so_and_has_the_shards_vocabulary) {
  auto settings = config("run");
  settings.vocab.clear();
  settings.max_steps = 3;
  BOOST_TEST(train(settings).noticed("--vocab"));
  BOOST_TEST(model::load_config(checkpoint("run", "final")).vocab_size == kTinyVocabSize);
  BOOST_TEST(!fs::exists(checkpoint("run", "final") / "tokenizer.json"));
}

BOOST_AUTO_TEST_CASE(tokenizer_of_other_shards_is_refused) {
  auto settings = config("run");
  write_shard("other.bin", data::counting_tokens(500),
              {.vocab_size = kTinyVocabSize, .end_of_text = 256, .tokenizer = {1, 2, 3}});
  settings.train = {at("other.bin")};
  BOOST_CHECK_THROW(train(settings), formats::ContradictionError);
  settings.vocab.clear();  // the validation shards have another one, too
  BOOST_CHECK_THROW(train(settings), formats::ContradictionError);
}

BOOST_AUTO_TEST_CASE(foreign_shards_are_taken_with_a_word) {
  write_foreign_shard("foreign.bin", data::counting_tokens(2000, 0, 200));
  auto settings = config("run");
  settings.train = {at("foreign.bin")};
  settings.val.clear();
  settings.max_steps = 3;
  const auto watcher = train(settings);
  BOOST_TEST(watcher.noticed("another trainer"));
  BOOST_TEST(watcher.count("val") == 0U);
}

BOOST_AUTO_TEST_CASE(weights_of_another_model_are_a_beginning) {
  train(config("base"));
  auto settings = config("tuned");
  settings.init_from = at("base");
  settings.layers = settings.heads = settings.channels = 0;
  settings.vocab.clear();
  settings.context = 16;  // shorter than the model's
  settings.max_steps = 3;
  const auto watcher = train(settings, {"init-from", "context"});
  BOOST_TEST(watcher.first_step == 0U);
  BOOST_TEST(watcher.records.front().numbers.at("loss") < 4);  // it knows the letters already
  const auto shape = model::load_config(checkpoint("tuned", "final"));
  BOOST_TEST(shape.context == kTinyContext);
  BOOST_TEST(shape.layers == 2);
  BOOST_TEST(fs::exists(checkpoint("tuned", "final") / "tokenizer.json"));

  settings.out = at("wrong");
  settings.layers = 3;
  BOOST_CHECK_EXCEPTION(train(settings, {"layers"}), formats::ContradictionError,
                        says({"--layers is 3", "has 2"}));
  settings.layers = 0;
  settings.context = 64;
  BOOST_CHECK_EXCEPTION(train(settings, {"context"}), formats::ContradictionError,
                        says({"64", "32"}));
}

BOOST_AUTO_TEST_CASE(weights_with_a_nan_are_no_beginning) {
  train(config("base"));
  const auto source = checkpoint("base", "final");
  fs::create_directory(folder / "poisoned");
  fs::copy_file(source / "config.json", folder / "poisoned/config.json");
  auto bytes = read_bytes(fs::relative(source / "model.safetensors", folder).string());
  const float nan = std::nanf("");
  std::memcpy(bytes.data() + bytes.size() - sizeof nan, &nan, sizeof nan);
  write_bytes("poisoned/model.safetensors", bytes);
  auto settings = config("run");
  settings.init_from = at("poisoned");
  BOOST_CHECK_EXCEPTION(train(settings), formats::InputError, says({"poisoned", "nan"}));
}

BOOST_AUTO_TEST_CASE(diverging_run_stops_and_its_checkpoints_stay_finite) {
  auto settings = config("run");
  settings.learning_rate = 1e30;
  settings.max_steps = 100;
  settings.max_bad_steps = 4;
  settings.save_every_steps = 1;
  Watcher watcher;
  BOOST_CHECK_EXCEPTION(train(settings, watcher), formats::DivergedError,
                        says({"4 steps in a row", "learning-rate"}));
  BOOST_TEST(watcher.count("skip") == 4U);
  BOOST_TEST(watcher.noticed("left out"));
  std::vector<std::string> notices;
  const auto newest = model::newest_checkpoint(run("run"), notices);
  BOOST_REQUIRE(newest.has_value());
  const formats::SafetensorsReader reader(newest->path / "model.safetensors");
  for (const auto& entry : reader.entries()) {
    for (const float value : reader.read_as_floats(entry)) BOOST_REQUIRE(std::isfinite(value));
  }
}

// Its square would make a second moment infinite for good, and the weight would never move again.
BOOST_AUTO_TEST_CASE(finite_gradient_whose_square_overflows_is_left_out_unless_clipped) {
  train(config("base"));
  const auto source = checkpoint("base", "final");
  fs::create_directory(folder / "steep");
  fs::copy_file(source / "config.json", folder / "steep/config.json");
  const formats::SafetensorsReader reader(source / "model.safetensors");
  formats::SafetensorsWriter writer(folder / "steep/model.safetensors", reader.entries(), {});
  for (const auto& entry : reader.entries()) {
    auto values = reader.read_as_floats(entry);
    if (entry.name == "transformer.ln_f.weight") {
      for (float& value : values) value *= 1e21F;
    }
    writer.write_floats(values);
  }
  writer.commit();

  auto settings = config("run");
  settings.init_from = at("steep");
  settings.grad_clip = 0;
  settings.max_bad_steps = 2;
  Watcher watcher;
  BOOST_CHECK_THROW(train(settings, watcher), formats::DivergedError);
  BOOST_TEST(watcher.count("skip") == 2U);
  const double norm = watcher.records.back().numbers.at("gradient_norm");
  BOOST_TEST((std::isfinite(norm) && norm > 1.9e19));
  settings = config("clipped");
  settings.init_from = at("steep");
  settings.max_steps = 3;
  Watcher clipped;
  train(settings, clipped);
  BOOST_TEST(clipped.count("skip") == 0U);
}

// Which window comes next would be another one.
BOOST_AUTO_TEST_CASE(checkpoint_of_another_order_of_data_is_refused) {
  train_until(config("run"), 5);
  const std::string name = "run/checkpoints/step_00000005/checkpoint.json";
  auto manifest = formats::decode_checkpoint_manifest(read_bytes(name), name);
  ++manifest.order_version;
  write_bytes(name, formats::encode_checkpoint_manifest(manifest));
  BOOST_CHECK_EXCEPTION(train(resume("run")), formats::ContradictionError,
                        says({"order of data", "build"}));
}

// What the steps that were left out have not touched: the run ends as if they had not been tried.
BOOST_AUTO_TEST_CASE(diverged_run_goes_on_from_its_last_checkpoint) {
  train(config("whole"));
  train_until(config("run"), 6);
  const auto saved = read_bytes("run/checkpoints/step_00000006/model.safetensors");
  auto wild = resume("run");
  wild.learning_rate = 1e30;
  wild.max_bad_steps = 3;
  wild.allow_change = {"learning-rate"};
  Watcher watcher;
  BOOST_CHECK_EXCEPTION(train(wild, watcher, {"learning-rate", "max-bad-steps"}),
                        formats::DivergedError, says({"3 steps in a row", "--resume"}));
  BOOST_TEST(watcher.count("skip") == 3U);
  BOOST_TEST(watcher.records.back().numbers.at("skipped_steps") == 3.0);
  BOOST_TEST(read_bytes("run/checkpoints/step_00000006/model.safetensors") == saved);
  BOOST_TEST(train(resume("run")).first_step == 6U);
  BOOST_TEST(metrics("run") == metrics("whole"), boost::test_tools::per_element());
  BOOST_TEST((final_files("run") == final_files("whole")));
}

BOOST_AUTO_TEST_CASE(failed_save_ends_the_run_with_the_one_before_whole) {
  train(config("whole"));
  Watcher watcher;
  formats::set_fault_hook([](std::string_view, const fs::path& path) {
    return path.string().find("step_00000006") != std::string::npos ? ENOSPC : 0;
  });
  auto settings = config("run");
  settings.save_every_steps = 3;
  BOOST_CHECK_EXCEPTION(train(settings, watcher), formats::IoError,
                        says({"step 6", "No space left", "--resume latest"}));
  formats::set_fault_hook({});
  BOOST_TEST(watcher.step >= 6U);
  BOOST_TEST(watcher.step <= 9U);  // by the save that follows at the latest
  BOOST_TEST(checkpoint_names("run") == (std::vector<std::string>{"latest", "step_00000003"}),
             boost::test_tools::per_element());
  BOOST_TEST(train(resume("run")).first_step == 3U);
  BOOST_TEST(metrics("run") == metrics("whole"), boost::test_tools::per_element());
  BOOST_TEST((final_files("run") == final_files("whole")));
}

BOOST_AUTO_TEST_CASE(failed_last_save_is_an_error) {
  formats::set_fault_hook([](std::string_view, const fs::path& path) {
    return path.string().find("final") != std::string::npos ? ENOSPC : 0;
  });
  auto settings = config("run");
  settings.save_every_steps = 5;
  BOOST_CHECK_THROW(train(settings), formats::IoError);
  formats::set_fault_hook({});
  train(resume("run"));
  train(config("whole"));
  BOOST_TEST((final_files("run") == final_files("whole")));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::train
