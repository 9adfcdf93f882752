// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/comm/communicator_mpi.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "formats/errors.h"
#include "libcore/comm/watchdog_mpi.h"
#include "libcore/device/device.h"
#include "libcore/kernels/kernels.h"

namespace gpt2::comm {
namespace {

using device::TensorView;

std::mutex mpi_mutex;   // held by a turn
std::string mpi_error;  // the first one; guarded by mpi_mutex

/// Leaves the processor to others, the ranks beside this one foremost, until `is_done()`; MPI's own
/// waiting would not, and would keep other threads from MPI.
template <typename IsDone>
void wait_until(const IsDone& is_done) {
  constexpr int kPatientTurns = 1000;
  for (int turn = 0; !is_done(); ++turn) {
    if (turn < kPatientTurns) {
      sched_yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
}

/// Ends the process, and mpirun then all others, unless it is destroyed in time: while MPI begins
/// and ends, no watchdog can run.
class Deadline {
 public:
  Deadline(const CommunicatorOptions& options, std::string_view missed) {
    if (options.rank_timeout_seconds <= 0) return;
    thread_ = std::jthread([this, &options, missed](const std::stop_token& stop) {
      const std::chrono::duration<double> timeout(options.rank_timeout_seconds);
      std::unique_lock lock(mutex_);
      wake_up_.wait_for(lock, stop, timeout, [] { return false; });
      if (stop.stop_requested()) return;
      if (options.on_lost)
        options.on_lost(fmt::format("{} within {} s; one of them is stopped, or cannot be reached",
                                    missed, options.rank_timeout_seconds));
      std::_Exit(kLostExitCode);
    });
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any wake_up_;
  std::jthread thread_;  // last: joined before what it uses goes
};

/// The duplicate of a communicator of MPI: messages of one never meet those of another.
class Group {
 public:
  explicit Group(MPI_Comm from) {
    MPI_Request request = MPI_REQUEST_NULL;
    {
      const MpiTurn turn;
      turn.check(MPI_Comm_idup(from, &group_, &request), "MPI_Comm_idup");
    }
    wait_until([&] { return is_done(request); });
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  ~Group() {
    const std::lock_guard lock(mpi_mutex);
    if (mpi_error.empty()) MPI_Comm_free(&group_);
  }
  MPI_Comm get() const { return group_; }

 private:
  MPI_Comm group_ = MPI_COMM_NULL;
};

/// Messages under way.
class Messages {
 public:
  explicit Messages(MPI_Comm group) : group_(group) {}
  void send(const void* data, std::int64_t bytes, int to) {
    const MpiTurn turn;
    turn.check(MPI_Isend(data, static_cast<int>(bytes), MPI_BYTE, to, 0, group_,
                         &requests_.emplace_back(MPI_REQUEST_NULL)),
               "MPI_Isend");
  }
  void receive(void* data, std::int64_t bytes, int from) {
    const MpiTurn turn;
    turn.check(MPI_Irecv(data, static_cast<int>(bytes), MPI_BYTE, from, 0, group_,
                         &requests_.emplace_back(MPI_REQUEST_NULL)),
               "MPI_Irecv");
  }
  void wait() {
    wait_until([&] { return are_done(); });
    requests_.clear();
  }

 private:
  bool are_done() {
    const MpiTurn turn;
    int done = 0;
    turn.check(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &done,
                           MPI_STATUSES_IGNORE),
               "MPI_Testall");
    return done != 0;
  }
  MPI_Comm group_;
  std::vector<MPI_Request> requests_;
};

template <typename Value>
Value* at_least(std::vector<Value>& values, std::int64_t count) {
  if (std::ssize(values) < count) values.resize(static_cast<std::size_t>(count));
  return values.data();
}

/// Numbers of bf16, which is the upper half of a float, to and from 16 bits.
const std::uint16_t* upper_halves(const float* from, std::int64_t count, std::uint16_t* to) {
  for (std::int64_t i = 0; i < count; ++i) {
    to[i] = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(from[i]) >> 16);
  }
  return to;
}
void from_upper_halves(const std::uint16_t* from, std::int64_t count, float* to) {
  for (std::int64_t i = 0; i < count; ++i) {
    to[i] = std::bit_cast<float>(std::uint32_t{from[i]} << 16);
  }
}

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator(MPI_Comm from, CommunicatorOptions options)
      : options_(std::move(options)),
        group_(std::in_place, from),
        device_(device::open_device("cpu", 1)),
        kernels_(kernels::open_kernels(*device_)) {
    const MpiTurn turn;
    MPI_Comm_rank(group(), &rank_);
    MPI_Comm_size(group(), &size_);
  }
  /// The one of the whole process, which leave() ends.
  void begin_watching() {
    if (size_ == 1) return;
    std::array<char, MPI_MAX_PROCESSOR_NAME> name{};
    int length = 0;
    MPI_Get_processor_name(name.data(), &length);
    auto host_names = gather({name.data(), static_cast<std::size_t>(length)});
    watched_group_.emplace(group());
    watchdog_.emplace(watched_group_->get(), std::move(host_names), options_);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  std::vector<std::string> gather(std::string_view bytes) override {
    std::vector<std::string> all(static_cast<std::size_t>(size_));
    all[static_cast<std::size_t>(rank_)] = bytes;
    std::vector<FirstMessage> received(all.size());
    FirstMessage sent{.bytes = bytes.size()};
    std::copy_n(bytes.begin(), std::min(bytes.size(), sent.begin.size()), sent.begin.begin());
    Messages messages(group());
    for_each_other([&](int other) {
      messages.receive(&received[static_cast<std::size_t>(other)], sizeof(FirstMessage), other);
      messages.send(&sent, sizeof(sent), other);
    });
    messages.wait();
    const auto most = static_cast<std::uint64_t>(options_.message_bytes);
    const auto rest_of = [&](std::uint64_t count, std::uint64_t first) {
      return static_cast<std::int64_t>(std::min(count - first, most));
    };
    for_each_other([&](int other) {
      const auto& first = received[static_cast<std::size_t>(other)];
      auto& text = all[static_cast<std::size_t>(other)];
      text.resize(first.bytes);
      std::copy_n(first.begin.begin(), std::min(first.begin.size(), text.size()), text.begin());
      for (std::uint64_t at = first.begin.size(); at < text.size(); at += most) {
        messages.receive(text.data() + at, rest_of(text.size(), at), other);
      }
      for (std::uint64_t at = sent.begin.size(); at < bytes.size(); at += most) {
        messages.send(bytes.data() + at, rest_of(bytes.size(), at), other);
      }
    });
    messages.wait();
    return all;
  }

  /// Each rank sends every other one its terms of that one's share, piece by piece; the owner joins
  /// them. So a rank sends and receives (R - 1) / R of the buffer, whatever R is.
  void reduce_shares(TensorView values, const Shares& shares, ElementRange range,
                     device::DataType wire) override {
    if (size_ == 1) return;
    const bool narrow = wire == device::DataType::kBF16;
    if (narrow) kernels_->round_to_bf16(values.part(range.first, {range.count}));
    float* own = values.f32();
    const auto share_of = [&](int rank) { return shares.of_rank(rank).intersect(range); };
    const auto element_bytes = static_cast<std::int64_t>(device::bytes_of(wire));
    const auto most = options_.summed_message_bytes / element_bytes;
    const auto piece_of = [&](ElementRange share, std::int64_t number) {
      return share.intersect({share.first + number * most, most});
    };
    std::int64_t piece_count = 0;
    for (int rank = 0; rank < size_; ++rank) {
      piece_count = std::max(piece_count, (share_of(rank).count + most - 1) / most);
    }
    std::array<Messages, 2> messages{Messages(group()), Messages(group())};
    const auto begin = [&](std::int64_t number) {
      const auto parity = static_cast<std::size_t>(number % 2);
      const auto expected = piece_of(share_of(rank_), number).count;
      for_each_other([&](int other) {
        auto& terms = terms_of(parity, other);
        if (expected > 0) {
          void* place = narrow ? static_cast<void*>(at_least(terms.received, expected))
                               : at_least(terms.values, expected);
          messages[parity].receive(place, expected * element_bytes, other);
        }
        const auto wanted = piece_of(share_of(other), number);
        if (wanted.count == 0) return;
        const void* sent = own + wanted.first;
        if (narrow) {
          sent = upper_halves(own + wanted.first, wanted.count, at_least(terms.sent, wanted.count));
        }
        messages[parity].send(sent, wanted.count * element_bytes, other);
      });
    };
    if (piece_count > 0) begin(0);
    for (std::int64_t number = 0; number < piece_count; ++number) {
      const auto parity = static_cast<std::size_t>(number % 2);
      if (number + 1 < piece_count) begin(number + 1);
      messages[parity].wait();
      const auto piece = piece_of(share_of(rank_), number);
      if (piece.count == 0) continue;
      if (narrow) {
        for_each_other([&](int other) {
          auto& terms = terms_of(parity, other);
          from_upper_halves(terms.received.data(), piece.count,
                            at_least(terms.values, piece.count));
        });
      }
      const auto term = [&](std::size_t rank) -> TensorView {
        const int number_of = static_cast<int>(rank);
        return {number_of == rank_ ? own + piece.first : terms_of(parity, number_of).values.data(),
                device::DataType::kF32,
                {piece.count}};
      };
      join_pairwise(static_cast<std::size_t>(size_), [&](std::size_t to, std::size_t from) {
        join_terms(*kernels_, term(to), term(from), wire);
      });
      if (rank_ != 0) {
        std::memcpy(own + piece.first, term(0).f32(), static_cast<std::size_t>(piece.count) * 4);
      }
    }
  }

  void gather_shares(TensorView values, const Shares& shares) override {
    Messages messages(group());
    const auto most = options_.message_bytes / 4;
    const auto for_each_message = [&](ElementRange share, const auto& visit) {
      for (std::int64_t at = share.first; at < share.end(); at += most) {
        visit(values.f32() + at, std::min(most, share.end() - at) * 4);
      }
    };
    for_each_other([&](int other) {
      for_each_message(shares.of_rank(other), [&](float* data, std::int64_t bytes) {
        messages.receive(data, bytes, other);
      });
      for_each_message(shares.of_rank(rank_),
                       [&](float* data, std::int64_t bytes) { messages.send(data, bytes, other); });
    });
    messages.wait();
  }

  std::uint64_t exchange_bytes(device::DataType wire) const override {
    const auto pieces = static_cast<std::uint64_t>(2 * (size_ - 1));  // even and odd
    const auto bytes = pieces * static_cast<std::uint64_t>(options_.summed_message_bytes);
    return wire == device::DataType::kBF16 ? 4 * bytes : bytes;  // sent, received, and as floats
  }

  std::unique_ptr<Communicator> duplicate() override {
    return std::make_unique<MpiCommunicator>(group(), options_);
  }

  void say_phase(std::string_view phase) override {
    if (watchdog_) watchdog_->say_phase(phase);
  }
  void watch(std::function<void()> check) override {
    if (watchdog_) watchdog_->watch(std::move(check));
  }

  int leave(int code) override {
    if (code != 0 && !ends_together()) abort_ranks(group(), code);
    code = static_cast<int>(maximum(code));
    const Deadline deadline(options_, "not all ranks came to their end");
    watchdog_.reset();
    watched_group_.reset();
    group_.reset();
    MPI_Finalize();
    return code;
  }

 private:
  /// Most texts are no longer than what it carries.
  struct FirstMessage {
    std::uint64_t bytes = 0;
    std::array<char, 56> begin{};
  };

  MPI_Comm group() const { return group_->get(); }

  /// Visits the other ranks, each rank in another order, so that not all send to one at once.
  template <typename Visit>
  void for_each_other(const Visit& visit) const {
    for (int distance = 1; distance < size_; ++distance) visit((rank_ + distance) % size_);
  }

  /// A piece of what another rank sends, and is sent.
  struct Terms {
    std::vector<float> values;
    std::vector<std::uint16_t> received, sent;  // of a narrow wire
  };
  /// Of even and odd pieces, one of which is joined while the other is under way.
  Terms& terms_of(std::size_t parity, int rank) {
    terms_.resize(2 * static_cast<std::size_t>(size_));
    return terms_[parity * static_cast<std::size_t>(size_) + static_cast<std::size_t>(rank)];
  }

  CommunicatorOptions options_;
  std::optional<Group> group_, watched_group_;
  int rank_ = 0, size_ = 1;
  /// Of the thread that calls; those of the model are another thread's.
  std::unique_ptr<device::Device> device_;
  std::unique_ptr<kernels::Kernels> kernels_;
  std::vector<Terms> terms_;
  std::optional<Watchdog> watchdog_;
};

}  // namespace

MpiTurn::MpiTurn() : lock_(mpi_mutex) {
  if (!mpi_error.empty()) throw formats::UnavailableError(mpi_error);
}

void MpiTurn::check(int result, std::string_view action) const {
  if (result == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> words{};
  int length = 0;
  MPI_Error_string(result, words.data(), &length);
  mpi_error = fmt::format("{}: {}", action,
                          std::string_view(words.data(), static_cast<std::size_t>(length)));
  throw formats::UnavailableError(mpi_error);
}

bool is_done(MPI_Request& request) {
  const MpiTurn turn;
  int done = 0;
  turn.check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
  return done != 0;
}

void abort_ranks(MPI_Comm group, int code) {
  const std::lock_guard lock(mpi_mutex);
  MPI_Abort(group, code);
  std::_Exit(code);
}

std::unique_ptr<Communicator> make_mpi_communicator(const CommunicatorOptions& options) {
  const Deadline deadline(options, "the ranks did not find each other");
  int level = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &level);
  if (level < MPI_THREAD_SERIALIZED) {
    throw formats::UnavailableError("this MPI does not take calls from more than one thread");
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  auto communicator = std::make_unique<MpiCommunicator>(MPI_COMM_WORLD, options);
  communicator->begin_watching();
  return communicator;
}

}  // namespace gpt2::comm
