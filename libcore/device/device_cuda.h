// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The CUDA twin of Device: memory of one NVIDIA GPU, work queued on one stream.
#pragma once

#include <cuda_runtime_api.h>

#include <string_view>

#include "libcore/device/device.h"

namespace gpt2::device {

class CudaDevice final : public Device {
 public:
  /// Device `number` of those that CUDA_VISIBLE_DEVICES leaves. Throws: UnavailableError saying
  /// what is missing: the driver, a GPU, or one new enough.
  explicit CudaDevice(int number);
  CudaDevice(const CudaDevice&) = delete;
  CudaDevice& operator=(const CudaDevice&) = delete;
  ~CudaDevice() override;

  std::string name() const override { return name_; }
  bool is_host() const override { return false; }
  int threads() const override { return 1; }
  void* allocate(std::size_t bytes) override;
  void free(void* memory, std::size_t bytes) noexcept override;
  std::uint64_t free_bytes() const override;
  void copy_to_device(void* to, const void* from, std::size_t bytes) override;
  void copy_to_host(void* to, const void* from, std::size_t bytes) override;
  void copy_on_device(void* to, const void* from, std::size_t bytes) override;
  void fill_zero(void* memory, std::size_t bytes) override;
  void synchronize() override;

  cudaStream_t stream() const { return stream_; }

 private:
  void copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind);

  std::string name_;
  cudaStream_t stream_ = nullptr;
};

/// Throws UnavailableError "what: NAME: text" unless `error` is cudaSuccess.
void check_cuda(cudaError_t error, std::string_view what);

}  // namespace gpt2::device

/// Runs a call of the CUDA runtime and throws with its text if it fails.
#define GPT2_CUDA_CHECK(call) ::gpt2::device::check_cuda((call), #call)
