// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/kernels/matrix_product_cuda.h"

#include <cublasLt.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "formats/errors.h"
#include "libcore/kernels/product_choices_cuda.h"

namespace gpt2::kernels {
namespace {

constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;  // what cuBLAS asks for on Hopper
constexpr int kMostCandidates = 8;
constexpr int kTimings = 3, kRunsOfTiming = 4;  // of each candidate

void check(cublasStatus_t status, std::string_view what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw formats::UnavailableError(
      fmt::format("device cuda: cuBLASLt: {}: {}", what, cublasLtGetStatusString(status)));
}

std::string shape_of(const MatrixProduct& p) {
  return fmt::format("{} x {} x {}", p.rows, p.columns, p.inner);
}

cudaDataType_t type_of(device::DataType type) {
  switch (type) {
    case device::DataType::kBF16:
      return CUDA_R_16BF;
    case device::DataType::kF16:
      return CUDA_R_16F;
    default:
      return CUDA_R_32F;
  }
}

/// An object of cuBLASLt, destroyed with it.
template <class Handle, cublasStatus_t (*kDestroy)(Handle)>
class Owned {
 public:
  Owned() = default;
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() {
    if (handle_ != nullptr) kDestroy(handle_);
  }
  Handle* out() { return &handle_; }
  Handle get() const { return handle_; }

 private:
  Handle handle_ = nullptr;
};

/// A product as cuBLASLt wants it: columns run first there, so it computes c^T = b^T a^T.
class Description {
 public:
  Description(const MatrixProduct& p, bool tf32) {
    check(
        cublasLtMatmulDescCreate(
            operation_.out(), tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F),
        "MatmulDescCreate");
    set(CUBLASLT_MATMUL_DESC_TRANSA, p.b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, p.a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (p.epilogue != Epilogue::kNone) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue_of(p));
      if (p.bias != nullptr) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
      if (p.column_sums != nullptr) {
        set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.column_sums);
        set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, CUDA_R_32F);
      }
      if (p.pre_activation.data != nullptr) {
        set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, p.pre_activation.data);
        set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, p.pre_activation.stride);
      }
    }
    layout(b_, p.b, p.inner, p.columns);
    layout(a_, p.a, p.rows, p.inner);
    layout(c_, p.c, p.rows, p.columns);
  }
  cublasLtMatmulDesc_t operation() const { return operation_.get(); }
  cublasLtMatrixLayout_t a() const { return a_.get(); }
  cublasLtMatrixLayout_t b() const { return b_.get(); }
  cublasLtMatrixLayout_t c() const { return c_.get(); }

 private:
  using Layout = Owned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;

  template <class Value>
  void set(cublasLtMatmulDescAttributes_t attribute, const Value& value) {
    check(cublasLtMatmulDescSetAttribute(operation_.get(), attribute, &value, sizeof value),
          "MatmulDescSetAttribute");
  }
  static cublasLtEpilogue_t epilogue_of(const MatrixProduct& p) {
    switch (p.epilogue) {
      case Epilogue::kBias:
        return CUBLASLT_EPILOGUE_BIAS;
      case Epilogue::kBiasGelu:
        return CUBLASLT_EPILOGUE_GELU_AUX_BIAS;
      case Epilogue::kGeluSlope:
        return CUBLASLT_EPILOGUE_DGELU;
      case Epilogue::kColumnSums:
        return CUBLASLT_EPILOGUE_BGRADA;  // b is the first factor there
      default:
        return CUBLASLT_EPILOGUE_DEFAULT;
    }
  }
  /// `rows` and `columns` as the product reads the matrix; stored it may be the transpose.
  static void layout(Layout& layout, const GpuMatrix& m, std::int64_t rows, std::int64_t columns) {
    const auto stored_rows = static_cast<std::uint64_t>(m.transposed ? columns : rows);
    const auto stored_columns = static_cast<std::uint64_t>(m.transposed ? rows : columns);
    check(cublasLtMatrixLayoutCreate(layout.out(), type_of(m.type), stored_columns, stored_rows,
                                     m.stride),
          "MatrixLayoutCreate");
  }

  Owned<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy> operation_;
  Layout a_, b_, c_;
};

