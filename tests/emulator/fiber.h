// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A stack of its own that runs a function in pieces: resume() goes on with it, leave() comes back.
#pragma once

#include <cstddef>

namespace gpt2::emulator {

class Fiber {
 public:
  /// `number` spreads the stacks of many fibers over the sets of the cache.
  explicit Fiber(unsigned number);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber();

  /// The next resume() calls entry(argument). What the fiber did before is forgotten: no destructor
  /// runs.
  void begin(void (*entry)(void*), void* argument);
  /// From outside: runs the fiber until it leaves. `entry` must not return, it leaves.
  void resume();
  /// From inside: goes back to where resume() was called.
  void leave();

 private:
  struct Context;
  static void enter(Fiber* fiber);

  std::byte* memory_ = nullptr;
  std::byte* stack_ = nullptr;  // its low end, after the guard page
  unsigned offset_;
  Context* context_;
  void (*entry_)(void*) = nullptr;
  void* argument_ = nullptr;
};

}  // namespace gpt2::emulator
