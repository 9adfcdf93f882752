// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tests/emulator/emulator.h"

#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/emulator/fiber.h"

namespace gpt2::emulator {

Dimensions block_index, thread_index, grid_size, block_size;
const Actor* current_actor = nullptr;
std::atomic<unsigned> device_memory_version = 0;
std::uint64_t bank_conflicts = 0;

namespace {

constexpr unsigned kMostThreads = 1024;
constexpr int kPoison = 0xFF;  // a NaN in every floating-point type

struct Thread {
  std::unique_ptr<Fiber> fiber;
  Dimensions index;
  unsigned number = 0;  // in its block
  bool waits = false, ended = false;
  const char* waits_for = "";
  std::source_location where;
  Actor actor;
  std::deque<PendingCopy> copies;  // oldest first
  unsigned group_of_copies = 0;
};

struct Warp {
  WarpExchange exchange;
  unsigned arrived = 0;
  std::source_location where;
};

std::string place(const std::source_location& where) {
  std::string_view file = where.file_name();
  if (const auto slash = file.rfind('/'); slash != file.npos) file.remove_prefix(slash + 1);
  return std::string(file) + ":" + std::to_string(where.line());
}
bool same_place(const std::source_location& a, const std::source_location& b) {
  return a.line() == b.line() &&
         (a.file_name() == b.file_name() || std::string_view(a.file_name()) == b.file_name());
}
std::string text_of(Dimensions d) {
  return "(" + std::to_string(d.x) + ", " + std::to_string(d.y) + ", " + std::to_string(d.z) + ")";
}

class Runtime {
 public:
  Runtime() {
    if (const char* order = std::getenv("GPT2_EMULATOR_ORDER"); order != nullptr) {
      if (std::string_view(order) == "reverse") {
        order_ = Order::kReverse;
      } else if (std::string_view(order) != "forward") {
        order_ = Order::kRandom;
        random_.seed(std::strtoull(order, nullptr, 10));
      }
    }
    threads_.reserve(kMostThreads);
    shared_ = static_cast<std::byte*>(
        std::aligned_alloc(kSharedLine, kMostSharedBytes + kMostArrays * 2 * kSharedLine));
  }
  ~Runtime() {
    forget_arrays();
    std::free(shared_);
  }

  void set_order(Order order, std::uint64_t seed) {
    order_ = order;
    random_.seed(seed);
  }

  void run_grid(Dimensions grid, Dimensions block, std::size_t dynamic_bytes,
                std::size_t most_shared_bytes, const std::function<void()>& body) {
    const std::scoped_lock one_launch_at_a_time(mutex_);
    const auto thread_count = static_cast<std::uint64_t>(block.x) * block.y * block.z;
    if (thread_count == 0 || thread_count > kMostThreads) {
      throw EmulationError("a block of " + text_of(block) + " threads: must have 1 to 1024");
    }
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffffU || grid.y > 65535 ||
        grid.z > 65535) {
      throw EmulationError("a grid of " + text_of(grid) + " blocks: no such launch");
    }
    if (dynamic_bytes > most_shared_bytes) {
      throw EmulationError("a block asks for " + std::to_string(dynamic_bytes) +
                           " bytes of shared memory and has at most " +
                           std::to_string(most_shared_bytes));
    }
    ++launch_;
    body_ = &body;
    grid_size = grid;
    block_size = block;
    dynamic_bytes_ = dynamic_bytes;
    most_shared_bytes_ = most_shared_bytes;
    prepare_threads(block, static_cast<unsigned>(thread_count));
    std::vector<std::uint64_t> blocks(std::uint64_t{grid.x} * grid.y * grid.z);
    for (std::uint64_t i = 0; i < blocks.size(); ++i) blocks[i] = i;
    arrange(blocks);
    for (const auto number : blocks) {
      block_index = {static_cast<unsigned>(number % grid.x),
                     static_cast<unsigned>(number / grid.x % grid.y),
                     static_cast<unsigned>(number / grid.x / grid.y)};
      run_block(static_cast<unsigned>(number));
    }
  }

