// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/model/gpt2.h"

#include <boost/test/unit_test.hpp>

#include "formats/errors.h"
#include "tests/libcore/model/model_fixture.h"
#include "tests/reference/reference.h"

namespace gpt2::model {
namespace {

using test::odd_config;
using test::random_tokens;
using test::relative_distance;
using test::SmallModel;

/// Tokens, targets and the results of forward_backward of one micro-batch.
struct Batch {
  Batch(const Gpt2Config& config, std::int64_t sequences, std::int64_t length)
      : B(sequences),
        T(length),
        tokens(random_tokens(B * T, config.vocab_size, 2)),
        targets(random_tokens(B * T, config.vocab_size, 3)),
        losses(static_cast<std::size_t>(B * T)) {}

  /// Adds to `gradients`; returns the sum of the losses in double.
  double forward_backward(SmallModel& small, const device::DeviceBuffer& gradients,
                          const DropoutPlan& dropout = {}, float scale = 1) {
    const device::DeviceBuffer memory(*small.device, losses.size() * sizeof(float));
    small.model.forward_backward(tokens, targets, B, T, scale, dropout, gradients,
                                 {memory.data(), device::DataType::kF32, {B, T}});
    small.device->copy_to_host(losses.data(), memory.data(), memory.bytes());
    return std::accumulate(losses.begin(), losses.end(), 0.0);
  }
  std::vector<float> gradients(SmallModel& small, const DropoutPlan& dropout = {},
                               float scale = 1) {
    const auto buffer = small.zeros();
    forward_backward(small, buffer, dropout, scale);
    return small.download(buffer);
  }

