// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/training_config.h"

#include <boost/test/unit_test.hpp>

#include "formats/errors.h"
#include "tests/libcore/data/shard_fixture.h"

namespace gpt2::train {
namespace {

using data::says;

TrainingConfig small_config() {
  TrainingConfig config;
  config.train = {"a.bin"};
  config.out = "run";
  config.max_steps = 100;
  return config;
}

std::set<std::string> change(TrainingConfig& asked,
                             const std::map<std::string, std::string>& texts) {
  auto all = encode_configuration(asked);
  std::set<std::string> given;
  for (const auto& [name, text] : texts) {
    all[name] = text;
    given.insert(name);
  }
  const auto out = asked.out;
  asked = decode_configuration(all, "test");
  asked.out = out;
  asked.resume = "latest";
  return given;
}

BOOST_AUTO_TEST_SUITE(training_config)

BOOST_AUTO_TEST_CASE(plan_of_the_defaults_is_eight_slots_of_one_micro_batch) {
  const auto plan = make_plan(small_config(), 1024, 1000, 1);
  BOOST_TEST(plan.slots == 8);
  BOOST_TEST(plan.micro_batches == 1);
  BOOST_TEST(plan.sequences_per_step == 32U);
  BOOST_TEST(plan.tokens_per_step() == 32768U);
  BOOST_TEST(plan.schedule.minimum == 6e-5, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(plan.schedule.warmup_steps == 10);
}

BOOST_AUTO_TEST_CASE(automatic_slots_are_the_largest_power_of_two_that_divides) {
  auto config = small_config();
  config.batch_size = "1";
  const auto slots = [&](std::uint64_t micro_batches, int ranks) {
    config.total_batch_tokens = micro_batches * 16;
    const auto plan = make_plan(config, 16, 1000, ranks);
    BOOST_TEST(static_cast<std::uint64_t>(plan.slots * plan.micro_batches) == micro_batches);
    return plan.slots;
  };
  BOOST_TEST(slots(1, 1) == 1);
  BOOST_TEST(slots(6, 1) == 2);
  BOOST_TEST(slots(7, 1) == 1);
  BOOST_TEST(slots(12, 1) == 4);
  BOOST_TEST(slots(64, 1) == 8);
  BOOST_TEST(slots(64, 16) == 16);
  BOOST_CHECK_THROW(slots(12, 8), formats::UsageError);
}

BOOST_AUTO_TEST_CASE(total_batch_that_does_not_fit_names_the_nearest_that_do) {
  auto config = small_config();
  BOOST_CHECK_EXCEPTION(make_plan(config, 1000, 1000, 1), formats::UsageError,
                        says({"--total-batch-tokens 32768", "4000", "32000 and 36000"}));
  config.slots = "3";
  BOOST_CHECK_EXCEPTION(make_plan(config, 1024, 1000, 1), formats::UsageError,
                        says({"3 x 4 x 1024 = 12288", "24576 and 36864", "--slots 2 or 4"}));
  config.slots = "9";
  BOOST_CHECK_EXCEPTION(make_plan(config, 1024, 1000, 1), formats::UsageError,
                        says({"36864", "give --slots 8"}));
  config.slots = "auto";
  config.total_batch_tokens = 100;
  BOOST_CHECK_EXCEPTION(make_plan(config, 1024, 1000, 1), formats::UsageError,
                        says({"nearest that fits is 4096"}));
}

BOOST_AUTO_TEST_CASE(epochs_become_the_steps_that_consume_them) {
  auto config = small_config();
  config.max_steps = 0;
  BOOST_TEST(make_plan(config, 1024, 1000, 1).max_steps == 32U);  // ceil(1000 / 32)
  config.max_epochs = 3;
  BOOST_TEST(make_plan(config, 1024, 1000, 1).max_steps == 94U);  // ceil(3000 / 32)
  config.max_epochs = 2;
  BOOST_TEST(make_plan(config, 1024, 320, 1).max_steps == 20U);
}

BOOST_AUTO_TEST_CASE(warm_up_as_long_as_the_run_is_refused) {
  auto config = small_config();
  config.warmup_steps = "100";
  BOOST_CHECK_EXCEPTION(make_plan(config, 1024, 1000, 1), formats::UsageError, says({"100"}));
  config.warmup_steps = "99";
  BOOST_TEST(make_plan(config, 1024, 1000, 1).schedule.warmup_steps == 99);
}

BOOST_AUTO_TEST_CASE(warm_up_of_at_most_so_many_steps_is_no_more_than_a_tenth_of_the_run) {
  auto config = small_config();
  config.warmup_steps = "at-most-2000";
  BOOST_TEST(make_plan(config, 1024, 1000, 1).schedule.warmup_steps == 10);
  config.warmup_steps = "at-most-4";
  BOOST_TEST(make_plan(config, 1024, 1000, 1).schedule.warmup_steps == 4);
  config.warmup_steps = "at-most-few";
  BOOST_CHECK_EXCEPTION(config.check(), formats::UsageError, says({"--warmup-steps"}));
}

BOOST_AUTO_TEST_CASE(accumulation_steps_decide_the_tokens_of_a_step) {
  auto config = small_config();
  config.accumulation_steps = 6;
  const auto plan = make_plan(config, 512, 1000, 1);
  BOOST_TEST(plan.tokens_per_step() == 6 * 4 * 512);
  BOOST_TEST(plan.slots == 2);
}

BOOST_AUTO_TEST_CASE(values_out_of_range_are_refused_by_name) {
  const auto refuses = [](const char* name, auto member, auto value) {
    auto config = small_config();
    config.*member = value;
    BOOST_CHECK_EXCEPTION(config.check(), formats::UsageError, says({std::string("--") + name}));
  };
  BOOST_CHECK_NO_THROW(small_config().check());
  refuses("train", &TrainingConfig::train, std::vector<std::string>{});
  refuses("out", &TrainingConfig::out, std::string());
  refuses("batch-size", &TrainingConfig::batch_size, std::string("0"));
  refuses("batch-size", &TrainingConfig::batch_size, std::string("few"));
  refuses("recompute", &TrainingConfig::recompute, std::string("all"));
  refuses("total-batch-tokens", &TrainingConfig::total_batch_tokens, std::uint64_t{0});
  refuses("total-batch-tokens", &TrainingConfig::total_batch_tokens, UINT64_MAX);
  refuses("slots", &TrainingConfig::slots, std::string("many"));
  refuses("slots", &TrainingConfig::slots, std::string("0"));
  refuses("warmup-steps", &TrainingConfig::warmup_steps, std::string("-1"));
  refuses("learning-rate", &TrainingConfig::learning_rate, std::numeric_limits<double>::infinity());
  refuses("min-learning-rate", &TrainingConfig::min_learning_rate, std::string("1"));
  refuses("beta1", &TrainingConfig::beta1, 1.0);
  refuses("beta2", &TrainingConfig::beta2, -0.1);
  refuses("epsilon", &TrainingConfig::epsilon, 0.0);
  refuses("weight-decay", &TrainingConfig::weight_decay, std::numeric_limits<double>::quiet_NaN());
  refuses("dropout", &TrainingConfig::dropout, 1.0);
  refuses("schedule", &TrainingConfig::schedule, std::string("step"));
  refuses("precision", &TrainingConfig::precision, std::string("bf16"));
  refuses("max-epochs", &TrainingConfig::max_epochs, std::uint64_t{1});  // beside max_steps
  refuses("keep-last", &TrainingConfig::keep_last, std::uint64_t{0});
}

BOOST_AUTO_TEST_CASE(configuration_reads_back_as_it_was_written) {
  auto config = small_config();
  config.train = {"a b.bin", "quote\".bin", "*.bin"};
  config.learning_rate = 0.1 + 0.2;
  config.seed = 4294967295U;
  config.sample_prompt = "two\nlines";
  const auto texts = encode_configuration(config);
  BOOST_TEST(encode_configuration(decode_configuration(texts, "test")) == texts);
  BOOST_TEST(decode_configuration(texts, "test").learning_rate == 0.1 + 0.2);
  BOOST_TEST(!texts.contains("out"));
}

BOOST_AUTO_TEST_CASE(stored_configuration_of_another_build_is_refused_by_name) {
  BOOST_CHECK_EXCEPTION(decode_configuration({{"seed", "x"}}, "a/checkpoint"), formats::InputError,
                        says({"a/checkpoint", "seed", "'x'"}));
  BOOST_CHECK_EXCEPTION(decode_configuration({{"colour", "red"}}, "a/checkpoint"),
                        formats::InputError, says({"colour"}));
}

BOOST_AUTO_TEST_CASE(resumed_run_keeps_what_is_not_given) {
  auto stored = small_config();
  stored.seed = 7;
  stored.slots = "8";
  TrainingConfig asked;
  asked.out = "run";
  asked.resume = "latest";
  std::vector<std::string> notices;
  const auto config = resume_configuration(stored, asked, {"out", "resume"}, notices);
  BOOST_TEST(config.seed == 7U);
  BOOST_TEST(config.slots == "8");
  BOOST_TEST(config.resume == "latest");
  BOOST_TEST(notices.empty());
}

BOOST_AUTO_TEST_CASE(resumed_run_takes_the_same_values_in_other_words) {
  auto stored = small_config();
  stored.slots = "8";
  stored.min_learning_rate = "0.00006";
  stored.layers = 12;
  auto asked = stored;
  const auto given =
      change(asked, {{"slots", "auto"}, {"min-learning-rate", "6e-5"}, {"layers", "0"}});
  std::vector<std::string> notices;
  const auto config = resume_configuration(stored, asked, given, notices);
  BOOST_TEST(encode_configuration(config) == encode_configuration(stored));
}

BOOST_AUTO_TEST_CASE(resumed_run_may_change_what_changes_no_result) {
  const auto stored = small_config();
  auto asked = stored;
  const auto given = change(
      asked, {{"threads", "3"}, {"val-every", "7"}, {"keep-last", "9"}, {"batch-size", "2"}});
  std::vector<std::string> notices;
  const auto config = resume_configuration(stored, asked, given, notices);
  BOOST_TEST(config.threads == 3U);
  BOOST_TEST(config.val_every == 7U);
  BOOST_TEST(config.keep_last == 9U);
  BOOST_TEST(config.batch_size == "2");
  BOOST_REQUIRE(notices.size() == 1U);  // the batch size: bits differ
  BOOST_TEST(notices[0].starts_with("batch-size"));
}

// Every setting that shapes the result: changed one by one, refused one by one; then allowed one by
// one.
BOOST_AUTO_TEST_CASE(resumed_run_refuses_every_setting_that_changes_the_result) {
  const auto stored = small_config();
  const std::map<std::string, std::string> changes{
      {"seed", "43"},        {"learning-rate", "0.001"}, {"min-learning-rate", "1e-6"},
      {"warmup-steps", "5"}, {"schedule", "linear"},     {"weight-decay", "0.2"},
      {"beta1", "0.8"},      {"beta2", "0.9"},           {"epsilon", "1e-07"},
      {"grad-clip", "2"},    {"dropout", "0.1"},         {"total-batch-tokens", "65536"},
      {"slots", "4"},        {"val-tokens", "10"},       {"init-from", "elsewhere"}};
  std::size_t fixed_options = 0;
  for_each_option(stored, [&](const TrainingOption& option, const auto&) {
    if (option.on_resume == OnResume::kSame) ++fixed_options;
  });
  BOOST_TEST(fixed_options == changes.size());
  for (const auto& [name, text] : changes) {
    auto asked = stored;
    const auto given = change(asked, {{name, text}});
    std::vector<std::string> notices;
    BOOST_CHECK_EXCEPTION(resume_configuration(stored, asked, given, notices),
                          formats::ContradictionError, says({name, text, "--allow-change"}));
    asked.allow_change = {name};
    BOOST_TEST(encode_configuration(resume_configuration(stored, asked, given, notices)).at(name) ==
               text);
  }
}

BOOST_AUTO_TEST_CASE(refusal_lists_every_setting_at_once) {
  const auto stored = small_config();
  auto asked = stored;
  const auto given = change(asked, {{"seed", "1"}, {"beta1", "0.5"}});
  std::vector<std::string> notices;
  BOOST_CHECK_EXCEPTION(
      resume_configuration(stored, asked, given, notices), formats::ContradictionError,
      says({"seed: 42 in the checkpoint, 1 now", "beta1: 0.9 in the checkpoint, 0.5 now"}));
}

BOOST_AUTO_TEST_CASE(shape_cannot_be_allowed_to_change) {
  auto stored = small_config();
  stored.layers = 12;
  for (const std::string name : {"layers", "heads", "channels", "ffn-channels", "context"}) {
    auto asked = stored;
    const auto given = change(asked, {{name, "2"}});
    asked.allow_change = {name};
    std::vector<std::string> notices;
    BOOST_CHECK_EXCEPTION(resume_configuration(stored, asked, given, notices),
                          formats::ContradictionError, says({name, "--init-from"}));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::train
