// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/device/device_cuda.h"

#include <fmt/format.h>

#include <cstring>

#include "formats/errors.h"

namespace gpt2::device {
namespace {

constexpr int kLeastMajor = 8;  // bf16 in the tensor cores, asynchronous copies

}  // namespace

void check_cuda(cudaError_t error, std::string_view what) {
  if (error == cudaSuccess) return;
  throw formats::UnavailableError(fmt::format("device cuda: {}: {}: {}", what,
                                              cudaGetErrorName(error), cudaGetErrorString(error)));
}

std::vector<std::string> cuda_gpus() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) return {};
  std::vector<std::string> names;
  for (int number = 0; number < count; ++number) {
    cudaDeviceProp properties{};
    GPT2_CUDA_CHECK(cudaGetDeviceProperties(&properties, number));
    std::string name;
    for (const char byte : properties.uuid.bytes) {
      name += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    }
    names.push_back(std::move(name));
  }
  return names;
}

CudaDevice::CudaDevice(int number, int threads) : threads_(threads) {
  int count = 0;
  const auto error = cudaGetDeviceCount(&count);
  if (error == cudaErrorInsufficientDriver) {
    throw formats::UnavailableError(
        "device cuda: this machine has no NVIDIA driver, or one older than this build's CUDA; take "
        "auto or cpu");
  }
  if (error == cudaErrorNoDevice || (error == cudaSuccess && number >= count)) {
    throw formats::UnavailableError(
        fmt::format("device cuda: the driver shows {} GPUs, GPU {} is not among them "
                    "(CUDA_VISIBLE_DEVICES?); take auto or cpu",
                    count, number));
  }
  check_cuda(error, "looking for GPUs");
  GPT2_CUDA_CHECK(cudaSetDevice(number));
  cudaDeviceProp properties{};
  GPT2_CUDA_CHECK(cudaGetDeviceProperties(&properties, number));
  const auto model = std::string_view(properties.name);
  if (properties.major < kLeastMajor) {
    throw formats::UnavailableError(
        fmt::format("device cuda: {} is sm_{}{}, the kernels need sm_80 or newer; take auto or cpu",
                    model, properties.major, properties.minor));
  }
  name_ = fmt::format("cuda: GPU {}, {}, sm_{}{}, {:.1f} GiB", number, model, properties.major,
                      properties.minor, static_cast<double>(properties.totalGlobalMem) / 0x1p30);
  GPT2_CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
}

CudaDevice::~CudaDevice() {
  cudaStreamSynchronize(stream_);  // before the memory of copies under way goes
  cudaStreamDestroy(stream_);
}

PinnedBuffer::~PinnedBuffer() {
  if (data_ != nullptr) cudaFreeHost(data_);
}

void* PinnedBuffer::reserve(std::size_t bytes) {
  if (bytes <= bytes_) return data_;
  if (data_ != nullptr) GPT2_CUDA_CHECK(cudaFreeHost(std::exchange(data_, nullptr)));
  bytes_ = 0;
  check_cuda(cudaMallocHost(&data_, bytes), fmt::format("{} bytes of pinned memory", bytes));
  bytes_ = bytes;
  return data_;
}

CudaEvent::~CudaEvent() {
  if (event_ != nullptr) cudaEventDestroy(event_);
}

void CudaEvent::record(cudaStream_t stream) {
  if (event_ == nullptr) {
    GPT2_CUDA_CHECK(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming));
  }
  GPT2_CUDA_CHECK(cudaEventRecord(event_, stream));
}

void CudaEvent::wait() const {
  if (event_ != nullptr) GPT2_CUDA_CHECK(cudaEventSynchronize(event_));
}

void* CudaDevice::allocate(std::size_t bytes) {
  void* memory = nullptr;
  // One byte at least: a buffer without elements has an address of its own too.
  const auto error = cudaMalloc(&memory, bytes == 0 ? 1 : bytes);
  if (error == cudaSuccess) return memory;
  cudaGetLastError();  // the failure is told here, and not by the next launch
  if (error != cudaErrorMemoryAllocation) check_cuda(error, fmt::format("{} bytes", bytes));
  throw formats::UnavailableError(fmt::format(
      "{}: no memory for {} more bytes, {} are free; use a smaller batch, context or model", name_,
      bytes, free_bytes()));
}

void CudaDevice::free(void* memory, std::size_t) noexcept {
  // Queued work may still use it.
  cudaStreamSynchronize(stream_);
  forget_recordings();
  cudaFree(memory);
}