/// A point in the stream's work.
class Event {
 public:
  Event() { GPT2_CUDA_CHECK(cudaEventCreate(&event_)); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { cudaEventDestroy(event_); }
  cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace

struct MatrixProducts::State {
  State(device::CudaDevice& gpu, bool rounds_to_tf32)
      : device(gpu), tf32(rounds_to_tf32), workspace(gpu, kWorkspaceBytes) {
    check(cublasLtCreate(handle.out()), "Create");
  }

  /// The ways that the library thinks best, the best first; at most `most`.
  std::vector<cublasLtMatmulAlgo_t> candidates(const MatrixProduct& p, const Description& described,
                                               int most) {
    Owned<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy> preference;
    check(cublasLtMatmulPreferenceCreate(preference.out()), "MatmulPreferenceCreate");
    const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
      check(cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof value),
            "MatmulPreferenceSetAttribute");
    };
    const std::uint64_t workspace_bytes = kWorkspaceBytes;
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace_bytes);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<std::uint32_t>(alignment_of(p.b)));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<std::uint32_t>(alignment_of(p.a)));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<std::uint32_t>(alignment_of(p.c)));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<std::uint32_t>(alignment_of(p.c)));
    std::array<cublasLtMatmulHeuristicResult_t, kMostCandidates> results{};
    int found = 0;
    const auto status = cublasLtMatmulAlgoGetHeuristic(
        handle.get(), described.operation(), described.b(), described.a(), described.c(),
        described.c(), preference.get(), most, results.data(), &found);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED) return {};
    if (status == CUBLAS_STATUS_INVALID_VALUE && p.epilogue != Epilogue::kNone) return {};
    check(status, "MatmulAlgoGetHeuristic");
    std::vector<cublasLtMatmulAlgo_t> algorithms;
    for (int i = 0; i < found; ++i) {
      if (results[i].state == CUBLAS_STATUS_SUCCESS) algorithms.push_back(results[i].algo);
    }
    return algorithms;
  }

  cublasStatus_t run(const MatrixProduct& p, const Description& described,
                     const cublasLtMatmulAlgo_t& algorithm) {
    const float alpha = 1, beta = p.add ? 1.0F : 0.0F;
    return cublasLtMatmul(handle.get(), described.operation(), &alpha, p.b.data, described.b(),
                          p.a.data, described.a(), &beta, p.c.data, described.c(), p.c.data,
                          described.c(), &algorithm, workspace.data(), kWorkspaceBytes,
                          device.stream());
  }

  /// Milliseconds of one `run`, the least of some timings; infinite if it returns false.
  float time(const std::function<bool()>& run) {
    const Event begin, end;
    float least = INFINITY;
    for (int timing = 0; timing < kTimings; ++timing) {
      if (!run()) return INFINITY;  // the GPU is at it while the host queues what is timed
      GPT2_CUDA_CHECK(cudaEventRecord(begin.get(), device.stream()));
      for (int i = 0; i < kRunsOfTiming; ++i) {
        if (!run()) return INFINITY;
      }
      GPT2_CUDA_CHECK(cudaEventRecord(end.get(), device.stream()));
      GPT2_CUDA_CHECK(cudaEventSynchronize(end.get()));
      float milliseconds = 0;
      GPT2_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, begin.get(), end.get()));
      least = std::min(least, milliseconds / kRunsOfTiming);
    }
    return least;
  }

  /// The recorded way, if it is one for this product: the record comes from a file.
  std::optional<cublasLtMatmulAlgo_t> recorded(const ProductChoice& choice,
                                               const Description& described) {
    cublasLtMatmulAlgo_t algorithm{};
    static_assert(sizeof algorithm.data == sizeof choice);
    std::ranges::copy(choice, algorithm.data);
    cublasLtMatmulHeuristicResult_t result{};
    const auto status =
        cublasLtMatmulAlgoCheck(handle.get(), described.operation(), described.b(), described.a(),
                                described.c(), described.c(), &algorithm, &result);
    if (status != CUBLAS_STATUS_SUCCESS || result.workspaceSize > kWorkspaceBytes) return {};
    return algorithm;
  }

  /// None: in parts, if there are any.
  std::optional<cublasLtMatmulAlgo_t> choose(const MatrixProduct& p, const ProductKey& key,
                                             const Description& described,
                                             const std::function<void()>& in_parts) {
    if (const auto choice = choices.of_products.find(key); choice != choices.of_products.end()) {
      if (in_parts && choice->second == kInParts) return std::nullopt;
      if (const auto algorithm = recorded(choice->second, described)) return algorithm;
    }
    const auto algorithms = candidates(p, described, choosing ? kMostCandidates : 1);
    if (algorithms.empty()) return std::nullopt;
    if (!choosing) return algorithms.front();
    std::optional<cublasLtMatmulAlgo_t> best;
    float best_time = INFINITY;
    for (const auto& algorithm : algorithms) {
      const float milliseconds =
          time([&] { return run(p, described, algorithm) == CUBLAS_STATUS_SUCCESS; });
      if (milliseconds >= best_time) continue;
      best_time = milliseconds;
      best = algorithm;
    }
    if (in_parts && time([&] { return in_parts(), true; }) < best_time) best.reset();
    auto& choice = choices.of_products[key] = kInParts;
    if (best) std::ranges::copy(best->data, choice.begin());
    return best;
  }

  /// False: nothing was done; there is no way, or `in_parts` is the way.
  bool multiply(const MatrixProduct& p, const std::function<void()>& in_parts) {
    const bool rounds = tf32 && p.a.type == device::DataType::kF32;
    if (in_parts && !fits_epilogue(p, rounds)) return false;
    const Description described(p, rounds);
    const auto key = key_of(p, rounds);
    auto way = taken.find(key);
    if (way == taken.end()) {
      const auto chosen = choose(p, key, described, in_parts);
      way = taken.emplace(key, chosen).first;
    }
    if (!way->second) return false;
    const auto status = run(p, described, *way->second);
    if (status != CUBLAS_STATUS_SUCCESS && in_parts) {
      way->second.reset();
      return false;
    }
    check(status, shape_of(p));
    return true;
  }

  device::CudaDevice& device;
  bool tf32;
  device::DeviceBuffer workspace;
  Owned<cublasLtHandle_t, cublasLtDestroy> handle;
  bool choosing = false;
  ProductChoices choices;                                           // by timing
  std::map<ProductKey, std::optional<cublasLtMatmulAlgo_t>> taken;  // none: in parts
};

