// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/comm/watchdog_mpi.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "formats/errors.h"
#include "libcore/comm/communicator_mpi.h"

namespace gpt2::comm {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kBeatEvery = 200ms;
constexpr auto kLeavingBeatEvery = 2ms;

/// What a rank tells the next one.
struct Beat {
  char leaves = 0;  // 1: the last one
  std::array<char, 127> phase{};
};

}  // namespace

Watchdog::Watchdog(MPI_Comm group, std::vector<std::string> host_names,
                   const CommunicatorOptions& options)
    : group_(group), host_names_(std::move(host_names)), options_(options) {
  thread_ = std::jthread([this](const std::stop_token& stop) {
    try {
      run(stop);
    } catch (const formats::UnavailableError& error) {
      end_ranks(error.what());
    }
  });
}

Watchdog::~Watchdog() = default;

void Watchdog::say_phase(std::string_view phase) {
  const std::lock_guard lock(mutex_);
  phase_ = phase;
}

void Watchdog::watch(std::function<void()> check) {
  const std::lock_guard lock(check_mutex_);
  check_ = std::move(check);
}

void Watchdog::run(const std::stop_token& stop) {
  int rank = 0, size = 0;
  {
    const MpiTurn turn;
    MPI_Comm_rank(group_, &rank);
    MPI_Comm_size(group_, &size);
  }
  const int next = (rank + 1) % size, before = (rank + size - 1) % size;
  const std::chrono::duration<double> timeout(options_.rank_timeout_seconds);

  Beat sent, received, heard;
  MPI_Request sending = MPI_REQUEST_NULL, receiving = MPI_REQUEST_NULL;
  const auto listen = [&] {
    const MpiTurn turn;
    turn.check(MPI_Irecv(&received, sizeof(received), MPI_BYTE, before, 0, group_, &receiving),
               "MPI_Irecv");
  };
  listen();
  auto last_turn = Clock::now(), heard_at = last_turn;
  while (sent.leaves == 0 || heard.leaves == 0 || !is_done(sending)) {
    {
      const std::lock_guard lock(check_mutex_);
      if (check_) check_();
    }
    const auto now = Clock::now();
    // This process was stopped, perhaps the whole job with it: the silence proves nothing.
    if (now - last_turn > 10 * kBeatEvery) heard_at = now;
    last_turn = now;
    while (heard.leaves == 0 && is_done(receiving)) {
      heard = received;
      heard_at = now;
      if (heard.leaves == 0) listen();
    }
    if (sent.leaves == 0 && is_done(sending)) {
      sent.leaves = stop.stop_requested() ? 1 : 0;
      {
        const std::lock_guard lock(mutex_);
        const auto count = std::min(phase_.size(), sent.phase.size() - 1);
        std::copy_n(phase_.begin(), count, sent.phase.begin());
        sent.phase[count] = '\0';
      }
      const MpiTurn turn;
      turn.check(MPI_Isend(&sent, sizeof(sent), MPI_BYTE, next, 0, group_, &sending), "MPI_Isend");
    }
    if (heard.leaves == 0 && timeout.count() > 0 && now - heard_at > timeout) {
      const std::string_view phase = heard.phase.data();
      end_ranks(fmt::format("rank {} on {} has not been heard of for {} s (last in: {})", before,
                            host_names_[static_cast<std::size_t>(before)], timeout.count(),
                            phase.empty() ? "start" : phase));
    }
    if (stop.stop_requested()) {
      std::this_thread::sleep_for(kLeavingBeatEvery);
    } else {
      std::unique_lock lock(mutex_);
      wake_up_.wait_for(lock, stop, kBeatEvery, [] { return false; });
    }
  }
}

void Watchdog::end_ranks(std::string_view why) const {
  if (options_.on_lost) {
    options_.on_lost(
        fmt::format("{}; the run ends, and --resume latest goes on from its last checkpoint", why));
  }
  abort_ranks(group_, kLostExitCode);
}

}  // namespace gpt2::comm
