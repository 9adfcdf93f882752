// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/checkpoint_writer.h"

#include <fmt/format.h>

#include <cassert>
#include <chrono>
#include <cmath>
#include <utility>

#include "formats/errors.h"
#include "libcore/model/model_directory.h"
#include "libcore/train/checkpoint_store.h"

namespace gpt2::train {
namespace {

using Clock = std::chrono::steady_clock;

/// 1 in checkpoints made by time or signal.
constexpr const char* kRollingKey = "rolling";

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The sum of squares is finite exactly when every weight is: a float's square cannot overflow a
/// double. `memory` takes the sum.
bool weights_are_finite(const model::Gpt2& model, const device::DeviceBuffer& memory) {
  const auto elements = model.table().buffer_elements();
  model.kernels().part_sums({.x = {model.parameters().data(), device::DataType::kF32, {elements}},
                             .sums = {memory.data(), device::DataType::kF64, {1}},
                             .part = elements,
                             .squared = true});
  double sum = 0;
  model.device().copy_to_host(&sum, memory.data(), sizeof sum);
  return std::isfinite(sum);
}

bool is_rolling(const formats::CheckpointManifest& manifest) {
  const auto rolling = manifest.state.find(kRollingKey);
  return rolling != manifest.state.end() && rolling->second != 0;
}

}  // namespace

bool is_lasting_checkpoint(const std::filesystem::path& directory, std::uint64_t step) {
  if (!std::filesystem::exists(directory)) return false;
  try {
    const auto checkpoint = model::open_checkpoint(directory);
    return checkpoint.manifest->step == step && !is_rolling(*checkpoint.manifest);
  } catch (const formats::Error&) {
    return false;
  }
}

CheckpointWriter::CheckpointWriter(RunFolder& folder, const model::Gpt2& model,
                                   const optim::AdamW& optimizer,
                                   const formats::TokenizerFiles* tokenizer,
                                   std::uint64_t keep_last, comm::Communicator& communicator)
    : folder_(folder),
      model_(model),
      optimizer_(optimizer),
      tokenizer_(tokenizer),
      keep_last_(keep_last),
      communicator_(communicator.duplicate()),
      snapshot_(model, comm::Shares(model.table().buffer_elements(), communicator.size())
                           .of_rank(communicator.rank())),
      sum_of_squares_(model.device(), sizeof(double)) {}

void CheckpointWriter::begin(CheckpointOrder order) {
  assert(!under_way_.valid() && !order.names.empty());
  if (order.existing.empty()) {
    if (!weights_are_finite(model_, sum_of_squares_)) {
      throw formats::DivergedError(fmt::format(
          "training diverged: a weight is no longer finite after step {}; go on from a checkpoint "
          "before with a lower learning rate (--resume DIR --allow-change learning-rate)",
          order.manifest.step));
    }
    snapshot_.take(optimizer_, /*with_weights=*/communicator_->rank() == 0);
  }
  const double stall_seconds = seconds_since(order.due);
  under_way_ = std::async(std::launch::async, [this, order = std::move(order), stall_seconds] {
    auto save = carry_out(order);
    save.stall_seconds = stall_seconds;
    save.seconds = seconds_since(order.due);
    return save;
  });
}

/// On the thread.
FinishedSave CheckpointWriter::carry_out(const CheckpointOrder& order) {
  FinishedSave save{.step = order.manifest.step};
  const bool is_first = communicator_->rank() == 0;
  try {
    if (is_first) folder_.sync_logs();
    auto source = order.existing;
    auto manifest = order.manifest;
    manifest.state[kRollingKey] = order.rolling ? 1 : 0;
    for (const auto& name : order.names) {
      const auto directory = folder_.checkpoint_path(name);
      if (source.empty()) {
        save_checkpoint(directory, manifest, snapshot_, tokenizer_, *communicator_);
        source = directory;
      } else if (is_first) {
        link_checkpoint(source, directory, manifest);
      }
    }
    if (is_first) folder_.point_latest_to(order.names.back());
  } catch (const formats::IoError& error) {
    throw formats::IoError(
        fmt::format("the checkpoint of step {} could not be saved: {}; the ones before it are "
                    "kept, and --resume latest goes on from them",
                    order.manifest.step, error.what()));
  }
  if (is_first) prune_rolling(order.manifest.step, save.notices);
  return save;
}

void CheckpointWriter::prune_rolling(std::uint64_t newest_step, std::vector<std::string>& notices) {
  std::uint64_t kept = 0;
  for (const auto& directory : model::list_checkpoints(folder_.path())) {
    if (!directory.filename().string().starts_with("step_")) continue;
    try {
      const auto manifest = formats::load_checkpoint_manifest(directory);
      if (!is_rolling(manifest) || manifest.step > newest_step || ++kept <= keep_last_) continue;
    } catch (const formats::Error&) {
      continue;  // a damaged one is the user's to look at; the reader that met it has said so
    }
    if (!folder_.remove_checkpoint(directory)) {
      notices.push_back(fmt::format("{}: could not be removed", directory.string()));
    }
  }
}

bool CheckpointWriter::is_busy() const {
  return under_way_.valid() &&
         under_way_.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
}

std::optional<FinishedSave> CheckpointWriter::finished() {
  return is_busy() ? std::nullopt : wait();
}

std::optional<FinishedSave> CheckpointWriter::wait() {
  if (!under_way_.valid()) return {};
  return under_way_.get();
}

}  // namespace gpt2::train
