// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <cmath>
#include <limits>

#include "tests/libcore/kernels/kernel_fixture.h"

namespace gpt2::kernels {
namespace {

struct Inputs {
  std::int64_t B, T, H, D;
  Dropout dropout{};
  float spread = 1;  // of q, k, v: large scores make the softmax pick one key
  std::int64_t C = H * D;
  std::vector<float> qkv = scaled(random_floats(B * T * 3 * C, 1), spread),
                     dout = random_floats(B * T * C, 2);
  static std::vector<float> scaled(std::vector<float> values, float factor) {
    for (float& value : values) value *= factor;
    return values;
  }
  reference::Values factors() const { return reference::dropout_factors(dropout, B, H * T * T); }
};

const Dropout kSomeDropout{
    .probability = 0.1F, .seed = 21, .first_sequence = 1'000'000'007, .site = 7};

// Ragged tiles, every head size class, more than one tile of queries and of keys.
const std::vector<Inputs> kShapes{{1, 1, 1, 1},
                                  {2, 7, 3, 2},
                                  {1, 65, 2, 25},
                                  {2, 130, 2, 64},
                                  {1, 257, 1, 80},
                                  {1, 150, 2, 32},
                                  {1, 135, 1, 96, kSomeDropout},
                                  {1, 200, 1, 128},
                                  {1, 300, 2, 64, kSomeDropout},
                                  {2, 33, 2, 5, kSomeDropout},
                                  {1, 140, 1, 16, {}, 8}};

Outputs forward(Backend& backend, const Inputs& in) {
  const auto out = backend.poisoned({in.B, in.T, in.C}),
             lse = backend.poisoned_floats({in.B, in.H, in.T});
  backend.kernels().attention_forward({.qkv = backend.upload(in.qkv),
                                       .out = out,
                                       .lse = lse,
                                       .B = in.B,
                                       .T = in.T,
                                       .C = in.C,
                                       .H = in.H,
                                       .dropout = in.dropout});
  return {backend.download(out), backend.download(lse)};
}

std::vector<float> backward(Backend& backend, const Inputs& in) {
  const auto results = forward(backend, in);
  const auto dqkv = backend.poisoned({in.B, in.T, 3 * in.C});
  backend.kernels().attention_backward({.qkv = backend.upload(in.qkv),
                                        .out = backend.upload(results[0]),
                                        .lse = backend.upload_floats(results[1]),
                                        .dout = backend.upload(in.dout),
                                        .dqkv = dqkv,
                                        .B = in.B,
                                        .T = in.T,
                                        .C = in.C,
                                        .H = in.H,
                                        .dropout = in.dropout});
  return backend.download(dqkv);
}

// The positions of each sequence in steps of these sizes, through the caches; (B, T, C).
std::vector<float> decode(Backend& backend, const Inputs& in,
                          const std::vector<std::int64_t>& steps) {
  const std::int64_t capacity = in.T + 3;
  const auto keys = backend.poisoned({in.B, in.H, capacity, in.D}),
             values = backend.poisoned({in.B, in.H, capacity, in.D});
  std::vector<float> out(in.B * in.T * in.C);
  std::int32_t position = 0;
  for (const std::int64_t n : steps) {
    std::vector<float> qkv;
    for (std::int64_t b = 0; b < in.B; ++b) {
      const auto begin = in.qkv.begin() + (b * in.T + position) * 3 * in.C;
      qkv.insert(qkv.end(), begin, begin + n * 3 * in.C);
    }
    const auto piece = backend.poisoned({in.B, n, in.C});
    backend.kernels().attention_cached({.qkv = backend.upload(qkv),
                                        .out = piece,
                                        .key_cache = keys,
                                        .value_cache = values,
                                        .first_position = backend.upload_ints({position}),
                                        .B = in.B,
                                        .new_positions = n,
                                        .C = in.C,
                                        .H = in.H,
                                        .capacity = capacity});
    const auto rows = backend.download(piece);
    for (std::int64_t b = 0; b < in.B; ++b) {
      std::copy_n(rows.begin() + b * n * in.C, n * in.C,
                  out.begin() + (b * in.T + position) * in.C);
    }
    position += static_cast<std::int32_t>(n);
  }
  BOOST_REQUIRE_EQUAL(position, in.T);
  return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(attention)

BOOST_FIXTURE_TEST_CASE(forward_agrees_with_reference, Backend) {
  for (const Inputs& in : kShapes) {
    const auto expected =
        reference::attention_forward(doubles(in.qkv), in.factors(), in.B, in.T, in.C, in.H);
    const auto actual = forward(*this, in);
    // A score of magnitude s is rounded by s x 6e-8, and e^score with it.
    const double tolerance = in.spread == 1 ? kFp32Tolerance : 3e-5;
    check_computed("out", actual[0], expected.out, tolerance);
    check_close("lse", actual[1], expected.lse, tolerance);
  }
}

BOOST_FIXTURE_TEST_CASE(backward_agrees_with_reference, Backend) {
  for (const Inputs& in : kShapes) {
    const auto expected = reference::attention_backward(doubles(in.qkv), doubles(in.dout),
                                                        in.factors(), in.B, in.T, in.C, in.H);
    check_computed("dqkv", backward(*this, in), expected, in.spread == 1 ? kFp32Tolerance : 3e-5);
  }
}

BOOST_FIXTURE_TEST_CASE(decoding_in_any_steps_gives_the_same_rows, Backend) {
  const Inputs in{2, 140, 3, 25};
  const auto expected =
      reference::attention_forward(doubles(in.qkv), {}, in.B, in.T, in.C, in.H).out;
  check_computed("one at a time", decode(*this, in, std::vector<std::int64_t>(140, 1)), expected,
                 kFp32Tolerance);
  check_computed("a prompt, then some", decode(*this, in, {131, 1, 1, 3, 4}), expected,
                 kFp32Tolerance);
  check_computed("all at once", decode(*this, in, {140}), expected, kFp32Tolerance);
  const Inputs wide{2, 150, 1, 600};  // more rows than a GPU takes at once
  check_computed("two long prompts", decode(*this, wide, {150}),
                 reference::attention_forward(doubles(wide.qkv), {}, 2, 150, wide.C, 1).out,
                 kFp32Tolerance);
  const Inputs long_one{1, 300, 1, 64};
  const auto long_expected =
      reference::attention_forward(doubles(long_one.qkv), {}, 1, 300, 64, 1).out;
  check_computed("a step across tiles of keys", decode(*this, long_one, {250, 50}), long_expected,
                 kFp32Tolerance);
}

BOOST_FIXTURE_TEST_CASE(never_sees_the_future, Backend) {
  for (const std::int64_t D : {16, 64}) {
    Inputs in{1, 150, 2, D};
    const auto before = forward(*this, in)[0];
    const std::int64_t seen = 140;
    std::fill(in.qkv.begin() + seen * 3 * in.C, in.qkv.end(), 1e4F);
    const auto after = forward(*this, in)[0];
    for (std::int64_t i = 0; i < seen * in.C; ++i) BOOST_REQUIRE_EQUAL(before[i], after[i]);
  }
}

BOOST_FIXTURE_TEST_CASE(a_nan_key_shows_in_every_later_row, Backend) {
  for (const std::int64_t D : {8, 64}) {
    Inputs in{1, 70, 1, D};
    in.qkv[5 * 3 * in.C + in.C] = std::numeric_limits<float>::quiet_NaN();
    const auto out = forward(*this, in)[0];
    for (std::int64_t t = 0; t < in.T; ++t) BOOST_REQUIRE_EQUAL(std::isnan(out[t * in.C]), t >= 5);
  }
}

BOOST_AUTO_TEST_CASE(does_not_depend_on_threads) {
  const Inputs in{2, 300, 3, 25, kSomeDropout};
  check_same_bits_for_any_thread_count([&](Backend& backend) { return forward(backend, in); });
  check_same_bits_for_any_thread_count(
      [&](Backend& backend) -> Outputs { return {backward(backend, in)}; });
  check_same_bits_for_any_thread_count([&](Backend& backend) -> Outputs {
    return {decode(backend, in, {290, 1, 9})};
  });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::kernels
