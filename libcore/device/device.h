// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Device: where memory lives and work is queued. Twins: cpu (device_cpu.cpp), cuda
// (device_cuda.cpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libcore/device/tensor_view.h"

namespace gpt2::device {

class Device {
 public:
  virtual ~Device() = default;
  virtual std::string name() const = 0;  // "cpu: 2 threads, AVX-512"
  /// Its memory is that of the process, and every call has done its work on return.
  virtual bool is_host() const = 0;
  /// Threads of the host that compute: a CPU's kernels, and what is made on the host for a GPU.
  virtual int threads() const = 0;
  /// Uninitialised, 64-byte aligned. Throws: UnavailableError naming the device and `bytes`.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void free(void* memory, std::size_t bytes) noexcept = 0;
  /// Bytes that allocate() could still give now, other processes permitting.
  virtual std::uint64_t free_bytes() const = 0;
  /// Stream: the copies wait for queued work and are done on return.
  virtual void copy_to_device(void* to, const void* from, std::size_t bytes) = 0;
  virtual void copy_to_host(void* to, const void* from, std::size_t bytes) = 0;
  /// Copies that wait for nothing. Stream: queued; `from` may change after the call, and `to` has
  /// the bytes after the next synchronize(), copy_to_host() or wait_for() a later mark().
  virtual void queue_to_device(void* to, const void* from, std::size_t bytes) = 0;
  virtual void queue_to_host(void* to, const void* from, std::size_t bytes) = 0;
  /// Stream: queued.
  virtual void copy_on_device(void* to, const void* from, std::size_t bytes) = 0;
  virtual void fill_zero(void* memory, std::size_t bytes) = 0;
  /// Waits for queued work.
  virtual void synchronize() = 0;
  /// A place in the queue: after all that was queued up to now.
  virtual std::uint64_t mark() = 0;
  /// Waits for what was queued before the mark alone; the bytes of those queue_to_host() calls are
  /// there then.
  virtual void wait_for(std::uint64_t mark) = 0;
};

/// Work that is queued again and again with the same arguments: by a call each time, or in a faster
/// way that a device has for it. Kernels::record() makes the right one.
class RecordedWork {
 public:
  RecordedWork() = default;
  RecordedWork(const RecordedWork&) = delete;
  RecordedWork& operator=(const RecordedWork&) = delete;
  virtual ~RecordedWork() = default;
  /// Queues what `queue` queues, which is the same at every run: neither waits nor copies from or
  /// to the host are in it, nor does it take or give memory, but for what grows at its first use.
  /// Not every run calls it. Stream: queued. Throws: what `queue` throws.
  virtual void run(const std::function<void()>& queue) { queue(); }
};

/// `kind`: auto, cpu, cuda. `threads` 0: the CPUs this process may use. `gpu`: which of
/// visible_gpus(). Throws: UnavailableError; UsageError.
std::unique_ptr<Device> open_device(std::string_view kind, int threads, int gpu = 0);

/// A name that no other GPU has, for each GPU that this process may use. None without a driver, and
/// in a build without CUDA.
std::vector<std::string> visible_gpus();

/// One allocation on one device, freed by its destructor. Contents start uninitialised.
/// Owns: the memory; `device` must outlive it. Move-only: a copy is written out at the call site.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(Device& device, std::size_t bytes)
      : device_(&device), data_(device.allocate(bytes)), bytes_(bytes) {}
  DeviceBuffer(DeviceBuffer&& other) noexcept { swap(other); }
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~DeviceBuffer() {
    if (data_ != nullptr) device_->free(data_, bytes_);
  }
  void swap(DeviceBuffer& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }
  void* data() const { return data_; }
  float* f32() const { return static_cast<float*>(data_); }
  std::int32_t* i32() const { return static_cast<std::int32_t*>(data_); }
  std::size_t bytes() const { return bytes_; }

 private:
  Device* device_ = nullptr;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace gpt2::device
