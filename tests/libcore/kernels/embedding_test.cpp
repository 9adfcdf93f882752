// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <cmath>

#include "formats/errors.h"
#include "tests/libcore/kernels/kernel_fixture.h"

namespace gpt2::kernels {
namespace {

struct Inputs {
  std::int64_t B, T, C;
  std::int64_t vocabulary = 11, positions = 300;
  Dropout dropout{};
  std::int32_t first_position = 0;
  std::vector<std::int32_t> tokens = random_ints(B * T, static_cast<std::int32_t>(vocabulary), 1);
  std::vector<float> wte = random_floats(vocabulary * C, 2), wpe = random_floats(positions * C, 3),
                     dx = random_floats(B * T * C, 4), dwte = random_floats(vocabulary * C, 5),
                     dwpe = random_floats(positions * C, 6);
  reference::Values factors() const { return reference::dropout_factors(dropout, B, T * C); }
};

std::vector<float> forward(Backend& backend, const Inputs& in) {
  const auto x = backend.poisoned({in.B, in.T, in.C});
  backend.kernels().embedding_forward({.tokens = backend.upload_ints(in.tokens),
                                       .wte = backend.upload(in.wte, {in.vocabulary, in.C}),
                                       .wpe = backend.upload(in.wpe, {in.positions, in.C}),
                                       .x = x,
                                       .B = in.B,
                                       .T = in.T,
                                       .C = in.C,
                                       .first_position = backend.upload_ints({in.first_position}),
                                       .dropout = in.dropout});
  return backend.download(x);
}

Outputs backward(Backend& backend, const Inputs& in) {
  const auto dwte = backend.upload_floats(in.dwte, {in.vocabulary, in.C});
  const auto dwpe = backend.upload_floats(in.dwpe, {in.positions, in.C});
  backend.kernels().embedding_backward({.tokens = backend.upload_ints(in.tokens),
                                        .dx = backend.upload(in.dx),
                                        .dwte = dwte,
                                        .dwpe = dwpe,
                                        .B = in.B,
                                        .T = in.T,
                                        .C = in.C,
                                        .dropout = in.dropout});
  return {backend.download(dwte), backend.download(dwpe)};
}

const Dropout kSomeDropout{.probability = 0.25F, .seed = 8, .first_sequence = 77, .site = 0};

}  // namespace

BOOST_AUTO_TEST_SUITE(embedding)

BOOST_FIXTURE_TEST_CASE(forward_adds_token_and_position, Backend) {
  for (const Inputs& in : {Inputs{1, 1, 1}, Inputs{2, 7, 25}, Inputs{3, 65, 64},
                           Inputs{1, 257, 130}, Inputs{2, 7, 25, 11, 300, kSomeDropout},
                           Inputs{.B = 2, .T = 1, .C = 8, .first_position = 299}}) {
    const auto expected =
        reference::embedding_forward(in.tokens, doubles(in.wte), doubles(in.wpe), in.factors(),
                                     in.B, in.T, in.C, in.first_position);
    check_computed("x", forward(*this, in), expected, 2e-7);  // one addition, one product
  }
}

BOOST_FIXTURE_TEST_CASE(backward_adds_to_rows_of_both_tables, Backend) {
  for (const Inputs& in : {Inputs{1, 1, 1}, Inputs{2, 7, 25}, Inputs{3, 65, 64},
                           Inputs{1, 257, 130}, Inputs{2, 33, 67, 11, 300, kSomeDropout}}) {
    const auto expected = reference::embedding_backward(
        in.tokens, doubles(in.dx), in.factors(), in.B, in.T, in.C, in.vocabulary, in.positions);
    const auto actual = backward(*this, in);
    check_close("dwte", actual[0], sum_of(doubles(in.dwte), expected.dwte), kFp32Tolerance);
    check_close("dwpe", actual[1], sum_of(doubles(in.dwpe), expected.dwpe), kFp32Tolerance);
  }
}

BOOST_AUTO_TEST_CASE(does_not_depend_on_threads) {
  const Inputs in{3, 65, 200, 11, 300, kSomeDropout};
  check_same_bits_for_any_thread_count(
      [&](Backend& backend) -> Outputs { return {forward(backend, in)}; });
  check_same_bits_for_any_thread_count([&](Backend& backend) { return backward(backend, in); });
}

BOOST_FIXTURE_TEST_CASE(a_token_outside_of_the_table_reads_and_writes_nothing, Backend) {
  for (const std::int32_t token : {-1, 11}) {
    Inputs in{1, 3, 4};
    in.tokens[1] = token;
    if (support::test_device() == "cpu") {
      BOOST_CHECK_THROW(forward(*this, in), formats::UsageError);
      BOOST_CHECK_THROW(backward(*this, in), formats::UsageError);
      continue;
    }
    // A GPU does not wait to look at tokens: their rows are NaN, and have no gradient.
    const auto x = forward(*this, in);
    for (std::size_t i = 0; i < x.size(); ++i) BOOST_TEST(std::isnan(x[i]) == (i / 4 == 1));
    Inputs without = in;
    without.tokens[1] = in.tokens[0];
    std::fill_n(without.dx.begin() + 4, 4, 0.0F);
    BOOST_TEST(backward(*this, in)[0] == backward(*this, without)[0],
               boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::kernels
