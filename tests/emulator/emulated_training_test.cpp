// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Whole training steps of a small model: the CUDA twin in the emulator beside the CPU twin.
#include <boost/test/unit_test.hpp>
#include <numeric>

#include "libcore/model/decoder.h"
#include "libcore/optim/adamw.h"
#include "libcore/train/gradient_slots.h"
#include "libcore/train/loss_scale.h"
#include "libcore/train/memory_plan.h"
#include "libcore/train/step_losses.h"
#include "tests/emulator/emulator.h"
#include "tests/libcore/model/model_fixture.h"
#include "tests/support/update_step.h"

namespace gpt2::model {
namespace {

using test::random_tokens;
using test::relative_distance;

struct Run {
  std::vector<float> losses, first_gradients, parameters;  // all losses, the gradients of step 1
};

/// Steps of two micro-batches each, with dropout, clipping and decay.
Run train(const std::string& kind, const Gpt2Config& config, std::int64_t B, std::int64_t T,
          unsigned steps, const std::string& precision = "fp32",
          Recomputation level = Recomputation::kNone, float dropout = 0.1F,
          const FinishedFrom& finished_from = {}) {
  const auto device = device::open_device(kind, 1);
  const auto kernels = kernels::open_kernels(*device, precision);
  const auto loss_scale = precision == "fp16" ? static_cast<float>(train::LossScale().value) : 1.0F;
  Gpt2 model(*device, *kernels, config);
  model.initialise(5);
  model.prepare_training(B, T, level);
  optim::AdamW optimizer(model, {});
  device::DeviceBuffer gradients(*device, model.table().buffer_bytes());
  const device::DeviceBuffer device_losses(*device, static_cast<std::size_t>(B * T) * 4);
  Run run;
  const auto download = [&](const device::DeviceBuffer& buffer) {
    std::vector<float> values(buffer.bytes() / sizeof(float));
    device->copy_to_host(values.data(), buffer.data(), buffer.bytes());
    return values;
  };
  std::uint64_t sequence = 0;
  for (unsigned step = 0; step < steps; ++step) {
    device->fill_zero(gradients.data(), gradients.bytes());
    for (unsigned micro_batch = 0; micro_batch < 2; ++micro_batch) {
      auto targets = random_tokens(B * T, config.vocab_size, 100 + step);
      targets[3] = -1;
      model.forward_backward(random_tokens(B * T, config.vocab_size, 10 * step + micro_batch),
                             targets, B, T, loss_scale / static_cast<float>(2 * B * T),
                             {.probability = dropout, .seed = 3, .first_sequence = sequence},
                             gradients, {device_losses.data(), device::DataType::kF32, {B, T}},
                             finished_from);
      const auto losses = download(device_losses);
      run.losses.insert(run.losses.end(), losses.begin(), losses.end());
      sequence += static_cast<std::uint64_t>(B);
    }
    if (step == 0) {
      run.first_gradients = download(gradients);
      for (float& gradient : run.first_gradients) gradient /= loss_scale;
    }
    support::take_step(optimizer, *device, gradients, 1e-2, 1, loss_scale);
  }
  run.parameters = download(model.parameters());
  return run;
}

/// Sizes that no vector, tile or warp divides, and such that all are divided by.
const Gpt2Config kOdd{.vocab_size = 151,
                      .context = 80,
                      .layers = 2,
                      .heads = 3,
                      .channels = 21,
                      .ffn_channels = 50,
                      .end_of_text = 0};
const Gpt2Config kEven{.vocab_size = 256,
                       .context = 96,
                       .layers = 2,
                       .heads = 2,
                       .channels = 32,
                       .ffn_channels = 64,
                       .end_of_text = 0};
/// Heads that the tensor cores take.
const Gpt2Config kWideHeads{.vocab_size = 256,
                            .context = 150,
                            .layers = 1,
                            .heads = 2,
                            .channels = 128,
                            .ffn_channels = 64,
                            .end_of_text = 0};

}  // namespace

BOOST_AUTO_TEST_SUITE(emulated_training)

BOOST_AUTO_TEST_CASE(three_steps_give_the_cpu_twins_losses_gradients_and_parameters) {
  // More than three tiles of the attention in both.
  for (const auto& [config, T] : {std::pair{kOdd, 71}, std::pair{kEven, 96}}) {
    const auto gpu = train("cuda", config, 2, T, 3), cpu = train("cpu", config, 2, T, 3);
    // fp32 on both sides, sums in another order; AdamW divides by small numbers in its first steps.
    BOOST_TEST(relative_distance(gpu.losses, cpu.losses) < 1e-6);
    BOOST_TEST(relative_distance(gpu.first_gradients, cpu.first_gradients) < 3e-6);
    BOOST_TEST(relative_distance(gpu.parameters, cpu.parameters) < 1e-4);
  }
}

BOOST_AUTO_TEST_CASE(in_16_bits_and_tf32_they_differ_by_the_rounding_of_factors) {
  for (const auto& [config, T] : {std::pair{kOdd, 71}, std::pair{kWideHeads, 150}}) {
    const auto cpu = train("cpu", config, 1, T, 2);
    // A number of bf16 is off by up to 2^-9 of itself, one of fp16 and tf32 by 2^-12 and 2^-11;
    // each gradient has passed some dozens of them. AdamW divides by their size.
    for (const auto& [precision, of_losses, of_gradients] :
         {std::tuple{"bf16", 2e-3, 2e-2}, std::tuple{"fp16", 1e-3, 4e-3},
          std::tuple{"tf32", 1e-3, 2e-3}}) {
      const auto gpu = train("cuda", config, 1, T, 2, precision);
      BOOST_TEST(relative_distance(gpu.losses, cpu.losses) < of_losses);
      BOOST_TEST(relative_distance(gpu.first_gradients, cpu.first_gradients) < of_gradients);
      BOOST_TEST(relative_distance(gpu.parameters, cpu.parameters) < 5 * of_gradients);
      BOOST_TEST(relative_distance(gpu.losses, cpu.losses) > of_losses / 1000);  // it did round
    }
  }
}

BOOST_AUTO_TEST_CASE(recomputation_in_bf16_changes_no_bit) {
  auto config = kWideHeads;
  config.layers = 2;
  const auto kept = train("cuda", config, 1, 70, 1, "bf16");
  for (const auto level : {Recomputation::kMlp, Recomputation::kBlock}) {
    const auto again = train("cuda", config, 1, 70, 1, "bf16", level);
    BOOST_TEST((again.losses == kept.losses));
    BOOST_TEST((again.parameters == kept.parameters));
  }
}

BOOST_AUTO_TEST_CASE(passes_that_are_graphs_change_no_bit) {
  for (const auto& [config, precision] : {std::pair{kOdd, "fp32"}, std::pair{kEven, "bf16"}}) {
    const auto run = [&, config = config, precision = precision](const FinishedFrom& told) {
      return train("cuda", config, 1, 35, 3, precision, Recomputation::kBlock, 0, told);
    };
    const auto before = emulator::graph_launches;
    const auto recorded = run({});
    // The first pass of each step is queued: take_step() has given memory back.
    const auto launches = emulator::graph_launches - before;
    BOOST_TEST(launches == 3U);
    const auto queued = run([](std::int64_t) {});  // who is told during a pass sees it queued
    BOOST_TEST(emulator::graph_launches == before + launches);
    BOOST_TEST((recorded.losses == queued.losses));
    BOOST_TEST((recorded.parameters == queued.parameters));
  }
}

BOOST_AUTO_TEST_CASE(graphs_of_several_shapes_do_not_disturb_each_other) {
  const auto device = device::open_device("cuda", 1);
  const auto kernels = kernels::open_kernels(*device);
  const std::vector<std::pair<std::int64_t, std::int64_t>> shapes{{1, 20}, {2, 9}, {3, 31}};
  const auto losses_of = [&](Gpt2& model, std::size_t shape) {
    const auto [B, T] = shapes[shape];
    std::vector<float> losses(static_cast<std::size_t>(B * T));
    const auto tokens = random_tokens(B * T, kEven.vocab_size, static_cast<std::uint32_t>(B));
    model.losses(tokens, tokens, B, T, losses);
    return losses;
  };
  std::vector<std::vector<float>> expected;
  for (std::size_t shape = 0; shape < shapes.size(); ++shape) {
    Gpt2 alone(*device, *kernels, kEven);
    alone.initialise(5);
    expected.push_back(losses_of(alone, shape));
  }
  Gpt2 model(*device, *kernels, kEven);
  model.initialise(5);
  const auto before = emulator::graph_launches;
  // The third takes memory for itself that the graphs of the others name.
  for (const std::size_t shape : {0, 1, 0, 0, 1, 2, 0, 1, 0, 1, 2, 0, 2, 1}) {
    BOOST_TEST((losses_of(model, shape) == expected[shape]));
  }
  BOOST_TEST(emulator::graph_launches - before == 9U);  // without the first ones, two of them twice
}

BOOST_AUTO_TEST_CASE(a_step_of_decoding_is_a_graph_for_each_number_of_sequences) {
  const auto device = device::open_device("cuda", 1);
  const auto kernels = kernels::open_kernels(*device);
  Gpt2 model(*device, *kernels, kOdd);
  model.initialise(5);
  Decoder decoder(model, 3);
  decoder.prefill(random_tokens(3 * 4, kOdd.vocab_size, 1), 3);
  const auto before = emulator::graph_launches;
  for (const std::int64_t sequences : {3, 2, 1}) {
    for (int step = 0; step < 4; ++step) {
      decoder.step(random_tokens(sequences, kOdd.vocab_size, 2));
    }
    decoder.leave(0);
  }
  BOOST_TEST(emulator::graph_launches - before == 9U);  // the first step of each is queued
}

BOOST_AUTO_TEST_CASE(the_memory_plan_is_what_a_step_and_a_validation_take) {
  const Gpt2Config config{.vocab_size = 2000,
                          .context = 64,
                          .layers = 2,
                          .heads = 2,
                          .channels = 64,
                          .ffn_channels = 128,
                          .end_of_text = 0};
  const std::int64_t B = 2, T = 64;
  train::TrainingConfig settings;
  settings.val = {"val"};
  settings.batch_size = "2";
  settings.total_batch_tokens = 2 * B * T;
  settings.max_steps = 1;
  const auto plan = train::make_plan(settings, T, 100, 1);
  for (const auto& [precision, level] : {std::pair{"bf16", "none"}, {"fp32", "block"}}) {
    const auto device = device::open_device("cuda", 1);
    const auto before = device->free_bytes();
    const auto kernels = kernels::open_kernels(*device, precision);
    settings.recompute = level;
    const auto memory = train::plan_memory(
        {.config = settings, .shape = config, .device = *device, .kernels = *kernels}, plan);
    BOOST_TEST(memory.device_free == before);
    BOOST_TEST(!memory.device_is_host);
    Gpt2 model(*device, *kernels, config);
    model.initialise(1);
    model.prepare_training(B, T, recomputation_named(level));
    optim::AdamW optimizer(model, {});
    const auto alone = comm::make_solo_communicator();
    train::GradientSlots sums(*device, *kernels, model.table().buffer_elements(), *alone,
                              device::DataType::kF32);
    const auto tokens = random_tokens(B * T, config.vocab_size, 1);
    const train::StepLossBuffer step_losses(*device, plan.share_of(0, 1), plan);
    for (int slot = 0; slot < 2; ++slot) {
      model.forward_backward(tokens, tokens, B, T, 1, {}, sums.open_slot(),
                             step_losses.of_micro_batch(slot, 0));
      sums.close_slot();
    }
    const auto& total = sums.join();
    optimizer.decide(total, {step_losses.sums(*kernels, *alone), 1}, *alone);
    optimizer.update(total, 1e-3);
    std::vector<float> losses(tokens.size());
    model.losses(tokens, tokens, B, T, losses);
    const auto used = before - device->free_bytes();
    BOOST_TEST(memory.device_bytes() >= used);
    BOOST_TEST(memory.device_bytes() - used <= used / 50);
  }
}

BOOST_AUTO_TEST_CASE(the_order_of_blocks_and_threads_changes_no_bit) {
  for (const auto& [config, T, precision] :
       {std::tuple{kOdd, 71, "fp32"}, std::tuple{kWideHeads, 150, "bf16"}}) {
    emulator::set_order(emulator::Order::kForward);
    const auto forward = train("cuda", config, 1, T, 1, precision);
    for (const auto& [order, seed] :
         {std::pair{emulator::Order::kReverse, 0}, std::pair{emulator::Order::kRandom, 1}}) {
      emulator::set_order(order, static_cast<std::uint64_t>(seed));
      const auto other = train("cuda", config, 1, T, 1, precision);
      BOOST_TEST((other.losses == forward.losses));
      BOOST_TEST((other.first_gradients == forward.first_gradients));
      BOOST_TEST((other.parameters == forward.parameters));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::model
