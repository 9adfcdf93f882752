// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Kernels that are wrong on purpose: what a GPU does with them in silence, the emulator says.
#include "tests/emulator/emulator.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "formats/errors.h"
#include "libcore/kernels/kernels.h"
#include "tests/emulator/emulated_cuda.h"

// After the words that it is written in.
#include "libcore/kernels/launch_cuda.cuh"

namespace gpt2::emulator {
namespace {

using kernels::launch;

#ifdef __SANITIZE_ADDRESS__
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

/// Memory of the emulated device that holds NaNs.
struct Floats {
  explicit Floats(std::size_t float_count) : count(float_count) {
    BOOST_REQUIRE_EQUAL(cudaMalloc(reinterpret_cast<void**>(&data), count * sizeof(float)),
                        cudaSuccess);
  }
  Floats(const Floats&) = delete;
  Floats& operator=(const Floats&) = delete;
  ~Floats() { cudaFree(data); }
  std::vector<float> values() const { return {data, data + count}; }
  float* data = nullptr;
  std::size_t count;
};

/// What the launch of a wrong kernel throws; empty if it does not.
template <class... Parameters, class... Arguments>
std::string problem_of(void (*kernel)(Parameters...), dim3 block, const Arguments&... arguments) {
  try {
    launch(kernel, 1, block, 0, nullptr, arguments...);
  } catch (const EmulationError& error) {
    return error.what();
  }
  return "";
}
bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void number_threads(float* out) {
  const auto block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const auto threads = blockDim.x * blockDim.y * blockDim.z;
  const auto thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  out[block * threads + thread] = static_cast<float>(block * 1000 + thread);
}

void reverse_in_shared(const float* in, float* out) {
  SHARED_ARRAY(float, values, 96);
  values[threadIdx.x] = in[threadIdx.x];
  __syncthreads();
  out[threadIdx.x] = values[95 - threadIdx.x];
}
void reverse_without_barrier(const float* in, float* out) {
  SHARED_ARRAY(float, values, 96);
  values[threadIdx.x] = in[threadIdx.x];
  out[threadIdx.x] = values[95 - threadIdx.x];
}

void shuffle(float* out) {
  const auto lane = static_cast<float>(threadIdx.x);
  out[threadIdx.x] =
      __shfl_xor_sync(0xffffffffU, lane, 5) + 100 * __shfl_sync(0xffffffffU, lane, 3);
}

void scale(const float* in, float factor, float* out) {
  out[threadIdx.x] = factor * in[threadIdx.x];
}

void barrier_in_a_branch(float*) {
  if (threadIdx.x < 32) __syncthreads();
  if (threadIdx.x >= 32) __syncthreads();
}
void barrier_that_some_leave_out(float*) {
  if (threadIdx.x != 7) __syncthreads();
}
void shuffle_of_half_a_warp(float* out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_xor_sync(0xffffffffU, 1.F, 1);
}
void shuffle_with_a_mask(float* out) { out[threadIdx.x] = __shfl_xor_sync(0xffffU, 1.F, 1); }
void too_much_shared_memory(float*) {
  SHARED_ARRAY(float, values, 30 * 1024);
  values[threadIdx.x] = 0;
}
void some_shared_memory(float* out) {
  SHARED_ARRAY(float, values, 13 * 1024);
  values[threadIdx.x] = 0;
  out[threadIdx.x] = values[threadIdx.x];
}
void store_four_at(float* out) {
  const float values[4] = {1, 2, 3, 4};
  kernels::store<4>(values, out, threadIdx.x);
}
void write_beyond_the_end(float*) {
  SHARED_ARRAY(float, values, 33);
  values[threadIdx.x + 2] = 1;
}
void write_beyond_what_was_asked_for(float*) {
  DYNAMIC_SHARED(float, values);
  values[threadIdx.x] = 1;
}
void read_beyond_the_end(float* out) {
  SHARED_ARRAY(float, values, 32);
  values[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = values[threadIdx.x + 1];
}
void load_rows_from(const __nv_bfloat16* row) {
  std::uint32_t pairs[4];
  kernels::load_matrices(pairs, row);
}
void load_rows_at(int offset) {
  SHARED_ARRAY(__nv_bfloat16, rows, 32 * 8);
  load_rows_from(rows + threadIdx.x * 8 + static_cast<unsigned>(offset));
}
void copy_to(float* from, int offset, bool waits) {
  SHARED_ARRAY(float, values, 32 * 4);
  kernels::copy_async(values + threadIdx.x * 4 + static_cast<unsigned>(offset),
                      from + threadIdx.x * 4, true);
  kernels::commit_copies();
  if (waits) kernels::wait_for_copies<0>();
}
void load_rows_apart(int stride) {
  SHARED_ARRAY(__nv_bfloat16, rows, 32 * 72);
  std::uint32_t pairs[4];
  kernels::load_matrices(pairs, rows + threadIdx.x * static_cast<unsigned>(stride));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(emulator)

BOOST_AUTO_TEST_CASE(every_thread_of_every_block_runs_once) {
  const Floats out(2 * 3 * 2 * 4 * 2 * 5);
  launch(number_threads, dim3(2, 3, 2), dim3(4, 2, 5), 0, nullptr, out.data);
  const auto values = out.values();
  for (std::size_t i = 0; i < values.size(); ++i) {
    BOOST_REQUIRE_EQUAL(values[i], static_cast<float>(i / 40 * 1000 + i % 40));
  }
}

BOOST_AUTO_TEST_CASE(a_block_shares_memory_over_a_barrier_in_every_order) {
  const Floats in(96), out(96);
  for (std::size_t i = 0; i < 96; ++i) in.data[i] = static_cast<float>(i);
  for (const auto order : {Order::kForward, Order::kReverse, Order::kRandom}) {
    set_order(order, 3);
    launch(reverse_in_shared, 1, 96, 0, nullptr, in.data, out.data);
    for (std::size_t i = 0; i < 96; ++i) BOOST_TEST(out.data[i] == static_cast<float>(95 - i));
  }
  set_order(Order::kForward);
}

BOOST_AUTO_TEST_CASE(a_missing_barrier_gives_nan) {
  const Floats in(96), out(96);
  for (std::size_t i = 0; i < 96; ++i) in.data[i] = static_cast<float>(i);
  launch(reverse_without_barrier, 1, 96, 0, nullptr, in.data, out.data);
  BOOST_TEST(std::isnan(out.data[0]));  // the last thread had written nothing yet
}

BOOST_AUTO_TEST_CASE(lanes_see_each_others_values) {
  const Floats out(32);
  launch(shuffle, 1, 32, 0, nullptr, out.data);
  for (int i = 0; i < 32; ++i) BOOST_TEST(out.data[i] == static_cast<float>((i ^ 5) + 300));
}

BOOST_AUTO_TEST_CASE(barriers_and_collectives_that_not_all_reach_are_named) {
  const Floats out(64);
  const auto branch = problem_of(barrier_in_a_branch, 64, out.data);
  BOOST_TEST(holds(branch, "__syncthreads at emulator_test.cpp:"), branch);
  BOOST_TEST(holds(branch, "wait at that of emulator_test.cpp:"), branch);
  const auto left_out = problem_of(barrier_that_some_leave_out, 64, out.data);
  BOOST_TEST(holds(left_out, "hangs: 1 threads have ended, 63 wait for __syncthreads"), left_out);
  const auto half = problem_of(shuffle_of_half_a_warp, 32, out.data);
  BOOST_TEST(holds(half, "16 threads have ended, 16 wait for a collective of its warp"), half);
  BOOST_TEST(holds(problem_of(shuffle_with_a_mask, 32, out.data), "whole warps only"));
  BOOST_TEST(holds(problem_of(shuffle, 20, out.data), "lanes that the block does not have"));
}

BOOST_AUTO_TEST_CASE(launches_that_no_gpu_takes_are_refused) {
  const Floats out(64);
  BOOST_TEST(holds(problem_of(too_much_shared_memory, 32, out.data), "shared memory of the block"));
  BOOST_TEST(holds(problem_of(some_shared_memory, 32, out.data), "has not asked for more"));
  BOOST_CHECK_NO_THROW(launch(some_shared_memory, 1, 32, 40 * 1024, nullptr, out.data));
  BOOST_TEST(holds(problem_of(shuffle, dim3(32, 64), out.data), "must have 1 to 1024"));
  BOOST_CHECK_THROW(launch(shuffle, dim3(1, 70000), 32, 0, nullptr, out.data), EmulationError);
  BOOST_CHECK_THROW(launch(shuffle, 1, 32, 100 * 1024, nullptr, out.data), EmulationError);
}

BOOST_AUTO_TEST_CASE(accesses_that_do_not_lie_at_multiples_of_their_size_are_refused) {
  const Floats out(64);
  BOOST_TEST(holds(problem_of(store_four_at, 2, out.data), "thread (1, 0, 0): an access"));
  BOOST_TEST(problem_of(store_four_at, 1, out.data) == "");
  BOOST_TEST(holds(problem_of(load_rows_at, 32, 1), "not 16 bytes of shared memory"));
  BOOST_TEST(holds(problem_of(copy_to, 32, out.data, 1, true), "not of 16 bytes at multiples"));
}

BOOST_AUTO_TEST_CASE(shared_memory_ends_where_its_array_ends) {
  const Floats out(128);
  if (!kSanitized) {  // that ends the program at the access itself
    BOOST_TEST(
        holds(problem_of(write_beyond_the_end, 32, out.data), "beyond the end of 132 bytes"));
    BOOST_TEST(holds(problem_of(write_beyond_what_was_asked_for, 32, out.data),
                     "beyond the end of 0 bytes"));
    BOOST_TEST(problem_of(read_beyond_the_end, 32, out.data) == "");
    BOOST_TEST(std::isnan(out.values()[31]));
  }
  BOOST_TEST(holds(problem_of(load_rows_at, 32, 8), "not 16 bytes of shared memory"));
  BOOST_TEST(holds(problem_of(load_rows_from, 32, static_cast<const __nv_bfloat16*>(nullptr)),
                   "not 16 bytes of shared memory"));
  BOOST_TEST(holds(problem_of(copy_to, 32, out.data, 4, true), "to shared memory"));
  BOOST_TEST(problem_of(copy_to, 32, out.data, 0, true) == "");
}

BOOST_AUTO_TEST_CASE(copies_under_way_at_the_end_of_a_thread_are_refused) {
  const Floats from(128);
  BOOST_TEST(holds(problem_of(copy_to, 32, from.data, 0, false), "copies to shared memory"));
}

BOOST_AUTO_TEST_CASE(rows_of_a_matrix_in_the_same_banks_are_counted) {
  const auto before = bank_conflicts;
  launch(load_rows_apart, 1, 32, 0, nullptr, 72);
  BOOST_TEST(bank_conflicts == before);
  launch(load_rows_apart, 1, 32, 0, nullptr, 64);
  BOOST_TEST(bank_conflicts == before + 4 * 7);  // all eight rows of each of four matrices
}

BOOST_AUTO_TEST_CASE(attention_on_the_tensor_cores_has_no_bank_conflicts) {
  const auto device = device::open_device("cuda", 1);
  const auto kernels = kernels::open_kernels(*device, "bf16");
  constexpr std::int64_t T = 70;
  for (const std::int64_t C : {16, 32, 64, 80, 96, 128}) {
    const auto bf16 = [&](std::int64_t count) {
      return device::DeviceBuffer(*device, static_cast<std::size_t>(count) * 2);
    };
    const auto view = [](const device::DeviceBuffer& buffer, device::DataType type) {
      return device::TensorView(buffer.data(), type,
                                {static_cast<std::int64_t>(buffer.bytes() / bytes_of(type))});
    };
    const auto qkv = bf16(3 * T * C), out = bf16(T * C), dqkv = bf16(3 * T * C);
    const device::DeviceBuffer lse(*device, T * sizeof(float));
    const auto x = view(qkv, device::DataType::kBF16), y = view(out, device::DataType::kBF16),
               sums = view(lse, device::DataType::kF32);
    device->fill_zero(qkv.data(), qkv.bytes());
    const auto before = bank_conflicts;
    kernels->attention_forward({.qkv = x, .out = y, .lse = sums, .B = 1, .T = T, .C = C, .H = 1});
    kernels->attention_backward({.qkv = x,
                                 .out = y,
                                 .lse = sums,
                                 .dout = y,
                                 .dqkv = view(dqkv, device::DataType::kBF16),
                                 .B = 1,
                                 .T = T,
                                 .C = C,
                                 .H = 1});
    BOOST_TEST(bank_conflicts == before, "heads of " << C << " channels");
  }
}

BOOST_AUTO_TEST_CASE(a_graph_has_the_arguments_of_its_capture_and_memory_as_it_is) {
  const Floats in(4), out(4), copy(4);
  float factor = 2;
  cudaGraph_t graph = nullptr;
  BOOST_TEST(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  launch(scale, 1, 4, 0, nullptr, in.data, factor, out.data);
  cudaMemcpyAsync(copy.data, out.data, 16, cudaMemcpyDeviceToDevice, nullptr);
  cudaMemsetAsync(out.data, 0, 16, nullptr);
  BOOST_TEST(cudaStreamEndCapture(nullptr, &graph) == cudaSuccess);
  BOOST_TEST(std::isnan(out.values()[0]));  // kept, not done
  cudaGraphExec_t executable = nullptr;
  BOOST_TEST(cudaGraphInstantiateWithFlags(&executable, graph, 0) == cudaSuccess);
  cudaGraphDestroy(graph);
  factor = 100;
  for (const float value : {3.F, 4.F}) {
    std::fill_n(in.data, 4, value);
    BOOST_TEST(cudaGraphLaunch(executable, nullptr) == cudaSuccess);
    BOOST_TEST(copy.values() == std::vector<float>(4, 2 * value), boost::test_tools::per_element());
    BOOST_TEST(out.values() == std::vector<float>(4), boost::test_tools::per_element());
  }
  cudaGraphExecDestroy(executable);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_captured_is_an_error_and_ends_the_capture) {
  const Floats memory(4);
  const auto graph_after = [](const auto& call) {
    cudaGraph_t graph = nullptr;
    cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeThreadLocal);
    const auto error = call();
    BOOST_TEST(error == cudaErrorStreamCaptureUnsupported);
    BOOST_TEST(cudaStreamEndCapture(nullptr, &graph) == cudaErrorStreamCaptureInvalidated);
    return graph;
  };
  void* other = nullptr;
  BOOST_TEST(graph_after([&] { return cudaMalloc(&other, 4); }) == nullptr);
  BOOST_TEST(graph_after([&] { return cudaMallocHost(&other, 4); }) == nullptr);
  BOOST_TEST(graph_after([&] { return cudaFree(memory.data); }) == nullptr);
  BOOST_TEST(graph_after([&] { return cudaStreamSynchronize(nullptr); }) == nullptr);
  BOOST_TEST(graph_after([&] { return cudaEventSynchronize(nullptr); }) == nullptr);
  BOOST_TEST(cudaStreamSynchronize(nullptr) == cudaSuccess);
}

BOOST_AUTO_TEST_CASE(recorded_work_neither_waits_nor_allocates_nor_copies_from_or_to_the_host) {
  const auto device = device::open_device("cuda", 1);
  const auto kernels = kernels::open_kernels(*device);
  const device::DeviceBuffer buffer(*device, 4);
  float value = 0;
  for (const std::function<void()>& wrong : std::vector<std::function<void()>>{
           [&] { device->synchronize(); }, [&] { const device::DeviceBuffer more(*device, 4); },
           [&] { device->copy_to_host(&value, buffer.data(), 4); },
           [&] { device->queue_to_host(&value, buffer.data(), 4); },
           [&] { device->queue_to_device(buffer.data(), &value, 4); }}) {
    device->fill_zero(buffer.data(), 4);
    const auto work = kernels->record();
    const auto run = [&] {
      work->run([&] {
        device->fill_zero(buffer.data(), 4);
        wrong();
      });
    };
    run();  // as it is
    BOOST_CHECK_THROW(run(), formats::UnavailableError);
    device->copy_to_host(&value, buffer.data(), 4);
    BOOST_TEST(value == 0);
  }
}

BOOST_AUTO_TEST_CASE(copies_of_the_runtime_know_host_from_device) {
  const Floats device(4);
  float host[4] = {1, 2, 3, 4};
  BOOST_TEST(cudaMemcpyAsync(device.data, host, 16, cudaMemcpyHostToDevice, nullptr) ==
             cudaSuccess);
  BOOST_TEST(cudaMemcpyAsync(host, device.data, 16, cudaMemcpyHostToDevice, nullptr) !=
             cudaSuccess);
  BOOST_TEST(cudaMemcpyAsync(host, host, 16, cudaMemcpyDeviceToHost, nullptr) != cudaSuccess);
  BOOST_TEST(cudaMemsetAsync(host, 0, 16, nullptr) != cudaSuccess);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::emulator
