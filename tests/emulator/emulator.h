// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Runs kernels of the CUDA twin on a CPU: every thread of a block is a fiber, blocks run one after
// the other, and what a GPU would do wrong in silence is an error with file and line. Kernels see
// emulated_cuda.h, which is written in terms of this.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <stdexcept>
#include <string>

namespace gpt2::emulator {

struct Dimensions {
  unsigned x = 1, y = 1, z = 1;
};

/// What a GPU would not say: a barrier that only some threads reach, a race, a misuse of shared
/// memory.
class EmulationError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline constexpr unsigned kWarpLanes = 32;
/// Static and dynamic shared memory of a block: what every GPU from sm_80 on has (sm_86: 99 KiB).
inline constexpr std::size_t kMostSharedBytes = 99 * 1024;

/// The order in which blocks, and the threads of a block that can go on, take their turns. A kernel
/// whose results depend on it lacks a barrier.
enum class Order { kForward, kReverse, kRandom };
/// Default: GPT2_EMULATOR_ORDER (forward, reverse, or the seed of a random order), else forward.
void set_order(Order order, std::uint64_t seed = 0);

/// Runs `thread` once for each thread of the grid. Shared memory of each block begins filled with
/// NaNs, and has at most `most_shared_bytes`, dynamic and static. Throws: EmulationError.
void run_grid(Dimensions grid, Dimensions block, std::size_t dynamic_shared_bytes,
              std::size_t most_shared_bytes, const std::function<void()>& thread);

/// Work of a stream: does it at once, or keeps it for the graph while this thread captures one.
void queue(std::function<void()> work);
/// Launches of graphs since the program began.
extern std::uint64_t graph_launches;

// What follows is called by kernels alone, inside of run_grid.

extern Dimensions block_index, thread_index, grid_size, block_size;

/// The launch is to end: run_grid will throw `problem`, with block and thread.
void note_failure(const std::string& problem);
/// Goes back to run_grid. What is alive here then stays so for ever.
[[noreturn]] void leave_for_good();

/// Ends the launch: run_grid throws what `describe()` gives, with block and thread.
template <class Describe>
[[noreturn]] void fail(const Describe& describe) {
  note_failure(describe());
  leave_for_good();
}

/// Waits for all threads of the block. All must come to the same line.
void block_barrier(std::source_location where);

inline constexpr unsigned kMostWords = 16;
/// What the lanes of a warp bring to a collective, and what each takes from it, in 32-bit words.
struct WarpExchange {
  std::uint32_t in[kWarpLanes][kMostWords];
  std::uint32_t out[kWarpLanes][kMostWords];
};
/// Waits for all lanes of the warp, which must come to the same line; the last to come runs
/// `combine` for all. `in` and `out` may be null for no words.
void warp_collective(std::uint32_t mask, const void* in, unsigned in_words, void* out,
                     unsigned out_words, void (*combine)(WarpExchange&), std::source_location where,
                     bool orders_memory);

/// The block's array of `bytes` bytes that `site` (one address for each place in the source)
/// declares; the same for all threads of the block.
void* shared_array(const void* site, std::size_t bytes);
void* dynamic_shared();
bool is_shared(const void* address, std::size_t bytes);
/// Rows of matrices that lay in the banks of another row of the same matrix when load_matrices()
/// read them: each costs a GPU one more access. Since the program began.
extern std::uint64_t bank_conflicts;

/// A copy of 16 bytes that a thread has begun and not waited for.
struct PendingCopy {
  void* to;
  const void* from;  // null: zeros
  unsigned group;
};
/// Notes a copy of the running thread, in its newest group. A thread that ends before it has waited
/// for all of its copies is an error.
void begin_copy(void* to, const void* from);
void end_group_of_copies();
/// Takes the oldest copy that is in none of the `newest` groups, to be done now; false: none is
/// left.
bool next_copy(unsigned newest, PendingCopy& copy);

/// Who makes an access, for the search for races.
struct Actor {
  unsigned launch = 0;  // from 1
  unsigned block = 0, thread = 0;
  unsigned block_epoch = 0, warp_epoch = 0;  // barriers passed
  bool operator==(const Actor&) const = default;
};
/// Null outside of kernels.
extern const Actor* current_actor;

/// Memory of the emulated device, for the search for races.
void add_device_memory(const void* begin, std::size_t bytes);
void remove_device_memory(const void* begin);
bool is_device_memory(const void* address);
/// Changes with every allocation and release.
extern std::atomic<unsigned> device_memory_version;

}  // namespace gpt2::emulator
