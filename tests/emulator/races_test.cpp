// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The kernels of racing_kernels.h: each race must be reported, and what has its barriers must not.
#include <boost/test/unit_test.hpp>
#include <string>

#include "tests/emulator/emulated_cuda.h"
#include "tests/emulator/racing_kernels.h"

namespace gpt2::emulator {
namespace {

using kernels::launch;

std::string problem_of(void (*kernel)(float*, int), unsigned blocks, unsigned threads,
                       int barriers) {
  float* out = nullptr;
  BOOST_REQUIRE_EQUAL(cudaMalloc(reinterpret_cast<void**>(&out), 1024), cudaSuccess);
  std::string problem;
  try {
    launch(kernel, blocks, threads, 0, nullptr, out, barriers);
  } catch (const EmulationError& error) {
    problem = error.what();
  }
  cudaFree(out);
  return problem;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(races)

BOOST_AUTO_TEST_CASE(a_missing_barrier_is_reported_wherever_it_is) {
  BOOST_TEST(problem_of(neighbours, 1, 64, 2) == "");
  BOOST_TEST(problem_of(neighbours, 1, 64, 1).find("race: ") != std::string::npos);
  BOOST_TEST(problem_of(neighbours, 1, 64, 0) != "");
  BOOST_TEST(problem_of(neighbours_in_a_warp, 1, 32, 1) == "");
  BOOST_TEST(problem_of(neighbours_in_a_warp, 1, 32, 0) != "");
}

BOOST_AUTO_TEST_CASE(shared_memory_that_nobody_wrote_is_reported) {
  BOOST_TEST(problem_of(read_before_written, 1, 64, 0).find("no thread of the block has written") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(writes_of_two_threads_or_blocks_to_one_place_are_reported) {
  BOOST_TEST(problem_of(each_to_its_own, 4, 64, 0) == "");
  BOOST_TEST(problem_of(all_to_one, 1, 64, 0).find("race: writes memory") != std::string::npos);
  BOOST_TEST(problem_of(all_to_one, 2, 1, 0).find("with no barrier") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::emulator
