// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The yardstick itself: backward passes of the reference against central differences of its forward
// passes.
#include <functional>

#include "tests/libcore/kernels/kernel_fixture.h"

namespace gpt2::kernels {
namespace {

using reference::Values;

Values values(std::int64_t count, std::uint32_t seed) {
  return doubles(random_floats(count, seed));
}

double weighted_sum(const Values& y, const Values& dy) {
  double sum = 0;
  for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
  return sum;
}

// Error of differences: their step squared (1e-10) x third derivatives, and 1e-16 / 1e-5 of
// rounding.
void check_gradient(const char* name, const Values& gradient, Values x,
                    const std::function<double(const Values&)>& loss) {
  const double step = 1e-5;
  Values differences;
  for (double& element : x) {
    const double here = element;
    element = here + step;
    const double above = loss(x);
    element = here - step;
    const double below = loss(x);
    element = here;
    differences.push_back((above - below) / (2 * step));
  }
  BOOST_CHECK_MESSAGE(support::relative_difference(gradient, differences) < 1e-8, name);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(reference_backward)

BOOST_AUTO_TEST_CASE(of_embedding_is_the_derivative) {
  const std::int64_t B = 2, T = 3, C = 5, V = 4, P = 6;
  const auto tokens = random_ints(B * T, V, 1);
  const auto wte = values(V * C, 2), wpe = values(P * C, 3), dx = values(B * T * C, 4);
  const auto factors = reference::dropout_factors({.probability = 0.4F, .seed = 1}, B, T * C);
  const auto gradients = reference::embedding_backward(tokens, dx, factors, B, T, C, V, P);
  const auto loss = [&](const Values& token_table, const Values& position_table) {
    return weighted_sum(
        reference::embedding_forward(tokens, token_table, position_table, factors, B, T, C), dx);
  };
  check_gradient("dwte", gradients.dwte, wte, [&](const Values& w) { return loss(w, wpe); });
  check_gradient("dwpe", gradients.dwpe, wpe, [&](const Values& w) { return loss(wte, w); });
}

BOOST_AUTO_TEST_CASE(of_layernorm_is_the_derivative) {
  const std::int64_t N = 3, C = 7;
  const auto x = values(N * C, 1), weight = values(C, 2), bias = values(C, 3),
             dy = values(N * C, 4);
  const auto gradients = reference::layernorm_backward(dy, x, weight, N, C);
  const auto loss = [&](const Values& x_, const Values& weight_, const Values& bias_) {
    return weighted_sum(reference::layernorm_forward(x_, weight_, bias_, N, C).y, dy);
  };
  check_gradient("dx", gradients.dx, x, [&](const Values& v) { return loss(v, weight, bias); });
  check_gradient("dweight", gradients.dweight, weight,
                 [&](const Values& v) { return loss(x, v, bias); });
  check_gradient("dbias", gradients.dbias, bias,
                 [&](const Values& v) { return loss(x, weight, v); });
}

BOOST_AUTO_TEST_CASE(of_matmul_and_gelu_is_the_derivative) {
  const std::int64_t N = 3, K = 4, M = 5;
  const auto x = values(N * K, 1), weight = values(K * M, 2), bias = values(M, 3),
             dy = values(N * M, 4);
  const auto loss = [&](const Values& x_, const Values& weight_, const Values& bias_) {
    return weighted_sum(reference::matmul_forward(x_, weight_, bias_, N, K, M), dy);
  };
  const auto gradients = reference::matmul_backward_weight(x, dy, N, K, M);
  check_gradient("dx", reference::matmul_backward_input(dy, weight, N, K, M), x,
                 [&](const Values& v) { return loss(v, weight, bias); });
  check_gradient("dweight", gradients.dweight, weight,
                 [&](const Values& v) { return loss(x, v, bias); });
  check_gradient("dbias", gradients.dbias, bias,
                 [&](const Values& v) { return loss(x, weight, v); });
  Values points, slopes;
  for (double point = -5; point < 5; point += 0.37) {
    points.push_back(point);
    slopes.push_back(reference::gelu_slope(point));
  }
  check_gradient("gelu", slopes, points, [](const Values& v) {
    double sum = 0;
    for (const double element : v) sum += reference::gelu(element);
    return sum;
  });
}

BOOST_AUTO_TEST_CASE(of_attention_is_the_derivative) {
  const std::int64_t B = 2, T = 5, H = 2, C = 6;
  const auto qkv = values(B * T * 3 * C, 1), dout = values(B * T * C, 2);
  for (const float probability : {0.0F, 0.3F}) {
    const auto factors =
        reference::dropout_factors({.probability = probability, .seed = 3}, B, H * T * T);
    check_gradient("dqkv", reference::attention_backward(qkv, dout, factors, B, T, C, H), qkv,
                   [&](const Values& v) {
                     return weighted_sum(reference::attention_forward(v, factors, B, T, C, H).out,
                                         dout);
                   });
  }
}

BOOST_AUTO_TEST_CASE(of_classifier_is_the_derivative) {
  const std::int64_t N = 4, C = 3, V = 6;
  const auto x = values(N * C, 1), wte = values(V * C, 2);
  const reference::Indices targets{2, -1, 5, 0};
  const double scale = 0.7;
  const auto loss = [&](const Values& x_, const Values& wte_) {
    return weighted_sum(reference::classifier(x_, wte_, targets, N, C, V, scale).losses,
                        Values(N, scale));
  };
  const auto result = reference::classifier(x, wte, targets, N, C, V, scale);
  check_gradient("dx", result.dx, x, [&](const Values& v) { return loss(v, wte); });
  check_gradient("dwte", result.dwte, wte, [&](const Values& v) { return loss(x, v); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::kernels
