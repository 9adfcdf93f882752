// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/data/batch_loader.h"

#include <fmt/format.h>

#include <array>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <span>
#include <stop_token>
#include <thread>
#include <utility>

#include "formats/errors.h"

namespace gpt2::data {

/// A ring of batches: one in the caller's hands, the others filled or being filled by the thread.
struct BatchLoader::Worker {
  Worker(const ShardSet& shard_set, SequenceOrder sequence_order, std::int64_t B, std::int64_t T,
         std::uint32_t vocabulary, std::uint64_t first, StepShare step_share)
      : set(shard_set),
        order(std::move(sequence_order)),
        vocab_size(vocabulary),
        first_sequence(first),
        share(step_share) {
    if (share.batch_count == 0) share = {1, static_cast<std::uint64_t>(B)};
    for (auto& batch : ring) {
      batch.B = B;
      batch.T = T;
      batch.inputs.resize(static_cast<std::size_t>(B * T));
      batch.targets.resize(batch.inputs.size());
    }
    thread = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }

  void run(const std::stop_token& stop) noexcept {
    try {
      for (std::uint64_t number = 0;; ++number) {
        {
          std::unique_lock lock(mutex);
          if (!changed.wait(lock, stop, [&] { return number < released + ring.size(); })) return;
        }
        if (!fill(ring[number % ring.size()], number, stop)) return;
        publish([&] { filled = number + 1; });
      }
    } catch (...) {
      publish([&] { error = std::current_exception(); });
    }
  }

  /// False when asked to stop before the batch was whole.
  bool fill(Batch& batch, std::uint64_t number, const std::stop_token& stop) {
    const auto rows = static_cast<std::uint64_t>(batch.B);
    const auto T = static_cast<std::size_t>(batch.T);
    batch.first_sequence = first_sequence + number / share.batch_count * share.sequences_of_step +
                           number % share.batch_count * rows;
    for (std::uint64_t row = 0; row < rows; ++row) {
      if (stop.stop_requested()) return false;
      set.read_window(order.at(batch.first_sequence + row), vocab_size,
                      std::span(batch.inputs).subspan(row * T, T),
                      std::span(batch.targets).subspan(row * T, T));
    }
    return true;
  }

  const Batch& next() {
    publish([&] { released = given; });  // the batch given last may be filled anew
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return given < filled || error != nullptr; });
    if (given == filled) std::rethrow_exception(error);
    return ring[given++ % ring.size()];
  }

  template <typename Change>
  void publish(Change change) {
    {
      const std::lock_guard lock(mutex);
      change();
    }
    changed.notify_all();
  }

  const ShardSet& set;
  SequenceOrder order;
  const std::uint32_t vocab_size;
  const std::uint64_t first_sequence;
  StepShare share;
  std::array<Batch, 3> ring;
  std::mutex mutex;  // guards what follows
  std::condition_variable_any changed;
  std::uint64_t filled = 0, given = 0, released = 0;  // batches, counted from the start
  std::exception_ptr error;
  std::jthread thread;  // last: joined before anything that it uses goes
};

BatchLoader::BatchLoader(const ShardSet& set, SequenceOrder order, std::int64_t B, std::int64_t T,
                         std::uint32_t vocab_size, std::uint64_t first_sequence, StepShare share) {
  if (B < 1)
    throw formats::UsageError(fmt::format("the batch size is {}; at least 1 is needed", B));
  if (T != order.T()) {
    throw formats::UsageError(
        fmt::format("batches of context {} were asked of an order of windows of {}", T, order.T()));
  }
  worker_ =
      std::make_unique<Worker>(set, std::move(order), B, T, vocab_size, first_sequence, share);
}

BatchLoader::~BatchLoader() = default;

const Batch& BatchLoader::next() { return worker_->next(); }

}  // namespace gpt2::data
