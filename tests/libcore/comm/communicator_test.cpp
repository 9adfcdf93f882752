// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/comm/communicator.h"

#include <boost/test/unit_test.hpp>
#include <limits>
#include <vector>

namespace gpt2::comm {

BOOST_AUTO_TEST_SUITE(solo_communicator)

BOOST_AUTO_TEST_CASE(is_rank_zero_of_one) {
  const auto alone = open_communicator();
  BOOST_TEST(alone->rank() == 0);
  BOOST_TEST(alone->size() == 1);
  BOOST_TEST(alone->leave(75) == 75);
}

BOOST_AUTO_TEST_CASE(sums_and_maximum_leave_every_bit) {
  const auto alone = open_communicator();
  std::vector<double> losses{3.25, -1e300};
  alone->tree_sum(losses);
  BOOST_TEST(losses == (std::vector<double>{3.25, -1e300}), boost::test_tools::per_element());
  const auto smallest = std::numeric_limits<std::int64_t>::min();
  BOOST_TEST(alone->maximum(smallest) == smallest);
  BOOST_TEST(alone->from_first("words") == "words");
  alone->barrier();  // returns although nobody else comes
}

BOOST_AUTO_TEST_CASE(an_error_together_is_the_one_thrown) {
  const auto alone = open_communicator();
  alone->together([] {});
  BOOST_CHECK_THROW(alone->together([] { throw std::out_of_range("x"); }), std::out_of_range);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(shares)

BOOST_AUTO_TEST_CASE(join_to_the_whole_buffer_for_any_number_of_ranks) {
  for (const std::int64_t elements : {0, 1, 16, 1000, 1024, 1025, 123456}) {
    for (int ranks = 1; ranks <= 70; ++ranks) {
      const Shares shares(elements, ranks);
      std::int64_t end = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        BOOST_REQUIRE_EQUAL(shares.of_rank(rank).first, end);
        end = shares.of_rank(rank).end();
      }
      BOOST_REQUIRE_EQUAL(end, elements);
    }
  }
}

BOOST_AUTO_TEST_CASE(units_depend_on_the_size_alone) {
  const Shares alone(123456, 1), three(123456, 3);
  for (int unit = 0; unit < Shares::kUnits; ++unit) {
    BOOST_TEST(alone.unit(unit).first == three.unit(unit).first);
    BOOST_TEST(alone.unit(unit).count == three.unit(unit).count);
  }
  BOOST_TEST(three.of_rank(1).first == three.unit(three.first_unit(1)).first);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_CASE(pairwise_joins_are_those_of_a_binary_counter) {
  for (std::size_t count = 1; count <= 40; ++count) {
    std::vector<std::string> counter;  // a carry joins neighbours of one size; the rest from behind
    std::vector<std::size_t> sizes;
    const auto merge = [&] {
      counter[counter.size() - 2] = "(" + counter[counter.size() - 2] + counter.back() + ")";
      sizes[sizes.size() - 2] += sizes.back();
      counter.pop_back();
      sizes.pop_back();
    };
    std::vector<std::string> words;
    for (std::size_t i = 0; i < count; ++i) {
      words.push_back(std::to_string(i));
      counter.push_back(words.back());
      sizes.push_back(1);
      while (sizes.size() > 1 && sizes.back() == sizes[sizes.size() - 2]) merge();
    }
    while (counter.size() > 1) merge();
    join_pairwise(count, [&](std::size_t to, std::size_t from) {
      words[to] = "(" + words[to] + words[from] + ")";
    });
    BOOST_TEST(words.front() == counter.front());
  }
}

}  // namespace gpt2::comm