  void note_failure(const std::string& problem) {
    problem_ =
        "block " + text_of(block_index) + ", thread " + text_of(thread_index) + ": " + problem;
  }
  [[noreturn]] void leave_for_good() {
    current_->fiber->leave();
    std::abort();  // a failed block is never resumed
  }

  void block_barrier(std::source_location where) {
    if (waiting_at_barrier_ == 0) {
      barrier_where_ = where;
    } else if (!same_place(where, barrier_where_)) {
      fail([&] {
        return "__syncthreads at " + place(where) + " while " +
               std::to_string(waiting_at_barrier_) + " threads wait at that of " +
               place(barrier_where_);
      });
    }
    if (++waiting_at_barrier_ < threads_in_block_) return wait("__syncthreads", where);
    waiting_at_barrier_ = 0;
    for (unsigned i = 0; i < threads_in_block_; ++i) {
      ++threads_[i].actor.block_epoch;
      wake(threads_[i]);
    }
    yield();
  }

  void warp_collective(std::uint32_t mask, const void* in, unsigned in_words, void* out,
                       unsigned out_words, void (*combine)(WarpExchange&),
                       std::source_location where, bool orders_memory) {
    Thread& self = *current_;
    const unsigned lane = self.number % kWarpLanes, first = self.number - lane;
    if (mask != 0xffffffffU) fail([&] { return place(where) + ": kernels use whole warps only"; });
    if (first + kWarpLanes > threads_in_block_) {
      fail([&] { return place(where) + ": the mask names lanes that the block does not have"; });
    }
    Warp& warp = warps_[self.number / kWarpLanes];
    if (warp.arrived == 0) {
      warp.where = where;
    } else if (!same_place(where, warp.where)) {
      fail([&] {
        return "a collective at " + place(where) + " while " + std::to_string(warp.arrived) +
               " lanes of the warp wait at that of " + place(warp.where);
      });
    }
    if (in_words != 0) std::memcpy(warp.exchange.in[lane], in, in_words * 4);
    if (++warp.arrived < kWarpLanes) {
      wait("a collective of its warp", where);
    } else {
      warp.arrived = 0;
      if (combine != nullptr) combine(warp.exchange);
      for (unsigned i = first; i < first + kWarpLanes; ++i) {
        if (orders_memory) ++threads_[i].actor.warp_epoch;
        wake(threads_[i]);
      }
      yield();
    }
    if (out_words != 0) std::memcpy(out, warp.exchange.out[lane], out_words * 4);
  }

  void* shared_array(const void* site, std::size_t bytes) {
    auto [entry, is_new] = arrays_.try_emplace(site, nullptr);
    if (is_new) {
      if (lines_of(bytes) > most_shared_bytes_ - shared_bytes_ || pieces_.size() == kMostArrays) {
        fail([&] {
          return "shared memory of the block is more than " + std::to_string(most_shared_bytes_) +
                 " bytes: " +
                 (most_shared_bytes_ < kMostSharedBytes ? "the launch has not asked for more"
                                                        : "sm_86 has no more");
        });
      }
      entry->second = add_piece(bytes);
    }
    return entry->second;
  }
  void* dynamic_shared() const { return shared_; }
  void begin_copy(void* to, const void* from) {
    current_->copies.push_back({to, from, current_->group_of_copies});
  }
  void end_group_of_copies() { ++current_->group_of_copies; }
  bool next_copy(unsigned newest, PendingCopy& copy) {
    auto& copies = current_->copies;
    if (copies.empty() || copies.front().group + newest >= current_->group_of_copies) return false;
    copy = copies.front();
    copies.pop_front();
    return true;
  }
  bool is_shared(const void* address, std::size_t bytes) const {
    const auto* byte = static_cast<const std::byte*>(address);
    return std::ranges::any_of(pieces_, [&](const Piece& piece) {
      return byte >= piece.begin && byte + bytes <= piece.begin + piece.bytes;
    });
  }

