// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// gpt2-train: train a GPT-2 on token shards, or go on with a run.
#include <fmt/format.h>

#include <memory>
#include <set>
#include <string>
#include <type_traits>

#include "formats/errors.h"
#include "libcore/comm/communicator.h"
#include "libcore/device/device.h"
#include "libcore/train/training_run.h"
#include "tools/cli/console.h"
#include "tools/cli/tool.h"
#include "tools/gpt2-train/config_keys.h"
#include "tools/gpt2-train/launcher.h"
#include "tools/gpt2-train/stop_signal.h"
#include "tools/gpt2-train/training_status.h"

using namespace gpt2;

namespace {

void declare_options(cli::Tool& tool, train::TrainingConfig& config) {
  train::for_each_option(config, [&](const train::TrainingOption& option, auto& target) {
    const std::string spec = fmt::format("--{} {}", option.name, option.value);
    if constexpr (std::is_same_v<decltype(target), std::string&>) {
      if (!option.choices.empty()) return tool.choice(spec, target, option.choices, option.help);
    }
    if constexpr (std::is_same_v<decltype(target), bool&>) {
      return tool.flag(fmt::format("--{}", option.name), target, option.help);
    } else {
      tool.option(spec, target, option.help);
    }
    if (option.name == "out") tool.required();
  });
}

std::set<std::string> given_options(const cli::Tool& tool, const train::TrainingConfig& config) {
  std::set<std::string> given;
  train::for_each_option(config, [&](const train::TrainingOption& option, const auto&) {
    if (tool.given(option.name)) given.emplace(option.name);
  });
  return given;
}

/// What was built in, and what this machine has of it.
std::string describe_build() {
  std::string devices;
  for (const char* kind : {"cpu", "cuda"}) {
    try {
      devices += fmt::format("\n  {}", device::open_device(kind, 0)->name());
    } catch (const formats::Error& error) {
      devices += fmt::format("\n  {}: {}", kind, error.what());
    }
  }
  return fmt::format("compiled by {}, {}; built in: {}\ndevices:{}", GPT2_COMPILER, GPT2_BUILD_TYPE,
                     GPT2_BACKENDS, devices);
}

}  // namespace

int main(int argc, char** argv) {
  train::TrainingConfig config;
  cli::Tool tool("gpt2-train", "Train a GPT-2 on token shards, or go on with a run.");
  tool.reads("token shards (formats/token_shard.md); with --resume or --init-from, a checkpoint");
  tool.writes(
      "RUN: checkpoints/, metrics.jsonl, log.txt, config.yaml; the end is RUN/checkpoints/final");
  tool.example("gpt2-train --train 'a_train_*.bin' --val 'a_val_*.bin' --vocab vocab --out run");
  tool.example("gpt2-train --out run --resume latest");
  tool.example("gpt2-mpirun -np 4 gpt2-train --out run --resume latest");
  declare_options(tool, config);
  tool.alternatives({"max-steps", "max-epochs"});
  tool.alternatives({"total-batch-tokens", "accumulation-steps"});
  tools::declare_config_keys(tool);
  tool.handles_signals();
  tool.version_details(describe_build);
  std::unique_ptr<comm::Communicator> ranks;
  const int code = tool.run(argc, argv, [&] {
    tools::catch_stop_signals(/*announce=*/false);  // MPI takes its time to start
    ranks = comm::open_communicator({.launched = tools::is_started_by_launcher(),
                                     .rank_timeout_seconds = config.rank_timeout,
                                     .on_lost = cli::complain});
    tools::catch_stop_signals(/*announce=*/cli::verbosity() >= 0 && ranks->rank() == 0);
    tools::TrainingStatus status;
    try {
      train::run_training(config, given_options(tool, config), status, tools::stop_signal_received,
                          *ranks);
      status.show_summary();
    } catch (const comm::EndedByAnotherRank&) {
      // It says why, and leave() takes its code.
    } catch (const formats::StoppedError&) {
      status.show_summary();
      throw;
    }
  });
  return ranks ? ranks->leave(code) : code;
}
