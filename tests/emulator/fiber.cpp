// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tests/emulator/fiber.h"

#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstdint>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace gpt2::emulator {
namespace {

constexpr std::size_t kStackBytes = 128 * 1024;

std::size_t page_bytes() {
  static const auto bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

#if defined(__x86_64__)
// Six registers and the stack pointer: the system call of swapcontext would take 20 times as long.
extern "C" void gpt2_emulator_switch(void** save_stack_pointer, void* stack_pointer);
asm(R"(
.text
.globl gpt2_emulator_switch
.type gpt2_emulator_switch, @function
gpt2_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size gpt2_emulator_switch, .-gpt2_emulator_switch
)");
#endif

}  // namespace

struct Fiber::Context {
#if defined(__x86_64__)
  void *inside = nullptr, *outside = nullptr;  // stack pointers
#else
  ucontext_t inside{}, outside{};
#endif
  // AddressSanitizer wants to know which stack is in use.
  void* fake_inside = nullptr;
  void* fake_outside = nullptr;
  const void* outside_stack = nullptr;
  std::size_t outside_bytes = 0;
};

namespace {

#if defined(__SANITIZE_ADDRESS__)
void start_switch(void** fake, const void* bottom, std::size_t bytes) {
  __sanitizer_start_switch_fiber(fake, bottom, bytes);
}
void finish_switch(void* fake, const void** bottom, std::size_t* bytes) {
  __sanitizer_finish_switch_fiber(fake, bottom, bytes);
}
void forget(const void* stack, std::size_t bytes) { __asan_unpoison_memory_region(stack, bytes); }
#else
void start_switch(void**, const void*, std::size_t) {}
void finish_switch(void*, const void**, std::size_t*) {}
void forget(const void*, std::size_t) {}
#endif

Fiber* starting = nullptr;  // for entry points that take no argument

}  // namespace

Fiber::Fiber(unsigned number) : offset_(number * 320 % 8192 / 64 * 64), context_(new Context) {
  const std::size_t bytes = kStackBytes + page_bytes();
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<std::byte*>(memory);
  ::mprotect(memory_, page_bytes(), PROT_NONE);  // an overflow stops the program
  stack_ = memory_ + page_bytes();
}

Fiber::~Fiber() {
  ::munmap(memory_, kStackBytes + page_bytes());
  delete context_;
}

void Fiber::enter(Fiber* fiber) {
  auto& context = *fiber->context_;
  finish_switch(context.fake_inside, &context.outside_stack, &context.outside_bytes);
  fiber->entry_(fiber->argument_);
  __builtin_trap();  // entry leaves
}

void Fiber::begin(void (*entry)(void*), void* argument) {
  entry_ = entry;
  argument_ = argument;
  context_->fake_inside = nullptr;
  forget(stack_, kStackBytes);
#if defined(__x86_64__)
  auto* top = reinterpret_cast<void**>(stack_ + kStackBytes - offset_);
  *--top = nullptr;  // a return address that is never used: the stack is aligned as after a call
  *--top = reinterpret_cast<void*>(+[] { enter(starting); });
  top -= 6;  // the registers that the first switch restores
  for (int i = 0; i < 6; ++i) top[i] = nullptr;
  context_->inside = top;
#else
  ::getcontext(&context_->inside);
  context_->inside.uc_stack.ss_sp = stack_;
  context_->inside.uc_stack.ss_size = kStackBytes - offset_;
  context_->inside.uc_link = nullptr;
  ::makecontext(
      &context_->inside, +[] { enter(starting); }, 0);
#endif
}

void Fiber::resume() {
  starting = this;
  start_switch(&context_->fake_outside, stack_, kStackBytes);
#if defined(__x86_64__)
  gpt2_emulator_switch(&context_->outside, context_->inside);
#else
  ::swapcontext(&context_->outside, &context_->inside);
#endif
  finish_switch(context_->fake_outside, nullptr, nullptr);
}

void Fiber::leave() {
  start_switch(&context_->fake_inside, context_->outside_stack, context_->outside_bytes);
#if defined(__x86_64__)
  gpt2_emulator_switch(&context_->inside, context_->outside);
#else
  ::swapcontext(&context_->inside, &context_->outside);
#endif
  finish_switch(context_->fake_inside, &context_->outside_stack, &context_->outside_bytes);
}

}  // namespace gpt2::emulator
