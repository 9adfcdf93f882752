// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/memory_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <numeric>
#include <optional>

#include "formats/errors.h"
#include "libcore/comm/shares.h"
#include "libcore/device/device_cpu.h"
#include "libcore/eval/multiple_choice.h"
#include "libcore/model/decoder.h"
#include "libcore/model/parameters.h"
#include "libcore/model/sequence_scorer.h"
#include "libcore/optim/adamw.h"
#include "libcore/train/step_losses.h"

namespace gpt2::train {
namespace {

using formats::UnavailableError;
using formats::UsageError;

/// "--batch-size auto" tries no more.
constexpr std::uint64_t kMostSequences = 1U << 16;

/// With another micro-batch, if the tokens of a step and the ranks allow it.
std::optional<TrainingPlan> plan_with(const MemoryQuestion& question, std::uint64_t batch,
                                      std::int64_t T, std::uint64_t windows_per_epoch) {
  auto config = question.config;
  config.batch_size = std::to_string(batch);
  try {
    return make_plan(config, T, windows_per_epoch, question.rank_count);
  } catch (const UsageError&) {
    return {};
  }
}

/// Plans of ever smaller micro-batches, from `most` sequences on, until `visit` gives true.
void for_each_batch(const MemoryQuestion& question, std::uint64_t most, std::int64_t T,
                    std::uint64_t windows_per_epoch,
                    const std::function<bool(const TrainingPlan&)>& visit) {
  for (auto batch = std::min(most, kMostSequences); batch >= 1; --batch) {
    const auto plan = plan_with(question, batch, T, windows_per_epoch);
    if (plan && visit(*plan)) return;
  }
}

/// What to change so that the run fits, with its figures; the changes that cost the least time
/// first.
std::string advice(const MemoryQuestion& question, const TrainingPlan& plan) {
  std::vector<std::string> ways;
  const auto try_levels = [&](const TrainingPlan& tried, const std::string& with) {
    for (const char* level : {"none", "mlp", "block"}) {
      auto config = question.config;
      config.recompute = level;
      const auto memory = plan_memory(question.with(config), tried);
      if (!memory.fits()) continue;
      ways.push_back(
          fmt::format("{}--recompute {} ({})", with, level, bytes_text(memory.device_bytes())));
      return true;
    }
    return false;
  };
  try_levels(plan, "");
  // A run that goes on keeps its slots.
  if (question.config.resume.empty() && plan.slots > question.rank_count) {
    auto config = question.config;
    config.slots = std::to_string(question.rank_count);
    const auto fewer = plan_with(question.with(config), static_cast<std::uint64_t>(plan.B), plan.T,
                                 plan.windows_per_epoch);
    if (fewer) try_levels(*fewer, fmt::format("--slots {} ", config.slots));
  }
  for_each_batch(question, static_cast<std::uint64_t>(plan.B) - 1, plan.T, plan.windows_per_epoch,
                 [&](const TrainingPlan& smaller) {
                   return try_levels(smaller, fmt::format("--batch-size {} ", smaller.B));
                 });
  if (ways.empty()) return "take a smaller model or context, or a device with more memory";
  return fmt::format("what fits: {}", fmt::join(ways, " or "));
}

}  // namespace

std::vector<MemoryPlan::Item> MemoryPlan::items_on_device() const {
  std::vector<Item> items{{"parameters", parameters}, {"gradients", gradients},
                          {"optimizer", moments},     {"activations", activations},
                          {"workspace", workspace},   {"evaluation", evaluation},
                          {"exchange", exchange},     {"snapshot", device_is_host ? snapshot : 0}};
  std::erase_if(items, [](const Item& item) { return item.bytes == 0; });
  return items;
}

std::uint64_t MemoryPlan::device_bytes() const {
  const auto items = items_on_device();
  return std::accumulate(items.begin(), items.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const Item& item) { return sum + item.bytes; });
}

