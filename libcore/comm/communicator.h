// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Communicator: what the ranks of a run say to each other. Twins: solo, MPI, NCCL.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "libcore/comm/shares.h"
#include "libcore/device/device.h"
#include "libcore/device/tensor_view.h"
#include "libcore/kernels/pairwise.h"

namespace gpt2::kernels {
class Kernels;
}

namespace gpt2::comm {

/// Another rank ends the run, and says why.
struct EndedByAnotherRank final : std::runtime_error {
  EndedByAnotherRank() : std::runtime_error("another rank ended the run") {}
};

using kernels::join_pairwise;

/// One join of what slots and ranks sum: to += from. With a `wire` of kBF16 (else kF32) both are
/// rounded to it first.
void join_terms(kernels::Kernels& kernels, device::TensorView to, device::TensorView from,
                device::DataType wire);

/// Every function but rank(), size(), exchange_bytes(), say_phase(), watch() and duplicate()'s
/// result is called by all ranks, in one order. Throws everywhere: UnavailableError when the
/// network fails.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// The bytes of every rank, by rank.
  virtual std::vector<std::string> gather(std::string_view bytes) = 0;
  /// Sums the elements `range` of `values` of all ranks by join_pairwise() over the ranks; each
  /// rank gets the sum of what its own share has of them, and undefined values elsewhere. `wire` is
  /// that of join_terms(). Stream: queued; of memory of the host, done on return.
  virtual void reduce_shares(device::TensorView values, const Shares& shares, ElementRange range,
                             device::DataType wire) = 0;
  /// Every rank gets every rank's share. Stream: as reduce_shares().
  virtual void gather_shares(device::TensorView values, const Shares& shares) = 0;
  /// Bytes of the device's memory that sums and shares take beside the values.
  virtual std::uint64_t exchange_bytes(device::DataType /*wire*/) const { return 0; }
  /// The same ranks, for one other thread and memory of the host.
  virtual std::unique_ptr<Communicator> duplicate() = 0;
  /// What this rank does now, for the words about it if it is lost.
  virtual void say_phase(std::string_view phase) = 0;
  /// Calls `check` several times a second, on a thread that looks for lost ranks, until it is given
  /// another one; empty: none. If it throws UnavailableError the run is ended as by a lost rank.
  virtual void watch(std::function<void()> /*check*/) {}
  /// Ends the ranks' work; nothing may be said afterwards. `code`: this rank's exit code. When all
  /// ranks end together, gives the largest; when this one alone ends in an error, the others are
  /// ended and it does not return.
  virtual int leave(int code) = 0;

  /// The largest value of all ranks (stop flags, decisions).
  std::int64_t maximum(std::int64_t value);
  /// Sums by the tree over ranks; every rank gets the sum.
  void tree_sum(std::span<double> values);
  /// Waits for all ranks.
  void barrier() { gather({}); }
  /// What rank 0 says. The others' text is ignored.
  std::string from_first(std::string_view text) { return gather(rank() == 0 ? text : "").front(); }
  /// Calls `body`, which says nothing to other ranks, on every rank. If it fails on some, the run
  /// ends on all: the first of these ranks throws its error, the others EndedByAnotherRank.
  void together(const std::function<void()>& body);
  /// The same for a `make` that gives something.
  template <typename Make>
  auto make_together(const Make& make) {
    std::optional<std::invoke_result_t<Make>> made;
    together([&] { made.emplace(make()); });
    return *std::move(made);
  }

  /// An error that all ranks know of ends the run: leave() does not end the others by force.
  virtual void end_together() { ends_together_ = true; }

 protected:
  bool ends_together() const { return ends_together_; }

 private:
  bool ends_together_ = false;
};

struct CommunicatorOptions {
  bool launched = false;  // by mpirun or srun: the ranks are found by MPI
  /// Longer messages go in pieces.
  std::int64_t message_bytes = std::int64_t{64} << 20;
  /// The same of sums, which hold two pieces from each other rank beside the buffer.
  std::int64_t summed_message_bytes = std::int64_t{2} << 20;
  /// A rank that is not heard of for so long is lost; 0: never.
  double rank_timeout_seconds = 60;
  /// Gets one sentence about a lost rank, on a thread of its own, before the run is ended (69).
  std::function<void(const std::string&)> on_lost = {};
};

/// One process alone, or the ranks of an MPI launcher. Throws: UnavailableError when there is a
/// launcher but this build has no MPI.
std::unique_ptr<Communicator> open_communicator(const CommunicatorOptions& options = {});

/// How much memory of a GPU holds what other ranks send of a sum, at the most.
inline constexpr std::int64_t kExchangeBytes = std::int64_t{64} << 20;

/// `hosts` for memory of `device`, a GPU that no other rank has: sums and shares go from GPU to GPU
/// by NCCL, all else by `hosts`. None where `hosts` does it all: for one rank, and on a CPU. All
/// ranks call it; what is referred to must outlive it. `exchange_bytes` >= 16 for each other rank.
/// Throws: UnavailableError when this build has no NCCL, or the GPUs do not reach each other.
std::unique_ptr<Communicator> open_gpu_communicator(Communicator& hosts, device::Device& device,
                                                    kernels::Kernels& kernels,
                                                    std::int64_t exchange_bytes = kExchangeBytes);
/// Whether this build has NCCL.
bool reaches_gpus();

/// One process alone: every operation is the identity.
std::unique_ptr<Communicator> make_solo_communicator();

}  // namespace gpt2::comm