  void run_thread() {
    (*body_)();
    if (!current_->copies.empty())
      fail([] { return "ends with copies to shared memory under way"; });
    current_->ended = true;
    ++ended_;
    current_->fiber->leave();
  }

 private:
  /// Neighbouring bytes of shared memory. What is left of its last line and the line after that are
  /// nobody's: they keep the poison, and AddressSanitizer knows them.
  struct Piece {
    std::byte* begin;
    std::size_t bytes;
    std::size_t size_with_guard() const { return lines_of(bytes) + kSharedLine; }
  };
  static constexpr std::size_t kSharedLine = 128, kMostArrays = 32;
  static constexpr std::size_t lines_of(std::size_t bytes) {
    return (bytes + kSharedLine - 1) / kSharedLine * kSharedLine;
  }

  std::byte* add_piece(std::size_t bytes) {
    std::byte* begin =
        pieces_.empty() ? shared_ : pieces_.back().begin + pieces_.back().size_with_guard();
    const Piece& piece = pieces_.emplace_back(Piece{begin, bytes});
    std::memset(begin, kPoison, piece.size_with_guard());
    ASAN_POISON_MEMORY_REGION(begin + bytes, piece.size_with_guard() - bytes);
    shared_bytes_ += lines_of(bytes);
    return begin;
  }
  void forget_arrays() {
    for (const Piece& piece : pieces_) {
      ASAN_UNPOISON_MEMORY_REGION(piece.begin, piece.size_with_guard());
    }
    pieces_.clear();
    arrays_.clear();
    shared_bytes_ = 0;
  }
  void check_guards() const {
#ifndef __SANITIZE_ADDRESS__
    for (const Piece& piece : pieces_) {
      const std::span guard(piece.begin + piece.bytes, piece.size_with_guard() - piece.bytes);
      if (std::ranges::all_of(guard, [](std::byte b) { return b == std::byte{kPoison}; })) continue;
      throw EmulationError("block " + text_of(block_index) + " writes beyond the end of " +
                           std::to_string(piece.bytes) + " bytes of shared memory");
    }
#endif
  }

  void prepare_threads(Dimensions block, unsigned count) {
    threads_in_block_ = count;
    while (threads_.size() < count) {
      threads_.emplace_back();
      threads_.back().number = static_cast<unsigned>(threads_.size() - 1);
    }
    warps_.resize(kMostThreads / kWarpLanes);
    for (unsigned i = 0; i < count; ++i) {
      threads_[i].index = {i % block.x, i / block.x % block.y, i / block.x / block.y};
    }
  }

  void run_block(unsigned block_number) {
    forget_arrays();
    add_piece(dynamic_bytes_);
    waiting_at_barrier_ = ended_ = 0;
    for (auto& warp : warps_) warp.arrived = 0;
    ready_.clear();
    for (unsigned i = 0; i < threads_in_block_; ++i) {
      Thread& thread = threads_[i];
      if (thread.fiber == nullptr) thread.fiber = std::make_unique<Fiber>(i);
      thread.fiber->begin([](void* runtime) { static_cast<Runtime*>(runtime)->run_thread(); },
                          this);
      thread.ended = false;
      thread.copies.clear();
      thread.group_of_copies = 0;
      thread.actor = {
          .launch = launch_, .block = block_number, .thread = i, .block_epoch = 0, .warp_epoch = 0};
      wake(thread);
    }
    while (ended_ < threads_in_block_) {
      if (ready_.empty()) throw EmulationError(describe_hang());
      running_.swap(ready_);
      ready_.clear();
      arrange(running_);
      for (Thread* thread : running_) {
        current_ = thread;
        current_actor = &thread->actor;
        thread_index = thread->index;
        thread->fiber->resume();
        current_ = nullptr;
        current_actor = nullptr;
        if (!problem_.empty()) throw EmulationError(std::exchange(problem_, {}));
      }
    }
    check_guards();
  }

  template <class Items>
  void arrange(Items& items) {
    if (order_ == Order::kReverse) std::reverse(items.begin(), items.end());
    if (order_ == Order::kRandom) std::shuffle(items.begin(), items.end(), random_);
  }