MemoryPlan plan_memory(const MemoryQuestion& question, const TrainingPlan& plan) {
  const auto& [config, shape, device, kernels, rank, rank_count, ranks_of_host, exchange_bytes] =
      question;
  const auto type = kernels.compute_type();
  const model::ParameterTable table(shape);
  const bool keeps_share = config.zero == "1";
  const auto share = comm::Shares(table.buffer_elements(), keeps_share ? rank_count : 1)
                         .of_rank(keeps_share ? rank : 0);
  const auto level = model::recomputation_named(config.recompute);
  const kernels::PassShape pass{.B = plan.B,
                                .T = plan.T,
                                .C = shape.channels,
                                .H = shape.heads,
                                .F = shape.inner_channels(),
                                .V = shape.vocab_size,
                                .parameter_count = table.buffer_elements()};
  const auto of_step = plan.share_of(rank, rank_count);

  MemoryPlan memory;
  memory.parameters = table.buffer_bytes();
  if (type != device::DataType::kF32) {
    memory.parameters += static_cast<std::uint64_t>(table.buffer_elements()) * bytes_of(type);
  }
  memory.gradients =
      table.buffer_bytes() *
      static_cast<std::uint64_t>(std::bit_width(static_cast<std::uint64_t>(of_step.slots)));
  const auto moments = 2 * sizeof(float) * static_cast<std::uint64_t>(share.count);
  memory.moments = moments + optim::AdamW::kFixedBytes;
  memory.activations = model::activation_bytes(shape, type, plan.B, plan.T, true, level);
  memory.workspace = kernels.workspace_bytes(pass, true);
  if (!config.val.empty()) {
    memory.activations = std::max<std::uint64_t>(
        memory.activations, model::activation_bytes(shape, type, plan.B, plan.T, false));
    memory.workspace =
        std::max<std::uint64_t>(memory.workspace, kernels.workspace_bytes(pass, false));
  }
  if (!config.hellaswag.empty()) {
    auto questions = pass;
    questions.B = 1;
    questions.T = eval::kPassPositions;
    memory.workspace =
        std::max<std::uint64_t>(memory.workspace, kernels.workspace_bytes(questions, false));
    memory.evaluation = model::SequenceScorer::memory_bytes(shape, type, eval::kPassPositions);
  }
  if (config.sample_every > 0) {
    memory.evaluation =
        std::max<std::uint64_t>(memory.evaluation, model::Decoder::memory_bytes(shape, type));
  }
  memory.exchange = exchange_bytes;
  memory.activations += StepLossBuffer::bytes(of_step, plan);
  memory.snapshot = moments + (rank == 0 ? table.buffer_bytes() : 0);
  memory.device_is_host = device.is_host();
  memory.host_free = device::free_host_bytes() / static_cast<std::uint64_t>(ranks_of_host);
  memory.device_free = device.is_host() ? memory.host_free : device.free_bytes();
  if (config.memory_limit > 0) memory.device_free = config.memory_limit;
  if (device.is_host()) memory.host_free = memory.device_free;
  return memory;
}

void check_memory(const MemoryQuestion& question, const TrainingPlan& plan) {
  const auto memory = plan_memory(question, plan);
  if (memory.device_bytes() > memory.device_free) {
    throw UnavailableError(fmt::format(
        "{}: the run needs {} of memory ({}), and {} {}; {}", question.device.name(),
        bytes_text(memory.device_bytes()), figures_text(memory), bytes_text(memory.device_free),
        question.config.memory_limit > 0 ? "is the --memory-limit" : "is free",
        advice(question, plan)));
  }
  if (memory.snapshot > memory.host_free) {
    throw UnavailableError(
        fmt::format("the host: checkpoints need {} of memory to be written from, and {} is free; "
                    "take a smaller model",
                    bytes_text(memory.snapshot), bytes_text(memory.host_free)));
  }
}

std::uint64_t largest_batch(const MemoryQuestion& question, std::int64_t T,
                            std::uint64_t windows_per_epoch) {
  const auto& config = question.config;
  if (config.accumulation_steps > 0) {
    throw UsageError(
        "--batch-size auto divides the tokens of a step; give --total-batch-tokens in the place of "
        "--accumulation-steps");
  }
  const auto most = config.total_batch_tokens / static_cast<std::uint64_t>(T);
  std::optional<TrainingPlan> found, smallest;
  for_each_batch(question, most, T, windows_per_epoch, [&](const TrainingPlan& plan) {
    smallest = plan;
    const auto memory = plan_memory(question, plan);
    // Others may want some of what is free now.
    const auto room =
        config.memory_limit > 0 ? memory.device_free : memory.device_free - memory.device_free / 10;
    if (memory.fits() && memory.device_bytes() <= room) found = plan;
    return found.has_value();
  });
  if (found) return static_cast<std::uint64_t>(found->B);
  if (!smallest) {
    auto single = config;
    single.batch_size = "1";
    smallest = make_plan(single, T, windows_per_epoch, question.rank_count);  // says what is wrong
  }
  check_memory(question, *smallest);
  return static_cast<std::uint64_t>(smallest->B);
}

std::string figures_text(const MemoryPlan& memory) {
  std::vector<std::string> texts;
  for (const auto& [what, bytes] : memory.items_on_device()) {
    texts.push_back(fmt::format("{} {}", what, bytes_text(bytes)));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr double kStep = 1024;
  auto value = static_cast<double>(bytes);
  const char* unit = "bytes";
  for (const char* larger : {"KiB", "MiB", "GiB", "TiB"}) {
    if (value < kStep) break;
    value /= kStep;
    unit = larger;
  }
  return value == static_cast<double>(bytes)
             ? fmt::format("{} bytes", bytes)
             : fmt::format("{:.{}f} {}", value, value < 100 ? 1 : 0, unit);
}

}  // namespace gpt2::train
