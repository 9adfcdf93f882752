// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Whole runs on an emulated GPU.
#include <boost/test/unit_test.hpp>

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

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::train
