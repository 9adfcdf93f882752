// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The CPU twin of Device: memory of the process, work done before each call returns.
#pragma once

#include <filesystem>

#include "libcore/device/device.h"

namespace gpt2::device {

/// CPUs this process may use: its affinity mask, and the share its control group grants, whichever
/// is less.
int allowed_cpu_count();
/// The CPUs of its affinity mask, "0-3,8": processes of one host with the same list share them.
/// Empty where the system does not tell.
std::string allowed_cpu_list();

/// Bytes of memory that processes here can still take: what the system has left (swap too), and
/// what their control groups grant, whichever is less. Files are looked for below `root`. Where
/// nothing is known, the largest number.
std::uint64_t free_host_bytes(const std::filesystem::path& root = "/");

class CpuDevice final : public Device {
 public:
  /// `threads` >= 1.
  explicit CpuDevice(int threads) : threads_(threads) {}
  std::string name() const override;
  bool is_host() const override { return true; }
  int threads() const override { return threads_; }
  void* allocate(std::size_t bytes) override;
  void free(void* memory, std::size_t bytes) noexcept override;
  std::uint64_t free_bytes() const override { return free_host_bytes(); }
  void copy_to_device(void* to, const void* from, std::size_t bytes) override;
  void copy_to_host(void* to, const void* from, std::size_t bytes) override;
  void queue_to_device(void* to, const void* from, std::size_t bytes) override {
    copy_on_device(to, from, bytes);
  }
  void queue_to_host(void* to, const void* from, std::size_t bytes) override {
    copy_on_device(to, from, bytes);
  }
  void copy_on_device(void* to, const void* from, std::size_t bytes) override;
  void fill_zero(void* memory, std::size_t bytes) override;
  void synchronize() override {}
  std::uint64_t mark() override { return 0; }
  void wait_for(std::uint64_t) override {}

 private:
  int threads_;
};

}  // namespace gpt2::device
