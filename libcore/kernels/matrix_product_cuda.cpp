// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/kernels/matrix_product_cuda.h"

#include <cublasLt.h>
#include <fmt/format.h>

#include <array>
#include <map>
#include <optional>
#include <tuple>

#include "formats/errors.h"

namespace gpt2::kernels {
namespace {

constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;  // what cuBLAS asks for on Hopper
constexpr std::int64_t kAlignedBytes = 16;

void check(cublasStatus_t status, std::string_view what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw formats::UnavailableError(
      fmt::format("device cuda: cuBLASLt: {}: {}", what, cublasLtGetStatusString(status)));
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

/// The largest power of two, up to 16 bytes, that rows of a matrix begin at multiples of.
int alignment_of(const GpuMatrix& matrix) {
  const auto bits = reinterpret_cast<std::uintptr_t>(matrix.data) |
                    static_cast<std::uintptr_t>(matrix.stride) * device::bytes_of(matrix.type) |
                    kAlignedBytes;
  return static_cast<int>(bits & -bits);
}

/// What decides how a product is done: sizes, types, strides, alignment. Not the data.
using Key = std::array<std::int64_t, 18>;

Key key_of(const MatrixProduct& p) {
  const auto part = [](const GpuMatrix& m) {
    return static_cast<std::int64_t>(m.type) * 64 + alignment_of(m) * 2 + (m.transposed ? 1 : 0);
  };
  return {p.rows,
          p.columns,
          p.inner,
          p.a.stride,
          p.b.stride,
          p.c.stride,
          part(p.a),
          part(p.b),
          part(p.c),
          p.add ? 1 : 0,
          static_cast<std::int64_t>(p.epilogue),
          p.pre_activation.stride,
          part(p.pre_activation)};
}

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

}  // namespace

struct MatrixProducts::State {
  State(device::CudaDevice& gpu, bool rounds_to_tf32)
      : device(gpu), tf32(rounds_to_tf32), workspace(gpu, kWorkspaceBytes) {
    check(cublasLtCreate(handle.out()), "Create");
  }

  std::optional<cublasLtMatmulAlgo_t> choose(const MatrixProduct& p, const Description& described) {
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
    cublasLtMatmulHeuristicResult_t result{};
    int found = 0;
    const auto status = cublasLtMatmulAlgoGetHeuristic(
        handle.get(), described.operation(), described.b(), described.a(), described.c(),
        described.c(), preference.get(), 1, &result, &found);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED || (status == CUBLAS_STATUS_SUCCESS && found == 0)) {
      return std::nullopt;
    }
    check(status, "MatmulAlgoGetHeuristic");
    return result.algo;
  }

  device::CudaDevice& device;
  bool tf32;
  device::DeviceBuffer workspace;
  Owned<cublasLtHandle_t, cublasLtDestroy> handle;
  std::map<Key, std::optional<cublasLtMatmulAlgo_t>> chosen;  // none: there is no way
};

MatrixProducts::MatrixProducts(device::CudaDevice& device, bool tf32)
    : state_(std::make_unique<State>(device, tf32)) {}
MatrixProducts::~MatrixProducts() = default;

bool MatrixProducts::multiply(const MatrixProduct& p) {
  const auto shape = [&] { return fmt::format("{} x {} x {}", p.rows, p.columns, p.inner); };
  // The auxiliary matrix must lie at multiples of 16 bytes (cublasLt.h, EPILOGUE_AUX_LD).
  if (p.pre_activation.data != nullptr && p.epilogue != Epilogue::kNone &&
      alignment_of(p.pre_activation) < kAlignedBytes) {
    return false;
  }
  const Description described(p, state_->tf32 && p.a.type == device::DataType::kF32);
  const auto [entry, is_new] = state_->chosen.try_emplace(key_of(p));
  if (is_new) entry->second = state_->choose(p, described);
  if (!entry->second) {
    if (p.epilogue != Epilogue::kNone) return false;
    throw formats::UnavailableError(
        fmt::format("device cuda: cuBLASLt has no way to do a product of {}", shape()));
  }
  const float alpha = 1, beta = p.add ? 1.0F : 0.0F;
  check(cublasLtMatmul(state_->handle.get(), described.operation(), &alpha, p.b.data, described.b(),
                       p.a.data, described.a(), &beta, p.c.data, described.c(), p.c.data,
                       described.c(), &*entry->second, state_->workspace.data(), kWorkspaceBytes,
                       state_->device.stream()),
        shape());
  return true;
}

}  // namespace gpt2::kernels
