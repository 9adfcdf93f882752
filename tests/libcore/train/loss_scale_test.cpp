// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/loss_scale.h"

#include <boost/test/unit_test.hpp>

namespace gpt2::train {
namespace {

void note_good_steps(LossScale& scale, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) scale.note_good_step();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(loss_scale)

BOOST_AUTO_TEST_CASE(begins_at_65536_and_doubles_after_2000_good_steps_in_a_row) {
  LossScale scale;
  BOOST_TEST(scale.value == 65536U);
  note_good_steps(scale, 1999);
  BOOST_TEST(scale.value == 65536U);
  note_good_steps(scale, 1);
  BOOST_TEST(scale.value == 131072U);
  note_good_steps(scale, 2000);
  BOOST_TEST(scale.value == 262144U);
}

BOOST_AUTO_TEST_CASE(halves_at_an_overflow_and_counts_good_steps_anew) {
  LossScale scale;
  note_good_steps(scale, 1500);
  BOOST_TEST(scale.back_off());
  BOOST_TEST(scale.value == 32768U);
  BOOST_TEST(scale.overflowed_steps == 1U);
  note_good_steps(scale, 1999);
  BOOST_TEST(scale.value == 32768U);
  note_good_steps(scale, 1);
  BOOST_TEST(scale.value == 65536U);
}

BOOST_AUTO_TEST_CASE(is_never_below_1_and_says_so) {
  LossScale scale{.value = 2};
  BOOST_TEST(scale.back_off());
  BOOST_TEST(scale.value == 1U);
  BOOST_TEST(!scale.back_off());
  BOOST_TEST(scale.value == 1U);
  BOOST_TEST(scale.overflowed_steps == 1U);
}

BOOST_AUTO_TEST_CASE(does_not_grow_without_end) {
  LossScale scale{.value = LossScale::kMost};
  note_good_steps(scale, LossScale::kGoodStepsToGrow);
  BOOST_TEST(scale.value == LossScale::kMost);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::train
