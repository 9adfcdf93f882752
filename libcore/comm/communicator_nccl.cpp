// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/comm/communicator_nccl.h"

#include <fmt/format.h>
#include <nccl.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <functional>
#include <string>
#include <utility>

#include "formats/errors.h"
#include "libcore/device/device_cuda.h"
#include "libcore/kernels/kernels.h"

namespace gpt2::comm {
namespace {

using device::DataType;
using device::TensorView;

/// Throws UnavailableError "what: text: details" unless `result` is success.
void check_nccl(ncclResult_t result, std::string_view what, ncclComm_t communicator = nullptr) {
  if (result == ncclSuccess) return;
  const std::string_view details = ncclGetLastError(communicator);
  throw formats::UnavailableError(fmt::format("NCCL: {}: {}{}{}", what, ncclGetErrorString(result),
                                              details.empty() ? "" : ": ", details));
}

/// Calls of `queue` that NCCL does at once, whatever their order.
template <typename Queue>
void queue_together(const Queue& queue) {
  check_nccl(ncclGroupStart(), "ncclGroupStart");
  queue();
  check_nccl(ncclGroupEnd(), "ncclGroupEnd");
}

/// NCCL's communicator of the current GPU of each rank.
class GpuGroup {
 public:
  explicit GpuGroup(Communicator& hosts) : hosts_(hosts) {
    ncclUniqueId id{};
    hosts.together([&] {
      if (hosts.rank() == 0) check_nccl(ncclGetUniqueId(&id), "ncclGetUniqueId");
    });
    const auto bytes = hosts.from_first({id.internal, sizeof(id.internal)});
    std::memcpy(id.internal, bytes.data(), sizeof(id.internal));
    // An error of one rank alone ends all: the others may wait for it in here.
    check_nccl(ncclCommInitRank(&group_, hosts.size(), id, hosts.rank()), "ncclCommInitRank");
    hosts.watch([this] {
      ncclResult_t state = ncclSuccess;
      check_nccl(ncclCommGetAsyncError(group_, &state), "ncclCommGetAsyncError", group_);
      if (state != ncclInProgress) check_nccl(state, "the GPUs lost each other", group_);
    });
  }
  GpuGroup(const GpuGroup&) = delete;
  GpuGroup& operator=(const GpuGroup&) = delete;
  /// Ends with those of the other ranks; when an error is on its way, without them.
  ~GpuGroup() {
    hosts_.watch({});
    if (std::uncaught_exceptions() > exceptions_before_) {
      ncclCommAbort(group_);
    } else {
      ncclCommDestroy(group_);
    }
  }
  ncclComm_t get() const { return group_; }

 private:
  Communicator& hosts_;
  ncclComm_t group_ = nullptr;
  int exceptions_before_ = std::uncaught_exceptions();
};

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(Communicator& hosts, device::CudaDevice& device, kernels::Kernels& kernels,
                   std::int64_t exchange_bytes)
      : hosts_(hosts),
        device_(device),
        kernels_(kernels),
        exchange_bytes_(exchange_bytes),
        group_(hosts) {
    connect();
  }

  int rank() const override { return hosts_.rank(); }
  int size() const override { return hosts_.size(); }
  std::vector<std::string> gather(std::string_view bytes) override { return hosts_.gather(bytes); }
  std::unique_ptr<Communicator> duplicate() override { return hosts_.duplicate(); }
  void say_phase(std::string_view phase) override { hosts_.say_phase(phase); }
  void watch(std::function<void()> check) override { hosts_.watch(std::move(check)); }
  void end_together() override { hosts_.end_together(); }
  int leave(int code) override { return hosts_.leave(code); }
  std::uint64_t exchange_bytes(DataType /*wire*/) const override {
    return static_cast<std::uint64_t>(exchange_bytes_);
  }

  /// Each rank sends every other one its terms of that one's share, piece by piece; the owner joins
  /// them.
  void reduce_shares(TensorView values, const Shares& shares, ElementRange range,
                     DataType wire) override {
    const Staging staging(*this, wire);
    const auto share_of = [&](int rank) { return shares.of_rank(rank).intersect(range); };
    std::int64_t most = 0;
    for (int rank = 0; rank < size(); ++rank) most = std::max(most, share_of(rank).count);
    for (std::int64_t done = 0; done < most; done += staging.piece) {
      const auto piece_of = [&](int rank) {
        const auto share = share_of(rank);
        return share.intersect({share.first + done, staging.piece});
      };
      reduce_piece(values, staging, piece_of);
    }
  }

  void gather_shares(TensorView values, const Shares& shares) override {
    queue_together([&] {
      for (int rank = 0; rank < size(); ++rank) {
        const auto share = shares.of_rank(rank);
        if (share.count == 0) continue;
        float* data = values.f32() + share.first;
        check_nccl(ncclBroadcast(data, data, static_cast<std::size_t>(share.count), ncclFloat32,
                                 rank, group_.get(), device_.stream()),
                   "ncclBroadcast", group_.get());
      }
    });
  }