  void wake(Thread& thread) {
    thread.waits = false;
    ready_.push_back(&thread);
  }
  void wait(const char* what, std::source_location where) {
    current_->waits = true;
    current_->waits_for = what;
    current_->where = where;
    yield();
  }
  void yield() { current_->fiber->leave(); }

  std::string describe_hang() const {
    std::map<std::string, unsigned> waiting;
    for (unsigned i = 0; i < threads_in_block_; ++i) {
      const auto& thread = threads_[i];
      if (thread.waits) ++waiting[thread.waits_for + (" at " + place(thread.where))];
    }
    std::string text = "block " + text_of(block_index) + " hangs: " + std::to_string(ended_) +
                       " threads have ended";
    for (const auto& [what, count] : waiting) {
      text += ", " + std::to_string(count) + " wait for " + what;
    }
    return text;
  }

  std::mutex mutex_;
  Order order_ = Order::kForward;
  std::mt19937_64 random_;
  unsigned launch_ = 0;
  const std::function<void()>* body_ = nullptr;
  std::size_t dynamic_bytes_ = 0, most_shared_bytes_ = 0, shared_bytes_ = 0;
  std::byte* shared_ = nullptr;
  std::vector<Piece> pieces_;
  std::map<const void*, void*> arrays_;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<Thread*> ready_, running_;
  unsigned threads_in_block_ = 0, waiting_at_barrier_ = 0, ended_ = 0;
  std::source_location barrier_where_;
  Thread* current_ = nullptr;
  std::string problem_;
};

Runtime& runtime() {
  static Runtime instance;
  return instance;
}

struct DeviceMemory {
  std::mutex mutex;
  std::map<const std::byte*, std::size_t> pieces;
};
DeviceMemory& device_memory() {
  static DeviceMemory memory;
  return memory;
}

}  // namespace

void set_order(Order order, std::uint64_t seed) { runtime().set_order(order, seed); }
void run_grid(Dimensions grid, Dimensions block, std::size_t dynamic_shared_bytes,
              std::size_t most_shared_bytes, const std::function<void()>& thread) {
  runtime().run_grid(grid, block, dynamic_shared_bytes, most_shared_bytes, thread);
}
void note_failure(const std::string& problem) { runtime().note_failure(problem); }
void leave_for_good() { runtime().leave_for_good(); }
void block_barrier(std::source_location where) { runtime().block_barrier(where); }
void warp_collective(std::uint32_t mask, const void* in, unsigned in_words, void* out,
                     unsigned out_words, void (*combine)(WarpExchange&), std::source_location where,
                     bool orders_memory) {
  runtime().warp_collective(mask, in, in_words, out, out_words, combine, where, orders_memory);
}
void* shared_array(const void* site, std::size_t bytes) {
  return runtime().shared_array(site, bytes);
}
void* dynamic_shared() { return runtime().dynamic_shared(); }
void begin_copy(void* to, const void* from) { runtime().begin_copy(to, from); }
void end_group_of_copies() { runtime().end_group_of_copies(); }
bool next_copy(unsigned newest, PendingCopy& copy) { return runtime().next_copy(newest, copy); }
bool is_shared(const void* address, std::size_t bytes) {
  return runtime().is_shared(address, bytes);
}

void add_device_memory(const void* begin, std::size_t bytes) {
  const std::scoped_lock lock(device_memory().mutex);
  device_memory().pieces[static_cast<const std::byte*>(begin)] = bytes;
  ++device_memory_version;
}
void remove_device_memory(const void* begin) {
  const std::scoped_lock lock(device_memory().mutex);
  device_memory().pieces.erase(static_cast<const std::byte*>(begin));
  ++device_memory_version;
}
bool is_device_memory(const void* address) {
  const auto* byte = static_cast<const std::byte*>(address);
  const std::scoped_lock lock(device_memory().mutex);
  auto next = device_memory().pieces.upper_bound(byte);
  if (next == device_memory().pieces.begin()) return false;
  --next;
  return byte < next->first + next->second;
}

}  // namespace gpt2::emulator
