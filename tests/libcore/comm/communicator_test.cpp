// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/comm/communicator.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <vector>

namespace gpt2::comm {

BOOST_AUTO_TEST_SUITE(solo_communicator)

BOOST_AUTO_TEST_CASE(is_rank_zero_of_one) {
  const auto alone = open_communicator();
  BOOST_TEST(alone->rank() == 0);
  BOOST_TEST(alone->size() == 1);
}

BOOST_AUTO_TEST_CASE(sums_and_maximum_leave_every_bit) {
  const auto alone = open_communicator();
  std::vector<float> gradients{1.5F, -0.0F, 1e-42F};
  alone->tree_sum(device::TensorView(gradients.data(), device::DataType::kF32, {3}));
  BOOST_TEST(gradients == (std::vector<float>{1.5F, -0.0F, 1e-42F}),
             boost::test_tools::per_element());
  BOOST_TEST(std::signbit(gradients[1]));
  std::vector<double> losses{3.25, -1e300};
  alone->tree_sum(losses);
  BOOST_TEST(losses == (std::vector<double>{3.25, -1e300}), boost::test_tools::per_element());
  const auto smallest = std::numeric_limits<std::int64_t>::min();
  BOOST_TEST(alone->maximum(smallest) == smallest);
  alone->barrier();  // returns although nobody else comes
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::comm