 private:
  /// The memory of pieces on their way, cut for a type of the wire.
  struct Staging {
    Staging(NcclCommunicator& communicator, DataType type)
        : wire(type), others(communicator.size() - 1) {
      auto& memory = communicator.staging_;
      if (memory.data() == nullptr) {
        memory = device::DeviceBuffer(communicator.device_,
                                      static_cast<std::size_t>(communicator.exchange_bytes_));
      }
      // Floats; and of a narrow wire what is received and sent.
      const auto element_bytes = static_cast<std::int64_t>(sizeof(float)) +
                                 (narrow() ? 2 * static_cast<std::int64_t>(bytes_of(wire)) : 0);
      piece = communicator.exchange_bytes_ / (others * element_bytes);
      if (piece > Shares::kLine) piece -= piece % Shares::kLine;  // kernels like them aligned
      floats = memory.f32();
      received_and_sent = floats + others * piece;
    }
    bool narrow() const { return wire != DataType::kF32; }
    /// Of the other rank whose number in order is `other`.
    TensorView term(std::int64_t other, std::int64_t count) const {
      return {floats + other * piece, DataType::kF32, {count}};
    }
    TensorView received(std::int64_t other, std::int64_t count) const {
      return narrow() ? narrow_part(other, count) : term(other, count);
    }
    TensorView sent(std::int64_t other, std::int64_t count) const {
      return narrow_part(others + other, count);
    }

    DataType wire;
    std::int64_t others, piece = 0;
    float* floats = nullptr;

   private:
    TensorView narrow_part(std::int64_t number, std::int64_t count) const {
      return TensorView(received_and_sent, wire, {2 * others * piece})
          .part(number * piece, {count});
    }
    void* received_and_sent = nullptr;
  };

  /// The others in their order without this one.
  std::int64_t number_among_others(int other) const { return other < rank() ? other : other - 1; }
  template <typename Visit>
  void for_each_other(const Visit& visit) const {
    for (int other = 0; other < size(); ++other) {
      if (other != rank()) visit(other);
    }
  }

  template <typename PieceOf>
  void reduce_piece(const TensorView& values, const Staging& staging, const PieceOf& piece_of) {
    const auto own = piece_of(rank());
    const auto type = staging.narrow() ? ncclBfloat16 : ncclFloat32;
    const auto sent_to = [&](int other) {
      const auto piece = piece_of(other);
      const auto part = values.part(piece.first, {piece.count});
      if (!staging.narrow()) return part;
      return staging.sent(number_among_others(other), piece.count);
    };
    if (staging.narrow()) {
      for_each_other([&](int other) {
        const auto piece = piece_of(other);
        kernels_.convert(sent_to(other), values.part(piece.first, {piece.count}));
      });
    }
    queue_together([&] {
      for_each_other([&](int other) {
        if (const auto sent = sent_to(other); sent.element_count() > 0) {
          check_nccl(ncclSend(sent.data, static_cast<std::size_t>(sent.element_count()), type,
                              other, group_.get(), device_.stream()),
                     "ncclSend", group_.get());
        }
        if (own.count == 0) return;
        const auto received = staging.received(number_among_others(other), own.count);
        check_nccl(ncclRecv(received.data, static_cast<std::size_t>(own.count), type, other,
                            group_.get(), device_.stream()),
                   "ncclRecv", group_.get());
      });
    });
    if (own.count == 0) return;
    const auto term = [&](std::size_t rank_of_term) -> TensorView {
      const auto number = static_cast<int>(rank_of_term);
      return number == rank() ? values.part(own.first, {own.count})
                              : staging.term(number_among_others(number), own.count);
    };
    if (staging.narrow()) {
      for_each_other([&](int other) {
        kernels_.convert(term(static_cast<std::size_t>(other)),
                         staging.received(number_among_others(other), own.count));
      });
    }
    join_pairwise(static_cast<std::size_t>(size()), [&](std::size_t to, std::size_t from) {
      join_terms(kernels_, term(to), term(from), staging.wire);
    });
    if (rank() != 0) {
      device_.copy_on_device(values.f32() + own.first, term(0).data, term(0).bytes());
    }
  }

  /// One exchange of each kind: whether GPUs reach each other shows now, and what NCCL allocates
  /// for it is not taken for free memory.
  void connect() {
    const Shares shares(std::int64_t{Shares::kUnits} * Shares::kLine, size());
    const device::DeviceBuffer memory(device_,
                                      static_cast<std::size_t>(shares.elements()) * sizeof(float));
    device_.fill_zero(memory.data(), memory.bytes());
    const TensorView values(memory.data(), DataType::kF32, {shares.elements()});
    reduce_shares(values, shares, {0, shares.elements()}, DataType::kF32);
    gather_shares(values, shares);
    device_.synchronize();
    staging_ = {};
  }

  Communicator& hosts_;
  device::CudaDevice& device_;
  kernels::Kernels& kernels_;
  std::int64_t exchange_bytes_;
  device::DeviceBuffer staging_;  // allocated by the first sum
  GpuGroup group_;
};

}  // namespace

std::unique_ptr<Communicator> make_nccl_communicator(Communicator& hosts, device::Device& device,
                                                     kernels::Kernels& kernels,
                                                     std::int64_t exchange_bytes) {
  return std::make_unique<NcclCommunicator>(hosts, dynamic_cast<device::CudaDevice&>(device),
                                            kernels, exchange_bytes);
}

}  // namespace gpt2::comm
