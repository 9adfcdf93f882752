// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Finds races: kernels are compiled with -fsanitize=thread, whose calls at every access end here
// instead of in its own library. Two accesses of one launch to the same bytes, one of them a
// write, must lie on two sides of a barrier that both threads passed. Also finds shared memory that
// is read before it was written.
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "tests/emulator/emulator.h"

namespace gpt2::emulator {
namespace {

constexpr std::uintptr_t kUnitBytes = 2;  // the smallest element of a tensor
constexpr std::uintptr_t kPageBytes = 4096;

struct Unit {
  Actor writer, reader, other_reader;  // launch 0: none
};

class Shadow {
 public:
  void access(std::uintptr_t address, std::uintptr_t bytes, bool writes) {
    if (current_actor == nullptr) return;
    const Actor now = *current_actor;
    const bool shared = is_shared(reinterpret_cast<const void*>(address), bytes);
    Units* units = units_at(address, shared);
    if (units == nullptr) return;
    for (auto at = address / kUnitBytes * kUnitBytes; at < address + bytes; at += kUnitBytes) {
      if (at % kPageBytes == 0) units = units_at(at, shared);
      check((*units)[at % kPageBytes / kUnitBytes], now, writes, shared, at);
    }
  }

 private:
  using Units = std::array<Unit, kPageBytes / kUnitBytes>;
  struct CachedPage {
    std::uintptr_t number = 0;
    unsigned version = ~0U;
    Units* units = nullptr;  // null: not watched
  };

  // Pages of a kernel's stack are the others; what else the heap has in a page of the device's
  // memory no kernel touches.
  Units* units_at(std::uintptr_t address, bool shared) {
    const auto number = address / kPageBytes;
    auto& cached = cache_[number % cache_.size()];
    const unsigned version = device_memory_version;
    if (cached.number == number && cached.version == version) return cached.units;
    cached = {number, version, nullptr};
    if (shared || is_device_memory(reinterpret_cast<const void*>(address))) {
      auto& page = pages_[number];
      if (page == nullptr) page = std::make_unique<Units>();
      cached.units = page.get();
    }
    return cached.units;
  }

  /// Whether nothing puts the access of `earlier` before that of `now`.
  static bool unordered(const Actor& earlier, const Actor& now, bool shared) {
    if (earlier.launch != now.launch) return false;
    if (earlier.block != now.block) return !shared;  // blocks have shared memory of their own
    if (earlier.thread == now.thread || earlier.block_epoch != now.block_epoch) return false;
    return earlier.thread / kWarpLanes != now.thread / kWarpLanes ||
           earlier.warp_epoch == now.warp_epoch;
  }

  void check(Unit& unit, const Actor& now, bool writes, bool shared, std::uintptr_t address) {
    if (!writes && unit.reader == now) return;  // a write since then would have been reported
    if (unordered(unit.writer, now, shared)) report(writes, true, unit.writer, shared, address);
    if (writes) {
      for (const Actor& reader : {unit.reader, unit.other_reader}) {
        if (unordered(reader, now, shared)) report(true, false, reader, shared, address);
      }
      unit.writer = now;
      return;
    }
    if (shared && (unit.writer.launch != now.launch || unit.writer.block != now.block)) {
      fail([&] {
        return std::string("reads shared memory that no thread of the block has written");
      });
    }
    if (unit.reader.launch == now.launch && unit.reader.thread != now.thread) {
      unit.other_reader = unit.reader;
    }
    unit.reader = now;
  }

  [[noreturn]] static void report(bool writes, bool wrote, const Actor& other, bool shared,
                                  std::uintptr_t address) {
    fail([&] {
      return std::string("race: ") + (writes ? "writes" : "reads") +
             (shared ? " shared memory" : " memory") + " that thread " +
             std::to_string(other.thread) + " of block " + std::to_string(other.block) +
             (wrote ? " wrote" : " reads") + ", with no barrier between (address " +
             std::to_string(address) + ")";
    });
  }

  std::unordered_map<std::uintptr_t, std::unique_ptr<Units>> pages_;
  std::array<CachedPage, 1024> cache_;
};

Shadow& shadow() {
  static Shadow instance;
  return instance;
}

void access(const void* address, std::uintptr_t bytes, bool writes) {
  shadow().access(reinterpret_cast<std::uintptr_t>(address), bytes, writes);
}

}  // namespace
}  // namespace gpt2::emulator

// The names that g++ calls.
extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
#define GPT2_ACCESS(bytes)                                                                  \
  void __tsan_read##bytes(void* at) { gpt2::emulator::access(at, bytes, false); }           \
  void __tsan_write##bytes(void* at) { gpt2::emulator::access(at, bytes, true); }           \
  void __tsan_unaligned_read##bytes(void* at) { gpt2::emulator::access(at, bytes, false); } \
  void __tsan_unaligned_write##bytes(void* at) { gpt2::emulator::access(at, bytes, true); } \
  void __tsan_volatile_read##bytes(void* at) { gpt2::emulator::access(at, bytes, false); }  \
  void __tsan_volatile_write##bytes(void* at) { gpt2::emulator::access(at, bytes, true); }
GPT2_ACCESS(1)
GPT2_ACCESS(2)
GPT2_ACCESS(4)
GPT2_ACCESS(8)
GPT2_ACCESS(16)
#undef GPT2_ACCESS
void __tsan_read_range(void* at, std::uintptr_t bytes) { gpt2::emulator::access(at, bytes, false); }
void __tsan_write_range(void* at, std::uintptr_t bytes) { gpt2::emulator::access(at, bytes, true); }
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
}
