// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/memory_plan.h"

#include <boost/test/unit_test.hpp>
#include <numeric>

#include "formats/errors.h"
#include "libcore/device/device_cpu.h"
#include "libcore/optim/adamw.h"
#include "libcore/train/gradient_slots.h"
#include "libcore/train/step_losses.h"
#include "tests/libcore/data/shard_fixture.h"

namespace gpt2::train {
namespace {

using data::says;

/// A CPU that counts the bytes it has given.
class CountingDevice final : public device::Device {
 public:
  std::string name() const override { return inner_.name(); }
  bool is_host() const override { return true; }
  int threads() const override { return inner_.threads(); }
  void* allocate(std::size_t bytes) override {
    void* memory = inner_.allocate(bytes);
    used_ += bytes;
    most = std::max(most, used_);
    return memory;
  }
  void free(void* memory, std::size_t bytes) noexcept override {
    used_ -= bytes;
    inner_.free(memory, bytes);
  }
  std::uint64_t free_bytes() const override { return inner_.free_bytes(); }
  void copy_to_device(void* to, const void* from, std::size_t bytes) override {
    inner_.copy_to_device(to, from, bytes);
  }
  void copy_to_host(void* to, const void* from, std::size_t bytes) override {
    inner_.copy_to_host(to, from, bytes);
  }
  void queue_to_device(void* to, const void* from, std::size_t bytes) override {
    inner_.queue_to_device(to, from, bytes);
  }
  void queue_to_host(void* to, const void* from, std::size_t bytes) override {
    inner_.queue_to_host(to, from, bytes);
  }
  void copy_on_device(void* to, const void* from, std::size_t bytes) override {
    inner_.copy_on_device(to, from, bytes);
  }
  void fill_zero(void* memory, std::size_t bytes) override { inner_.fill_zero(memory, bytes); }
  void synchronize() override {}
  std::uint64_t mark() override { return inner_.mark(); }
  void wait_for(std::uint64_t mark) override { inner_.wait_for(mark); }

  std::size_t most = 0;

 private:
  device::CpuDevice inner_{2};
  std::size_t used_ = 0;
};

struct Planned {
  Planned() {
    config.train = {"train"};
    config.out = "run";
    config.batch_size = "2";
    config.total_batch_tokens = 16 * kT;
    config.max_steps = 10;
    config.dropout = 0.1;
  }
  MemoryQuestion question() const {
    return {.config = config, .shape = shape, .device = device, .kernels = *kernels};
  }
  TrainingPlan plan() const { return make_plan(config, kT, kWindows, 1); }
  MemoryPlan memory() const { return plan_memory(question(), plan()); }
  std::uint64_t bytes_of_batch(const char* batch) {
    auto other = config;
    other.batch_size = batch;
    return plan_memory(question(), make_plan(other, kT, kWindows, 1)).device_bytes();
  }

