// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The CUDA twin of Device: memory of one NVIDIA GPU, work queued on one stream.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libcore/device/device.h"

namespace gpt2::device {

/// Memory of the host that a GPU copies by itself, while the host goes on.
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  PinnedBuffer(PinnedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~PinnedBuffer();
  /// Memory of at least so many bytes; what it held is lost. Throws: UnavailableError.
  void* reserve(std::size_t bytes);
  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// A place in a stream that the host can wait for.
class CudaEvent {
 public:
  CudaEvent() = default;
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;
  ~CudaEvent();
  void record(cudaStream_t stream);
  void wait() const;  // not, if nothing was recorded

 private:
  cudaEvent_t event_ = nullptr;
};

class CudaDevice final : public Device {
 public:
  /// Device `number` of those that CUDA_VISIBLE_DEVICES leaves; `threads` >= 1 of the host. Throws:
  /// UnavailableError saying what is missing: the driver, a GPU, or one new enough.
  CudaDevice(int number, int threads);
  CudaDevice(const CudaDevice&) = delete;
  CudaDevice& operator=(const CudaDevice&) = delete;
  ~CudaDevice() override;

  std::string name() const override { return name_; }
  bool is_host() const override { return false; }
  int threads() const override { return threads_; }
  void* allocate(std::size_t bytes) override;
  void free(void* memory, std::size_t bytes) noexcept override;
  std::uint64_t free_bytes() const override;
  void copy_to_device(void* to, const void* from, std::size_t bytes) override;
  void copy_to_host(void* to, const void* from, std::size_t bytes) override;
  void queue_to_device(void* to, const void* from, std::size_t bytes) override;
  void queue_to_host(void* to, const void* from, std::size_t bytes) override;
  void copy_on_device(void* to, const void* from, std::size_t bytes) override;
  void fill_zero(void* memory, std::size_t bytes) override;
  void synchronize() override;
  std::uint64_t mark() override;
  void wait_for(std::uint64_t mark) override;

  cudaStream_t stream() const { return stream_; }

  /// The next run of every CudaRecording calls its function again: memory that it names is gone, or
  /// the work would be done in another way now.
  void forget_recordings() { ++times_forgotten_; }
  std::uint64_t times_forgotten() const { return times_forgotten_; }
  /// Calls `queue` and keeps what it queues, instead of doing it. What cannot be kept is an error
  /// then: to wait, to allocate or free memory, to copy from or to the host. Throws:
  /// UnavailableError, and what `queue` throws.
  cudaGraph_t capture(const std::function<void()>& queue);

 private:
  /// Bytes on their way to the device.
  struct Upload {
    PinnedBuffer bytes;
    CudaEvent arrived;
  };
  /// Bytes on their way from it; who waits for them gives them to `to`.
  struct Download {
    PinnedBuffer bytes;
    void* to = nullptr;
    std::size_t count = 0;
  };
  struct Mark {
    std::uint64_t number = 0;
    std::uint64_t downloads = 0;  // queued before it, since the device was opened
    CudaEvent passed;
  };
  void copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind);
  void deliver(std::uint64_t downloads);  // the first ones, which have arrived

  int threads_;
  std::string name_;
  cudaStream_t stream_ = nullptr;
  std::array<Upload, 2> uploads_;  // used in turn
  std::size_t next_upload_ = 0;
  std::deque<Download> downloads_;  // under way, oldest first
  std::uint64_t delivered_ = 0;     // downloads before these
  std::vector<Download> spare_downloads_;
  std::deque<Mark> marks_;  // not waited for yet, oldest first
  std::uint64_t last_mark_ = 0;
  std::uint64_t times_forgotten_ = 0;
  bool captures_ = false;
};

/// Work as one launch. The first run calls `queue` as RecordedWork does; the second captures what
/// it queues in a graph, which that run and all later ones launch. After
/// CudaDevice::forget_recordings() it begins anew.
class CudaRecording final : public RecordedWork {
 public:
  /// `device` must outlive it.
  explicit CudaRecording(CudaDevice& device) : device_(device) {}
  ~CudaRecording() override { forget(); }
  void run(const std::function<void()>& queue) override;

 private:
  void forget() noexcept;

  CudaDevice& device_;
  std::uint64_t called_at_ = UINT64_MAX;  // times_forgotten() after the first call of `queue`
  cudaGraphExec_t graph_ = nullptr;
};

/// Those of visible_gpus().
std::vector<std::string> cuda_gpus();

/// Throws UnavailableError "what: NAME: text" unless `error` is cudaSuccess.
void check_cuda(cudaError_t error, std::string_view what);

}  // namespace gpt2::device

/// Runs a call of the CUDA runtime and throws with its text if it fails.
#define GPT2_CUDA_CHECK(call) ::gpt2::device::check_cuda((call), #call)