std::uint64_t CudaDevice::free_bytes() const {
  std::size_t free_bytes = 0, total_bytes = 0;
  GPT2_CUDA_CHECK(cudaMemGetInfo(&free_bytes, &total_bytes));
  return free_bytes;
}

void CudaDevice::copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  // CUDA would do it again at every launch: with the host's memory, whatever is there by then.
  if (captures_ && kind != cudaMemcpyDeviceToDevice) {
    check_cuda(cudaErrorStreamCaptureUnsupported, "a copy from or to the host in recorded work");
  }
  if (bytes != 0) GPT2_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, kind, stream_));
}

void CudaDevice::copy_to_device(void* to, const void* from, std::size_t bytes) {
  copy(to, from, bytes, cudaMemcpyHostToDevice);
  synchronize();
}
void CudaDevice::copy_to_host(void* to, const void* from, std::size_t bytes) {
  copy(to, from, bytes, cudaMemcpyDeviceToHost);
  synchronize();
}
void CudaDevice::copy_on_device(void* to, const void* from, std::size_t bytes) {
  copy(to, from, bytes, cudaMemcpyDeviceToDevice);
}
void CudaDevice::fill_zero(void* memory, std::size_t bytes) {
  if (bytes != 0) GPT2_CUDA_CHECK(cudaMemsetAsync(memory, 0, bytes, stream_));
}

void CudaDevice::queue_to_device(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  auto& upload = uploads_[next_upload_];
  next_upload_ = (next_upload_ + 1) % uploads_.size();
  upload.arrived.wait();  // what it was used for two uploads ago
  std::memcpy(upload.bytes.reserve(bytes), from, bytes);
  copy(to, upload.bytes.data(), bytes, cudaMemcpyHostToDevice);
  upload.arrived.record(stream_);
}

void CudaDevice::queue_to_host(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  Download download;
  if (!spare_downloads_.empty()) {
    download = std::move(spare_downloads_.back());
    spare_downloads_.pop_back();
  }
  copy(download.bytes.reserve(bytes), from, bytes, cudaMemcpyDeviceToHost);
  download.to = to;
  download.count = bytes;
  downloads_.push_back(std::move(download));
}

void CudaDevice::deliver(std::uint64_t downloads) {
  for (; delivered_ < downloads; ++delivered_) {
    auto& download = downloads_.front();
    std::memcpy(download.to, download.bytes.data(), download.count);
    spare_downloads_.push_back(std::move(download));
    downloads_.pop_front();
  }
}

cudaGraph_t CudaDevice::capture(const std::function<void()>& queue) {
  // Other threads may allocate meanwhile.
  GPT2_CUDA_CHECK(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
  captures_ = true;
  const auto end = [&] {
    captures_ = false;
    cudaGraph_t graph = nullptr;
    const auto error = cudaStreamEndCapture(stream_, &graph);
    return std::pair(error, graph);
  };
  try {
    queue();
  } catch (...) {
    if (const auto graph = end().second; graph != nullptr) cudaGraphDestroy(graph);
    cudaGetLastError();  // what `queue` threw says more
    throw;
  }
  const auto [error, graph] = end();
  check_cuda(error, "recording work");
  return graph;
}

void CudaRecording::run(const std::function<void()>& queue) {
  if (called_at_ != device_.times_forgotten()) {
    forget();
    queue();
    called_at_ = device_.times_forgotten();
    return;
  }
  if (graph_ == nullptr) {
    const auto graph = device_.capture(queue);
    const auto error = cudaGraphInstantiateWithFlags(&graph_, graph, 0);
    cudaGraphDestroy(graph);
    check_cuda(error, "recording work");
  }
  GPT2_CUDA_CHECK(cudaGraphLaunch(graph_, device_.stream()));
}

void CudaRecording::forget() noexcept {
  if (graph_ == nullptr) return;
  cudaStreamSynchronize(device_.stream());  // it may be under way
  cudaGraphExecDestroy(std::exchange(graph_, nullptr));
}

void CudaDevice::synchronize() {
  GPT2_CUDA_CHECK(cudaStreamSynchronize(stream_));
  deliver(delivered_ + downloads_.size());
  marks_.clear();
}

std::uint64_t CudaDevice::mark() {
  auto& mark = marks_.emplace_back();
  mark.number = ++last_mark_;
  mark.downloads = delivered_ + downloads_.size();
  mark.passed.record(stream_);
  return mark.number;
}

void CudaDevice::wait_for(std::uint64_t mark) {
  for (; !marks_.empty() && marks_.front().number <= mark; marks_.pop_front()) {
    marks_.front().passed.wait();
    deliver(marks_.front().downloads);
  }
}

}  // namespace gpt2::device