MatrixProducts::MatrixProducts(device::CudaDevice& device, bool tf32)
    : state_(std::make_unique<State>(device, tf32)) {
  int number = 0;
  GPT2_CUDA_CHECK(cudaGetDevice(&number));
  cudaDeviceProp properties{};
  GPT2_CUDA_CHECK(cudaGetDeviceProperties(&properties, number));
  state_->choices.made_by =
      fmt::format("{}, cuBLASLt {}", std::string_view(properties.name), cublasLtGetVersion());
}
MatrixProducts::~MatrixProducts() = default;

const std::string& MatrixProducts::made_by() const { return state_->choices.made_by; }

void MatrixProducts::begin_choosing() {
  state_->choices.of_products.clear();
  state_->taken.clear();
  state_->choosing = true;
}

std::string MatrixProducts::end_choosing() {
  state_->choosing = false;
  return state_->choices.encode();
}

bool MatrixProducts::use_choices(std::string_view record) {
  if (!state_->choices.take_up(record)) return false;
  state_->taken.clear();
  return true;
}

void MatrixProducts::multiply(const MatrixProduct& p) {
  if (state_->multiply(p, nullptr)) return;
  throw formats::UnavailableError(
      fmt::format("device cuda: cuBLASLt has no way to do a product of {}", shape_of(p)));
}
bool MatrixProducts::multiply(const MatrixProduct& p, const std::function<void()>& in_parts) {
  const bool at_once = state_->multiply(p, in_parts);
  if (!at_once) in_parts();
  return at_once;
}

}  // namespace gpt2::kernels