  std::int64_t B, T;
  std::vector<std::int32_t> tokens, targets;
  std::vector<float> losses;
};

std::span<const float> part_of(const std::vector<float>& buffer, const Parameter& parameter) {
  return std::span(buffer).subspan(static_cast<std::size_t>(parameter.offset),
                                   static_cast<std::size_t>(parameter.element_count));
}

/// GPT-2 as the paper draws it, in double: losses of every position. `dropout` at the sites of
/// DECISIONS.md: 0 the embedding, then of layer l 3l + 1 the attention, 3l + 2 and 3l + 3 what
/// attention and MLP add to the stream.
reference::Values plain_losses(const SmallModel& small, const Batch& batch,
                               const DropoutPlan& dropout) {
  const auto& config = small.model.config();
  const auto B = batch.B, T = batch.T, C = config.channels, H = config.heads,
             F = config.inner_channels(), N = B * T;
  const auto parameter = [&](const std::string& name) {
    const auto values = small.stored(name);
    return reference::Values(values.begin(), values.end());
  };
  const auto factors = [&](std::int64_t site, std::int64_t elements) {
    return reference::dropout_factors({.probability = dropout.probability,
                                       .seed = dropout.seed,
                                       .first_sequence = dropout.first_sequence,
                                       .site = static_cast<std::uint32_t>(site)},
                                      B, elements);
  };
  const auto norm = [&](const reference::Values& x, const std::string& name) {
    return reference::layernorm_forward(x, parameter(name + ".weight"), parameter(name + ".bias"),
                                        N, C, config.layer_norm_epsilon)
        .y;
  };
  const auto product = [&](const reference::Values& x, const std::string& name, std::int64_t K,
                           std::int64_t M) {
    return reference::matmul_forward(x, parameter(name + ".weight"), parameter(name + ".bias"), N,
                                     K, M);
  };
  const auto wte = parameter("wte.weight");
  auto stream = reference::embedding_forward(batch.tokens, wte, parameter("wpe.weight"),
                                             factors(0, T * C), B, T, C);
  const auto add = [&](const reference::Values& branch, std::int64_t site) {
    const auto mask = factors(site, T * C);
    for (std::size_t i = 0; i < stream.size(); ++i) {
      stream[i] += mask.empty() ? branch[i] : mask[i] * branch[i];
    }
  };
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    const auto h = "h." + std::to_string(layer) + ".";
    const auto qkv = product(norm(stream, h + "ln_1"), h + "attn.c_attn", C, 3 * C);
    const auto attention =
        reference::attention_forward(qkv, factors(3 * layer + 1, H * T * T), B, T, C, H);
    add(product(attention.out, h + "attn.c_proj", C, C), 3 * layer + 2);
    auto hidden = product(norm(stream, h + "ln_2"), h + "mlp.c_fc", C, F);
    std::transform(hidden.begin(), hidden.end(), hidden.begin(), reference::gelu);
    add(product(hidden, h + "mlp.c_proj", F, C), 3 * layer + 3);
  }
  return reference::classifier(norm(stream, "ln_f"), wte, batch.targets, N, C, config.vocab_size, 1)
      .losses;
}

BOOST_AUTO_TEST_SUITE(initialisation)

BOOST_AUTO_TEST_CASE(has_the_stated_means_and_deviations) {
  const SmallModel small(
      {.vocab_size = 1000, .context = 64, .layers = 3, .heads = 4, .channels = 96});
  const double projection = 0.02 / std::sqrt(6.0);
  for (const auto& parameter : small.model.table().parameters()) {
    const auto values = small.stored(parameter.name);
    if (parameter.shape.size() == 1) {
      const float constant = parameter.name.ends_with(".weight") ? 1.0F : 0.0F;
      BOOST_TEST(std::all_of(values.begin(), values.end(), [&](float v) { return v == constant; }),
                 parameter.name);
      continue;
    }
    const double expected = parameter.name.ends_with("c_proj.weight") ? projection : 0.02;
    double sum = 0, squares = 0;
    for (const double value : values) {
      sum += value;
      squares += value * value;
    }
    const auto count = static_cast<double>(values.size());
    // Five standard errors: the mean's is s / sqrt(n), the deviation's s / sqrt(2 n).
    BOOST_TEST(std::abs(sum / count) < 5 * expected / std::sqrt(count), parameter.name);
    BOOST_TEST(
        std::abs(std::sqrt(squares / count) - expected) < 5 * expected / std::sqrt(2 * count),
        parameter.name);
  }
}

BOOST_AUTO_TEST_CASE(is_a_function_of_seed_and_element_alone) {
  const SmallModel one(odd_config(), 1), three(odd_config(), 3);
  SmallModel other(odd_config());
  other.model.initialise(2);
  auto larger_config = odd_config();
  larger_config.vocab_size = 300;  // other padding, other offsets
  const SmallModel larger(larger_config);
  for (const auto& parameter : one.model.table().parameters()) {
    const auto values = one.stored(parameter.name);
    BOOST_TEST((values == three.stored(parameter.name)), parameter.name);
    auto same_elements = larger.stored(parameter.name);
    same_elements.resize(values.size());
    BOOST_TEST((values == same_elements), parameter.name);
    if (parameter.shape.size() == 2) BOOST_TEST((values != other.stored(parameter.name)));
  }
}

BOOST_AUTO_TEST_CASE(gives_the_numbers_of_the_written_definition) {
  // By a separate Philox and Box-Muller in Python from the definition in gpt2.h: seed 1, parameters
  // 0, 1, 6.
  const SmallModel small(odd_config());
  const auto starts_with = [&](std::string_view name, const std::vector<double>& expected) {
    const auto values = small.stored(name);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      BOOST_TEST(values[i] == static_cast<float>(expected[i]));
    }
  };
  starts_with("wte.weight", {-0.0453527458012104, -0.03164594620466232, 0.03360920771956444,
                             -0.01935116946697235, -0.009264905005693436});
  starts_with("wpe.weight", {-0.006762963254004717, -0.0018305634148418903, -0.011134684085845947,
                             -0.032235708087682724, -0.015273838303983212});
  starts_with("h.0.attn.c_proj.weight",
              {-0.009008078835904598, -0.00029310802347026765, -0.008411387912929058,
               -0.019943026825785637, -0.0007809642120264471});
}