  static constexpr std::int64_t kT = 48;
  static constexpr std::uint64_t kWindows = 1000;
  CountingDevice device;
  std::unique_ptr<kernels::Kernels> kernels = kernels::open_kernels(device);
  TrainingConfig config;
  model::Gpt2Config shape{.vocab_size = 311,
                          .context = 48,
                          .layers = 3,
                          .heads = 3,
                          .channels = 42,
                          .ffn_channels = 50,
                          .end_of_text = 0};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(memory_plan, Planned)

BOOST_AUTO_TEST_CASE(is_what_a_step_and_a_validation_allocate_to_the_byte) {
  config.val = {"val"};
  for (const auto& [slots, batch, level] : {std::tuple{"8", "2", "none"},
                                            {"4", "4", "mlp"},
                                            {"1", "16", "block"},
                                            {"2", "1", "none"}}) {
    config.slots = slots;
    config.batch_size = batch;
    config.recompute = level;
    device.most = 0;
    kernels = kernels::open_kernels(device);  // with no workspace
    const auto plan = this->plan();
    const auto expected = memory();

    model::Gpt2 model(device, *kernels, shape);
    model.initialise(1);
    model.prepare_training(plan.B, plan.T, model::recomputation_named(level));
    optim::AdamW optimizer(model, plan.optimizer);
    const auto ranks = comm::make_solo_communicator();
    GradientSlots sums(device, *kernels, model.table().buffer_elements(), *ranks,
                       device::DataType::kF32);
    const std::vector<std::int32_t> tokens(static_cast<std::size_t>(plan.B * plan.T), 7);
    const StepLossBuffer step_losses(device, plan.share_of(0, 1), plan);
    for (std::int64_t slot = 0; slot < plan.slots; ++slot) {
      const auto& gradients = sums.open_slot();
      model.forward_backward(tokens, tokens, plan.B, plan.T, 1, {.probability = 0.1F}, gradients,
                             step_losses.of_micro_batch(slot, 0));
      sums.close_slot();
    }
    const auto& total = sums.join();
    optimizer.decide(total, {step_losses.sums(*kernels, *ranks), 1}, *ranks);
    optimizer.update(total, 1e-3);
    std::vector<float> losses(tokens.size());
    model.losses(tokens, tokens, plan.B, plan.T, losses);
    BOOST_TEST(device.most == expected.device_bytes() - expected.snapshot);
    BOOST_TEST(expected.snapshot == 3 * model.table().buffer_bytes());
  }
}

BOOST_AUTO_TEST_CASE(of_a_rank_has_its_share_of_slots_and_optimizer) {
  config.slots = "8";
  const auto alone = memory();
  auto of_rank = question();
  of_rank.rank = 1;
  of_rank.rank_count = of_rank.ranks_of_host = 4;
  of_rank.exchange_bytes = 1000;
  const auto shared = plan_memory(of_rank, make_plan(config, kT, kWindows, 4));
  BOOST_TEST(shared.parameters == alone.parameters);
  BOOST_TEST(shared.gradients == alone.gradients / 2);  // of 2 slots and of 8: 2 and 4 buffers
  BOOST_TEST(shared.moments < alone.moments / 3);
  BOOST_TEST(shared.snapshot ==
             shared.moments - optim::AdamW::kFixedBytes);  // the first rank writes the weights
  of_rank.exchange_bytes = 0;
  BOOST_TEST(plan_memory(of_rank, make_plan(config, kT, kWindows, 4)).device_bytes() ==
             shared.device_bytes() - 1000);
  config.zero = "0";
  BOOST_TEST(plan_memory(of_rank, make_plan(config, kT, kWindows, 4)).moments == alone.moments);
}

BOOST_AUTO_TEST_CASE(that_does_not_fit_is_refused_with_figures_and_what_would_fit) {
  config.recompute = "block";
  const auto smaller = memory().device_bytes();
  config.recompute = "none";
  config.memory_limit = memory().device_bytes();
  BOOST_CHECK_NO_THROW(check_memory(question(), plan()));
  const auto needed = bytes_text(config.memory_limit);
  config.memory_limit = smaller;
  BOOST_CHECK_EXCEPTION(
      check_memory(question(), plan()), formats::UnavailableError,
      says({needed, bytes_text(smaller) + " is the --memory-limit", "parameters ", "gradients ",
            "optimizer ", "activations ", "workspace ", "snapshot ",
            "what fits: --recompute block (" + bytes_text(smaller) + ") or ",
            " or --slots 1 --recompute none (", " or --batch-size 1 --recompute none ("}));
  config.memory_limit = 1000;
  BOOST_CHECK_EXCEPTION(check_memory(question(), plan()), formats::UnavailableError,
                        says({"1000 bytes is the --memory-limit", "take a smaller model"}));
}

BOOST_AUTO_TEST_CASE(automatic_batch_is_the_largest_that_fits_and_divides) {
  config.batch_size = "auto";
  config.slots = "2";
  const auto largest = [&](std::uint64_t limit) {
    config.memory_limit = limit;
    return largest_batch(question(), kT, kWindows);
  };
  BOOST_TEST(largest(bytes_of_batch("8")) == 8U);  // of 16 sequences, in two slots
  BOOST_TEST(largest(10 * bytes_of_batch("8")) == 8U);
  BOOST_TEST(largest(bytes_of_batch("8") - 1) == 4U);
  BOOST_TEST(largest(bytes_of_batch("1")) == 1U);
  BOOST_CHECK_EXCEPTION(largest(bytes_of_batch("1") - 1), formats::UnavailableError,
                        says({"--memory-limit"}));
  config.total_batch_tokens = 16 * kT + 1;
  BOOST_CHECK_EXCEPTION(largest(0), formats::UsageError, says({"--total-batch-tokens", "769"}));
  config.accumulation_steps = 4;
  BOOST_CHECK_EXCEPTION(largest(0), formats::UsageError,
                        says({"--batch-size auto", "--accumulation-steps"}));
}

BOOST_AUTO_TEST_CASE(bytes_are_told_in_the_largest_unit_that_they_fill) {
  BOOST_TEST(bytes_text(0) == "0 bytes");
  BOOST_TEST(bytes_text(1023) == "1023 bytes");
  BOOST_TEST(bytes_text(1536) == "1.5 KiB");
  BOOST_TEST(bytes_text(std::uint64_t{200} << 20) == "200 MiB");
  BOOST_TEST(bytes_text(std::uint64_t{3} << 30) == "3.0 GiB");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::train
