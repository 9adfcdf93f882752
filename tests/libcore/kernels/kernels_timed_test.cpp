// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/kernels/kernels_timed.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "tests/libcore/kernels/kernel_fixture.h"

namespace gpt2::kernels {
namespace {

/// A twin that remembers which operation was called last, and takes some time in one of them.
class RememberingKernels final : public Kernels {
 public:
  std::string called;
  std::chrono::milliseconds time_of_add{0};

  std::size_t workspace_bytes(const PassShape&, bool) const override { return 17; }
  void embedding_forward(const EmbeddingForward&) override { called = "embedding_forward"; }
  void embedding_backward(const EmbeddingBackward&) override { called = "embedding_backward"; }
  void layernorm_forward(const LayerNormForward&) override { called = "layernorm_forward"; }
  void residual_layernorm_forward(const ResidualLayerNormForward&) override {
    called = "residual_layernorm_forward";
  }
  void layernorm_backward(const LayerNormBackward&) override { called = "layernorm_backward"; }
  void dropout_backward(const DropoutBackward&) override { called = "dropout_backward"; }
  void matmul_forward(const MatmulForward&) override { called = "matmul_forward"; }
  void matmul_backward_input(const MatmulBackwardInput&) override {
    called = "matmul_backward_input";
  }
  void matmul_backward_weight(const MatmulBackwardWeight&) override {
    called = "matmul_backward_weight";
  }
  void attention_forward(const AttentionForward&) override { called = "attention_forward"; }
  void attention_backward(const AttentionBackward&) override { called = "attention_backward"; }
  void attention_cached(const AttentionCached&) override { called = "attention_cached"; }
  void head_forward(const HeadForward&) override { called = "head_forward"; }
  void classifier_forward(const ClassifierForward&) override { called = "classifier_forward"; }
  void classifier_forward_backward(const ClassifierForwardBackward&) override {
    called = "classifier_forward_backward";
  }
  void adamw_update(const AdamWUpdate&) override { called = "adamw_update"; }
  void decide_update(const UpdateDecision&) override { called = "decide_update"; }
  void add(TensorView, TensorView) override {
    called = "add";
    std::this_thread::sleep_for(time_of_add);
  }
  void round_to_bf16(TensorView) override { called = "round_to_bf16"; }
  void convert(TensorView, TensorView) override { called = "convert"; }
  void part_sums(const PartSums&) override { called = "part_sums"; }
};

struct Fixture : Backend {
  RememberingKernels inner;
  TimedKernels timed{device(), inner};
};

/// Pairs of a query and a key that it may see, when queries first..last-1 attend to all before
/// them.
std::int64_t visible_pairs(std::int64_t first, std::int64_t last) {
  std::int64_t pairs = 0;
  for (auto query = first; query < last; ++query) {
    for (std::int64_t key = 0; key <= query; ++key) ++pairs;
  }
  return pairs;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(kernels_timed)

BOOST_FIXTURE_TEST_CASE(passes_every_operation_on_and_notes_it_under_its_name, Fixture) {
  std::size_t expected_count = 0;
  const auto expect = [&](const std::string& name, const std::function<void()>& call) {
    inner.called.clear();
    call();
    BOOST_TEST(inner.called == name);
    const auto operations = timed.profile().operations;
    BOOST_TEST(operations.size() == ++expected_count);
    BOOST_TEST(std::count_if(operations.begin(), operations.end(), [&](const auto& operation) {
                 return operation.name == name && operation.calls == 1;
               }) == 1);
  };
  expect("embedding_forward", [&] { timed.embedding_forward({}); });
  expect("embedding_backward", [&] { timed.embedding_backward({}); });
  expect("layernorm_forward", [&] { timed.layernorm_forward({}); });
  expect("residual_layernorm_forward", [&] { timed.residual_layernorm_forward({}); });
  expect("layernorm_backward", [&] { timed.layernorm_backward({}); });
  expect("dropout_backward", [&] { timed.dropout_backward({}); });
  expect("matmul_forward", [&] { timed.matmul_forward({}); });
  expect("matmul_backward_input", [&] { timed.matmul_backward_input({}); });
  expect("matmul_backward_weight", [&] { timed.matmul_backward_weight({}); });
  expect("attention_forward", [&] { timed.attention_forward({}); });
  expect("attention_backward", [&] { timed.attention_backward({}); });
  expect("attention_cached", [&] { timed.attention_cached({}); });
  expect("head_forward", [&] { timed.head_forward({}); });
  expect("classifier_forward", [&] { timed.classifier_forward({}); });
  expect("classifier_forward_backward", [&] { timed.classifier_forward_backward({}); });
  expect("adamw_update", [&] { timed.adamw_update({}); });
  expect("decide_update", [&] { timed.decide_update({}); });
  expect("add", [&] { timed.add({}, {}); });
  expect("round_to_bf16", [&] { timed.round_to_bf16({}); });
  expect("part_sums", [&] { timed.part_sums({}); });
}

BOOST_FIXTURE_TEST_CASE(sums_calls_seconds_and_work, Fixture) {
  const auto a = poisoned({40}), b = poisoned({40});
  inner.time_of_add = std::chrono::milliseconds(3);
  const auto begin = std::chrono::steady_clock::now();
  for (int call = 0; call < 4; ++call) timed.add(a, b);
  timed.matmul_forward({.x = a, .weight = a, .y = a, .N = 2, .K = 3, .M = 5});
  timed.matmul_forward({.x = a, .weight = a, .y = a, .N = 7, .K = 3, .M = 5});
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  const auto profile = timed.profile();
  BOOST_REQUIRE(profile.operations.size() == 2);
  const auto &add = profile.operations[0], &matmul = profile.operations[1];  // longest first
  BOOST_TEST(add.name == "add");
  BOOST_TEST(add.calls == 4);
  BOOST_TEST(add.seconds >= 4 * 0.003);
  BOOST_TEST(add.work.operations == 0);
  BOOST_TEST(add.work.bytes == 4 * 3 * 40 * 4);
  BOOST_TEST(matmul.name == "matmul_forward");
  BOOST_TEST(matmul.calls == 2);
  BOOST_TEST(matmul.work.operations == 2 * (2 + 7) * 3 * 5);
  BOOST_TEST(matmul.work.bytes == 4 * ((2 + 7) * 3 + 2 * 3 * 5 + (2 + 7) * 5));
  BOOST_TEST(add.seconds + matmul.seconds <= profile.seconds);
  BOOST_TEST(profile.seconds <= elapsed.count());
}

BOOST_FIXTURE_TEST_CASE(an_empty_profile_says_so, Fixture) {
  BOOST_TEST(timed.profile().operations.empty());
  BOOST_TEST(timed.profile().seconds == 0);
}

BOOST_FIXTURE_TEST_CASE(attention_counts_only_pairs_that_see_each_other, Fixture) {
  constexpr std::int64_t B = 2, T = 9, C = 12;
  BOOST_TEST((AttentionForward{.B = B, .T = T, .C = C, .H = 3}.work().operations) ==
             2 * 2 * B * C * visible_pairs(0, T));
  BOOST_TEST((AttentionBackward{.B = B, .T = T, .C = C, .H = 3}.work().operations) ==
             5 * 2 * B * C * visible_pairs(0, T));
  BOOST_TEST((AttentionCached{.B = B, .new_positions = 4, .C = C, .H = 3, .capacity = T}
                  .work()
                  .operations) == 2 * 2 * B * C * visible_pairs(5, 9));
}

BOOST_FIXTURE_TEST_CASE(results_are_those_of_the_twin_inside, Backend) {
  const auto x = upload(random_floats(6 * 5, 1), {6, 5}),
             weight = upload(random_floats(5 * 7, 2), {5, 7});
  const auto plain = poisoned({6, 7}), through = poisoned({6, 7});
  TimedKernels timed(device(), kernels());
  kernels().matmul_forward({.x = x, .weight = weight, .y = plain, .N = 6, .K = 5, .M = 7});
  timed.matmul_forward({.x = x, .weight = weight, .y = through, .N = 6, .K = 5, .M = 7});
  BOOST_TEST(download(plain) == download(through), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::kernels