BOOST_AUTO_TEST_CASE(leaves_padding_and_gaps_zero) {
  const SmallModel small(odd_config());
  const auto buffer = small.download(small.model.parameters());
  std::size_t inside = 0;
  for (const auto& parameter : small.model.table().parameters()) {
    for (; inside < static_cast<std::size_t>(parameter.offset); ++inside) {
      BOOST_REQUIRE(buffer[inside] == 0);
    }
    inside += static_cast<std::size_t>(parameter.element_count);
  }
  for (; inside < buffer.size(); ++inside) BOOST_REQUIRE(buffer[inside] == 0);
}

BOOST_AUTO_TEST_CASE(predicts_every_token_about_equally) {
  SmallModel small({.vocab_size = 1000, .context = 64, .layers = 2, .heads = 4, .channels = 64});
  const Batch batch(small.model.config(), 2, 64);
  std::vector<float> losses(batch.tokens.size());
  small.model.losses(batch.tokens, batch.targets, 2, 64, losses);
  const double mean =
      std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
  // Logits of variance C x 0.02^2 raise the mean of log-sum-exp by half of that; their mean error
  // is 0.16 / sqrt(128).
  BOOST_TEST(std::abs(mean - std::log(1000.0) - 0.5 * 64 * 0.02 * 0.02) < 0.05);
}

BOOST_AUTO_TEST_SUITE_END()
BOOST_AUTO_TEST_SUITE(forward)

BOOST_AUTO_TEST_CASE(losses_are_those_of_the_logits) {
  SmallModel small(odd_config());
  small.roughen();
  Batch batch(small.model.config(), 3, 13);
  batch.targets[5] = -1;
  const auto V = static_cast<std::size_t>(small.model.config().vocab_size);
  std::vector<float> losses(batch.tokens.size()), logits(batch.tokens.size() * V);
  small.model.losses(batch.tokens, batch.targets, 3, 13, losses);
  small.model.logits(batch.tokens, 3, 13, logits);
  batch.forward_backward(small, small.zeros());
  for (std::size_t n = 0; n < losses.size(); ++n) {
    double sum = 0;
    for (std::size_t v = 0; v < V; ++v) sum += std::exp(double{logits[n * V + v]});
    const auto target = batch.targets[n];
    const double expected =
        target < 0 ? 0 : std::log(sum) - logits[n * V + static_cast<std::size_t>(target)];
    BOOST_TEST(std::abs(losses[n] - expected) < 2e-5);  // float rounding of losses up to about 10
    BOOST_TEST(std::abs(batch.losses[n] - expected) < 2e-5);
  }
}

