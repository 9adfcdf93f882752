// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The CUDA runtime of the emulated device. Fresh memory is filled with NaNs.
#include <cuda_runtime_api.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "tests/emulator/emulator.h"

namespace {

namespace emulator = gpt2::emulator;

constexpr std::size_t kDeviceBytes = std::size_t{1} << 32;

struct Heap {
  std::mutex mutex;
  std::map<void*, std::size_t> pieces;
  std::size_t used = 0;
};
Heap& heap() {
  static Heap instance;
  return instance;
}

using Work = std::vector<std::function<void()>>;

/// What this thread captures. Its calls alone can break the capture
/// (cudaStreamCaptureModeThreadLocal).
struct Capture {
  bool goes_on = false, broken = false;
  Work work;
};
thread_local Capture capture;

/// For calls that a capture does not allow: they fail, and the capture with them.
cudaError_t break_capture() {
  if (!capture.goes_on) return cudaSuccess;
  capture.broken = true;
  return cudaErrorStreamCaptureUnsupported;
}

}  // namespace

struct CUgraph_st {
  Work work;
};
struct CUgraphExec_st {
  Work work;
};

std::uint64_t emulator::graph_launches = 0;

void emulator::queue(std::function<void()> work) {
  if (!capture.goes_on) {
    work();
  } else if (!capture.broken) {
    capture.work.push_back(std::move(work));
  }
}

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated:
      return "cudaErrorStreamCaptureInvalidated";
    default:
      return "cudaErrorInvalidValue";
  }
}
const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "out of memory" : cudaGetErrorName(error);
}
cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaGetDeviceCount(int* count) {
  const char* gpus = std::getenv("GPT2_EMULATOR_GPUS");
  *count = gpus != nullptr ? std::atoi(gpus) : 1;
  return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
}
cudaError_t cudaSetDevice(int device) {
  int count = 0;
  cudaGetDeviceCount(&count);
  return device >= 0 && device < count ? cudaSuccess : cudaErrorInvalidValue;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  *properties = {.name = "emulated GPU",  // its kind, unless GPT2_EMULATOR_GPU says another
                 .uuid = {{static_cast<char>(device)}},
                 .totalGlobalMem = kDeviceBytes,
                 .major = 8,
                 .minor = 6,
                 .multiProcessorCount = 4};
  if (const char* kind = std::getenv("GPT2_EMULATOR_GPU"); kind != nullptr) {
    std::strncpy(properties->name, kind, sizeof(properties->name) - 1);
  }
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total_bytes) {
  const std::scoped_lock lock(heap().mutex);
  *total_bytes = kDeviceBytes;
  *free_bytes = kDeviceBytes - heap().used;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  constexpr std::size_t kAlignment = 256;
  if (const auto error = break_capture(); error != cudaSuccess) return error;
  const std::scoped_lock lock(heap().mutex);
  *memory = nullptr;
  if (bytes > kDeviceBytes - heap().used) return cudaErrorMemoryAllocation;
  // Not rounded up: AddressSanitizer sees the first byte after the end.
  if (::posix_memalign(memory, kAlignment, bytes) != 0) return cudaErrorMemoryAllocation;
  std::memset(*memory, 0xFF, bytes);
  heap().pieces[*memory] = bytes;
  heap().used += bytes;
  emulator::add_device_memory(*memory, bytes);
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  if (const auto error = break_capture(); error != cudaSuccess) return error;
  const std::scoped_lock lock(heap().mutex);
  const auto piece = heap().pieces.find(memory);
  if (piece == heap().pieces.end()) return cudaErrorInvalidValue;
  heap().used -= piece->second;
  heap().pieces.erase(piece);
  emulator::remove_device_memory(memory);
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  if (const auto error = break_capture(); error != cudaSuccess) return error;
  *memory = std::malloc(bytes);
  return *memory != nullptr ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFreeHost(void* memory) {
  if (const auto error = break_capture(); error != cudaSuccess) return error;
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = reinterpret_cast<cudaEvent_t>(std::malloc(1));
  return *event != nullptr ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return break_capture(); }
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  std::free(event);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t) {
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (bytes == 0) return cudaSuccess;
  if (emulator::is_device_memory(to) != to_device ||
      emulator::is_device_memory(from) != from_device) {
    return cudaErrorInvalidValue;
  }
  emulator::queue([=] { std::memmove(to, from, bytes); });
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t) {
  if (bytes == 0) return cudaSuccess;
  if (!emulator::is_device_memory(memory)) return cudaErrorInvalidValue;
  emulator::queue([=] { std::memset(memory, value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = nullptr;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) { return break_capture(); }
cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  if (capture.goes_on) return cudaErrorInvalidValue;
  capture = {.goes_on = true};
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  *graph = nullptr;
  if (!capture.goes_on) return cudaErrorInvalidValue;
  const auto ended = std::exchange(capture, {});
  if (ended.broken) return cudaErrorStreamCaptureInvalidated;
  *graph = new CUgraph_st{ended.work};
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph,
                                          unsigned long long) {
  *executable = new CUgraphExec_st{graph->work};
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t) {
  if (const auto error = break_capture(); error != cudaSuccess) return error;
  ++emulator::graph_launches;
  for (const auto& work : executable->work) work();
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
