// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/optim/learning_rate.h"

#include <boost/test/unit_test.hpp>

#include "formats/errors.h"

namespace gpt2::optim {
namespace {

namespace tt = boost::test_tools;

LearningRateSchedule schedule(const std::string& kind) {
  return {.kind = kind, .peak = 1e-3, .minimum = 1e-4, .warmup_steps = 10, .max_steps = 110};
}

BOOST_AUTO_TEST_SUITE(learning_rate)

BOOST_AUTO_TEST_CASE(warm_up_begins_above_zero_and_ends_at_the_peak) {
  for (const auto* kind : {"cosine", "linear", "constant", "wsd"}) {
    const auto rate = schedule(kind);
    BOOST_TEST(rate.at(0) == 1e-4, tt::tolerance(1e-12));
    BOOST_TEST(rate.at(4) == 5e-4, tt::tolerance(1e-12));
    BOOST_TEST(rate.at(9) == 1e-3);
    BOOST_TEST(rate.at(10) == 1e-3);
  }
}

BOOST_AUTO_TEST_CASE(each_kind_decays_in_its_way) {
  // A quarter, half and the whole of the decay between steps 10 and 110; (1 + cos(pi / 4)) / 2 is
  // 0.853553...
  const auto cosine = schedule("cosine");
  BOOST_TEST(cosine.at(35) == 1e-4 + 9e-4 * 0.8535533905932737, tt::tolerance(1e-12));
  BOOST_TEST(cosine.at(60) == 5.5e-4, tt::tolerance(1e-12));
  BOOST_TEST(cosine.at(110) == 1e-4);
  const auto linear = schedule("linear");
  BOOST_TEST(linear.at(35) == 7.75e-4, tt::tolerance(1e-12));
  BOOST_TEST(linear.at(110) == 1e-4);
  const auto constant = schedule("constant");
  BOOST_TEST(constant.at(60) == 1e-3);
  BOOST_TEST(constant.at(5000) == 1e-3);
  auto wsd = schedule("wsd");
  wsd.decay_fraction = 0.4;  // decays from step 66 to step 110
  BOOST_TEST(wsd.at(66) == 1e-3, tt::tolerance(1e-12));
  BOOST_TEST(wsd.at(65) == 1e-3);
  BOOST_TEST(wsd.at(88) == 5.5e-4, tt::tolerance(1e-12));
  BOOST_TEST(wsd.at(110) == 1e-4);
}

BOOST_AUTO_TEST_CASE(after_the_last_step_the_rate_stays_at_the_minimum) {
  for (const auto* kind : {"cosine", "linear", "wsd"}) BOOST_TEST(schedule(kind).at(200) == 1e-4);
}

BOOST_AUTO_TEST_CASE(the_first_update_without_warm_up_has_the_peak) {
  for (const auto* kind : {"cosine", "linear", "constant", "wsd"}) {
    auto rate = schedule(kind);
    rate.warmup_steps = 0;
    BOOST_TEST(rate.at(0) == 1e-3);
  }
}

BOOST_AUTO_TEST_CASE(refuses_what_is_no_schedule) {
  const auto refused = [](auto change) {
    auto rate = schedule("cosine");
    change(rate);
    BOOST_CHECK_THROW(rate.check(), formats::UsageError);
  };
  BOOST_CHECK_NO_THROW(schedule("cosine").check());
  refused([](auto& rate) { rate.kind = "step"; });
  refused([](auto& rate) { rate.peak = -1e-3; });
  refused([](auto& rate) { rate.minimum = -1e-9; });
  refused([](auto& rate) { rate.minimum = 2e-3; });
  refused([](auto& rate) { rate.max_steps = 0; });
  refused([](auto& rate) { rate.warmup_steps = 110; });
  refused([](auto& rate) { rate.warmup_steps = -1; });
  refused([](auto& rate) { rate.decay_fraction = 0; });
  refused([](auto& rate) { rate.decay_fraction = 1.5; });
  auto constant = schedule("constant");  // which has no use for a minimum
  constant.peak = 1e-5;
  BOOST_CHECK_NO_THROW(constant.check());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::optim