BOOST_AUTO_TEST_CASE(losses_are_those_of_a_plain_gpt2_in_double) {
  SmallModel small(odd_config());
  small.roughen();
  Batch batch(small.model.config(), 2, 19);
  for (const float probability : {0.0F, 0.25F}) {
    const DropoutPlan dropout{.probability = probability, .seed = 8, .first_sequence = 1000};
    batch.forward_backward(small, small.zeros(), dropout);
    const auto expected = plain_losses(small, batch, dropout);
    for (std::size_t n = 0; n < expected.size(); ++n) {
      // Float rounding through two layers of losses up to about 20.
      BOOST_TEST(std::abs(batch.losses[n] - expected[n]) < 5e-5);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_later_token_changes_no_earlier_logit) {
  SmallModel small(odd_config());
  small.roughen();
  const auto V = static_cast<std::size_t>(small.model.config().vocab_size);
  auto tokens = random_tokens(12, 150, 2);
  std::vector<float> before(12 * V), after(12 * V);
  small.model.logits(tokens, 1, 12, before);
  tokens[8] = (tokens[8] + 1) % 150;
  small.model.logits(tokens, 1, 12, after);
  BOOST_TEST(std::equal(before.begin(), before.begin() + 8 * V, after.begin()));
  for (std::size_t t = 8; t < 12; ++t) {
    BOOST_TEST(
        !std::equal(before.begin() + t * V, before.begin() + (t + 1) * V, after.begin() + t * V));
  }
}

BOOST_AUTO_TEST_CASE(memory_of_other_shapes_leaves_no_trace) {
  SmallModel small(odd_config());
  small.roughen();
  Batch batch(small.model.config(), 2, 9), larger(small.model.config(), 3, 31);
  const auto first = batch.gradients(small);
  larger.gradients(small, {.probability = 0.2F});
  std::vector<float> losses(larger.tokens.size());
  small.model.losses(larger.tokens, larger.targets, 3, 31, losses);
  BOOST_TEST((batch.gradients(small) == first));
}

BOOST_AUTO_TEST_CASE(refuses_what_does_not_fit) {
  SmallModel small(odd_config());
  auto& model = small.model;
  Batch batch(model.config(), 1, 40);
  const auto gradients = small.zeros();
  std::vector<float> losses(40), short_losses(39), logits(150);
  const auto long_tokens = random_tokens(41, 150, 1);
  std::vector<float> long_losses(41);
  BOOST_CHECK_THROW(model.losses(long_tokens, long_tokens, 1, 41, long_losses),
                    formats::UsageError);
  BOOST_CHECK_THROW(model.losses(batch.tokens, batch.targets, 2, 40, losses), formats::UsageError);
  BOOST_CHECK_THROW(model.losses(batch.tokens, batch.targets, 1, 40, short_losses),
                    formats::UsageError);
  BOOST_CHECK_THROW(model.losses({}, {}, 0, 40, {}), formats::UsageError);
  BOOST_CHECK_THROW(model.logits(batch.tokens, 1, 40, logits), formats::UsageError);
  BOOST_CHECK_THROW(batch.forward_backward(small, gradients, {.probability = 1}),
                    formats::UsageError);
  BOOST_CHECK_THROW(batch.forward_backward(small, gradients, {.probability = -0.1F}),
                    formats::UsageError);
  BOOST_CHECK_THROW(batch.forward_backward(small, device::DeviceBuffer(*small.device, 64)),
                    formats::UsageError);
  const auto& bias = model.table().at("ln_f.bias");
  BOOST_CHECK_THROW(model.load_parameter(bias, losses), formats::UsageError);
  BOOST_CHECK_THROW(model.store_parameter(bias, losses), formats::UsageError);
  for (const std::int32_t wrong : {150, -1}) {
    batch.tokens[39] = wrong;
    BOOST_CHECK_THROW(model.losses(batch.tokens, batch.targets, 1, 40, losses),
                      formats::UsageError);
  }
  batch.tokens[39] = 0;
  batch.targets[0] = 150;
  BOOST_CHECK_THROW(batch.forward_backward(small, gradients), formats::UsageError);
}

BOOST_AUTO_TEST_SUITE_END()
BOOST_AUTO_TEST_SUITE(backward)

/// Compares every tensor's gradient with central differences along two directions: that of the
/// gradient itself, which is the best conditioned, and one of random signs, which sees what the
/// first would miss.
void check_gradients_by_differences(const DropoutPlan& dropout) {
  SmallModel small(odd_config());
  small.roughen();
  Batch batch(small.model.config(), 2, 11);
  const auto gradients = batch.gradients(small, dropout);
  const auto unused = small.zeros();
  std::mt19937 random(5);
  for (const auto& parameter : small.model.table().parameters()) {
    const auto gradient = part_of(gradients, parameter);
    const auto values = small.stored(parameter.name);
    const double size =
        std::sqrt(std::inner_product(gradient.begin(), gradient.end(), gradient.begin(), 0.0));
    BOOST_TEST_REQUIRE(size > 0, parameter.name);
    for (const bool along_gradient : {true, false}) {
      std::vector<double> direction;
      for (const double element : gradient) {
        const double sign = random() % 2 == 0 ? 1 : -1;
        direction.push_back(along_gradient
                                ? element / size
                                : sign / std::sqrt(static_cast<double>(gradient.size())));
      }
      const auto loss_at = [&](double distance) {
        auto moved = values;
        for (std::size_t i = 0; i < moved.size(); ++i) {
          moved[i] += static_cast<float>(distance * direction[i]);
        }
        small.model.load_parameter(parameter, moved);
        return batch.forward_backward(small, unused, dropout);
      };
      constexpr double kStep = 4e-3;
      const double difference = (loss_at(kStep) - loss_at(-kStep)) / (2 * kStep);
      small.model.load_parameter(parameter, values);
      const double derivative =
          std::inner_product(gradient.begin(), gradient.end(), direction.begin(), 0.0);
      // Float losses of about 5 at 22 positions carry 1e-6 each, so 1e-3 after division by the
      // step; the curvature adds a part of a percent.
      BOOST_TEST(std::abs(difference - derivative) < 3e-3 * size + 2e-3,
                 parameter.name << ": " << difference << " by differences, " << derivative
                                << " by the backward pass, gradient of norm " << size);
    }
  }
}

BOOST_AUTO_TEST_CASE(gradients_agree_with_finite_differences) {
  check_gradients_by_differences({});
}

BOOST_AUTO_TEST_CASE(gradients_with_dropout_agree_with_finite_differences) {
  check_gradients_by_differences({.probability = 0.3F, .seed = 9, .first_sequence = 5});
}

BOOST_AUTO_TEST_CASE(gradients_of_a_batch_are_the_sum_of_its_sequences) {
  SmallModel small(odd_config());
  small.roughen();
  Batch batch(small.model.config(), 4, 17);
  DropoutPlan dropout{.probability = 0.1F, .seed = 3, .first_sequence = 100};
  const auto together = batch.gradients(small, dropout);
  const auto sum = small.zeros();
  for (std::size_t b = 0; b < 4; ++b) {
    Batch one(small.model.config(), 1, 17);
    one.tokens.assign(batch.tokens.begin() + 17 * b, batch.tokens.begin() + 17 * (b + 1));
    one.targets.assign(batch.targets.begin() + 17 * b, batch.targets.begin() + 17 * (b + 1));
    dropout.first_sequence = 100 + b;
    one.forward_backward(small, sum, dropout);
    for (std::size_t t = 0; t < 17; ++t) {
      BOOST_TEST(std::abs(one.losses[t] - batch.losses[17 * b + t]) < 1e-5);
    }
  }
  const auto apart = small.download(sum);
  for (const auto& parameter : small.model.table().parameters()) {
    // Only the order of additions differs.
    BOOST_TEST(relative_distance(part_of(together, parameter), part_of(apart, parameter)) < 1e-5,
               parameter.name);
  }
}

BOOST_AUTO_TEST_CASE(gradients_are_added_and_scaled) {
  SmallModel small(odd_config());
  small.roughen();
  Batch batch(small.model.config(), 2, 9);
  const auto once = batch.gradients(small);
  const auto buffer = small.zeros();
  batch.forward_backward(small, buffer, {}, 0.25F);
  batch.forward_backward(small, buffer, {}, 0.25F);
  const auto twice = small.download(buffer);
  for (const auto& parameter : small.model.table().parameters()) {
    auto halved = part_of(once, parameter);
    std::vector<float> expected(halved.begin(), halved.end());
    for (auto& value : expected) value *= 0.5F;
    BOOST_TEST(relative_distance(part_of(twice, parameter), expected) < 1e-5, parameter.name);
  }
}

BOOST_AUTO_TEST_CASE(recomputation_changes_no_bit_and_needs_less_memory) {
  auto config = odd_config();
  config.layers = 4;
  SmallModel small(config);
  small.roughen();
  const DropoutPlan dropout{.probability = 0.2F, .seed = 4, .first_sequence = 7};
  Batch batch(config, 2, 33);
  const auto gradients = batch.gradients(small, dropout);
  const auto losses = batch.losses;
  const auto bytes_at = [&](Recomputation level) {
    return activation_bytes(config, device::DataType::kF32, 2, 33, true, level);
  };
  auto bytes_before = bytes_at(Recomputation::kNone);
  for (const auto level : {Recomputation::kMlp, Recomputation::kBlock}) {
    small.model.prepare_training(2, 33, level);
    BOOST_TEST((batch.gradients(small, dropout) == gradients));
    BOOST_TEST((batch.losses == losses));
    BOOST_TEST(bytes_at(level) < bytes_before);
    bytes_before = bytes_at(level);
  }
  BOOST_TEST(bytes_before > activation_bytes(config, device::DataType::kF32, 2, 33, false));
}

BOOST_AUTO_TEST_CASE(positions_without_a_target_give_no_gradient) {
  SmallModel small(odd_config());
  small.roughen();
  Batch batch(small.model.config(), 2, 9);
  std::fill(batch.targets.begin(), batch.targets.end(), -1);
  const auto gradients = batch.gradients(small, {.probability = 0.1F});
  BOOST_TEST(std::all_of(gradients.begin(), gradients.end(), [](float g) { return g == 0; }));
  BOOST_TEST(std::all_of(batch.losses.begin(), batch.losses.end(), [](float l) { return l == 0; }));
}

BOOST_AUTO_TEST_CASE(gradients_of_padding_stay_zero) {
  SmallModel small(odd_config());
  small.roughen();
  Batch batch(small.model.config(), 3, 20);
  const auto gradients = batch.gradients(small);
  const auto& parameters = small.model.table().parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto begin = parameters[i].offset + parameters[i].element_count;
    const auto end = i + 1 < parameters.size() ? parameters[i + 1].offset
                                               : small.model.table().buffer_elements();
    BOOST_TEST(std::all_of(gradients.begin() + begin, gradients.begin() + end,
                           [](float g) { return g == 0; }));
  }
}

BOOST_AUTO_TEST_CASE(dropout_depends_on_seed_and_sequence) {
  SmallModel small(odd_config());
  small.roughen();
  Batch batch(small.model.config(), 1, 9);
  const DropoutPlan plan{.probability = 0.2F, .seed = 4, .first_sequence = 6};
  const auto gradients = batch.gradients(small, plan);
  BOOST_TEST((gradients == batch.gradients(small, plan)));
  auto other_seed = plan, other_sequence = plan;
  other_seed.seed = 5;
  other_sequence.first_sequence = 7;
  BOOST_TEST((gradients != batch.gradients(small, other_seed)));
  BOOST_TEST((gradients != batch.gradients(small, other_sequence)));
  BOOST_TEST((gradients != batch.gradients(small)));
}

BOOST_AUTO_TEST_CASE(threads_change_no_bit) {
  const Gpt2Config config{
      .vocab_size = 1100, .context = 80, .layers = 2, .heads = 5, .channels = 80, .end_of_text = 0};
  const DropoutPlan dropout{.probability = 0.1F, .seed = 3, .first_sequence = 1};
  std::vector<float> gradients, losses;
  for (const int threads : {1, 2, 3}) {
    SmallModel small(config, threads);
    Batch batch(config, 3, 77);
    const auto found = batch.gradients(small, dropout);
    if (threads == 1) {
      gradients = found;
      losses = batch.losses;
    }
    BOOST_TEST((found == gradients), threads << " threads");
    BOOST_TEST((batch.losses == losses), threads << " threads");
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::model
