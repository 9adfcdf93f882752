// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The products of the emulated GPU: plain loops with the rules of cuBLASLt's epilogues, so that ops
// go both ways, through an epilogue and without.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cmath>
#include <cstdlib>
#include <stdexcept>
#include <vector>

#include "libcore/kernels/product_choices_cuda.h"
#include "tests/emulator/emulator.h"
#include "tests/support/tf32.h"

namespace gpt2::kernels {
namespace {

using device::DataType;

/// Row `row` as the product reads the matrix, in floats.
float element(const GpuMatrix& m, std::int64_t row, std::int64_t column) {
  const auto at = m.transposed ? column * m.stride + row : row * m.stride + column;
  if (m.type == DataType::kF32) return static_cast<const float*>(m.data)[at];
  return m.type == DataType::kF16 ? __half2float(static_cast<const __half*>(m.data)[at])
                                  : __bfloat162float(static_cast<const __nv_bfloat16*>(m.data)[at]);
}
void set_element(const GpuMatrix& m, std::int64_t row, std::int64_t column, float value) {
  const auto at = row * m.stride + column;
  if (m.type == DataType::kF32) {
    static_cast<float*>(m.data)[at] = value;
  } else if (m.type == DataType::kF16) {
    static_cast<__half*>(m.data)[at] = __float2half_rn(value);
  } else {
    static_cast<__nv_bfloat16*>(m.data)[at] = __float2bfloat16_rn(value);
  }
}

double tanh_argument(double x) { return 0.7978845608028654 * (x + 0.044715 * x * x * x); }
float gelu_of(float x) { return static_cast<float>(0.5 * x * (1 + std::tanh(tanh_argument(x)))); }
float slope_of(float x) {
  const double tanh = std::tanh(tanh_argument(x));
  return static_cast<float>(0.5 * (1 + tanh) + 0.5 * x * (1 - tanh * tanh) * 0.7978845608028654 *
                                                   (1 + 3 * 0.044715 * x * x));
}

/// The sums of the first `half` of the inner elements are rounded before the others are added.
void compute(const MatrixProduct& p, std::int64_t half, bool tf32) {
  const auto factor = [&](const GpuMatrix& m, std::int64_t row, std::int64_t column) {
    const float value = element(m, row, column);
    return tf32 && m.type == DataType::kF32 ? support::rounded_to_tf32(value) : value;
  };
  std::vector<float> b(static_cast<std::size_t>(p.inner * p.columns));
  for (std::int64_t k = 0; k < p.inner; ++k) {
    for (std::int64_t column = 0; column < p.columns; ++column) {
      b[k * p.columns + column] = factor(p.b, k, column);
    }
  }
  if (p.epilogue == Epilogue::kColumnSums) {
    for (std::int64_t column = 0; column < p.columns; ++column) {
      double sum = 0;
      for (std::int64_t k = 0; k < p.inner; ++k) sum += b[k * p.columns + column];
      p.column_sums[column] = static_cast<float>(sum);
    }
  }
  const GpuMatrix bias{.data = const_cast<void*>(p.bias), .type = p.c.type};
  std::vector<double> sums(static_cast<std::size_t>(p.columns));
  for (std::int64_t row = 0; row < p.rows; ++row) {
    std::fill(sums.begin(), sums.end(), 0);
    for (std::int64_t k = 0; k < p.inner; ++k) {
      if (k == half) {
        for (double& sum : sums) sum = static_cast<float>(sum);
      }
      const double a = factor(p.a, row, k);
      const float* b_row = b.data() + k * p.columns;
      for (std::int64_t column = 0; column < p.columns; ++column) sums[column] += a * b_row[column];
    }
    for (std::int64_t column = 0; column < p.columns; ++column) {
      auto value = static_cast<float>(sums[column]);
      switch (p.epilogue) {
        case Epilogue::kNone:
        case Epilogue::kColumnSums:
          break;
        case Epilogue::kBias:
          value += element(bias, 0, column);
          break;
        case Epilogue::kBiasGelu:
          value += element(bias, 0, column);
          set_element(p.pre_activation, row, column, value);
          value = gelu_of(value);
          break;
        case Epilogue::kGeluSlope:
          value *= slope_of(element(p.pre_activation, row, column));
          break;
      }
      set_element(p.c, row, column, value + (p.add ? element(p.c, row, column) : 0));
    }
  }
}

constexpr ProductChoice kInHalves{2};

}  // namespace

struct MatrixProducts::State {
  explicit State(bool rounds_to_tf32) : tf32(rounds_to_tf32) {
    cudaDeviceProp properties{};
    cudaGetDeviceProperties(&properties, 0);
    choices.made_by = properties.name;
  }
  /// The sums are taken one by one, or in two halves, or an epilogue is left to the parts. Timing
  /// would find now the one and now the other: GPT2_EMULATOR_TIMINGS tells processes apart.
  ProductChoice way_of(const MatrixProduct& p) {
    static constexpr ProductChoice kOneByOne{1};
    const auto key = key_of(p, tf32);
    if (choosing) {
      static std::uint64_t timings = [] {
        const char* before = std::getenv("GPT2_EMULATOR_TIMINGS");
        return before == nullptr ? 0 : std::strtoull(before, nullptr, 10);
      }();
      const auto [entry, is_new] = choices.of_products.try_emplace(key, kOneByOne);
      if (is_new) {
        const auto timing = timings++;
        if (timing % 3 == 1) entry->second = kInHalves;
        if (timing % 3 == 2 && p.epilogue != Epilogue::kNone) entry->second = kInParts;
      }
    }
    const auto chosen = choices.of_products.find(key);
    return chosen == choices.of_products.end() ? kOneByOne : chosen->second;
  }
  void multiply(const MatrixProduct& p) {
    const std::int64_t half = way_of(p) == kInHalves ? p.inner / 2 : 0;
    emulator::queue([p, half, rounds = tf32] { compute(p, half, rounds); });
  }

  bool tf32, choosing = false;
  ProductChoices choices;
};
MatrixProducts::MatrixProducts(device::CudaDevice&, bool tf32)
    : state_(std::make_unique<State>(tf32)) {}
MatrixProducts::~MatrixProducts() = default;

const std::string& MatrixProducts::made_by() const { return state_->choices.made_by; }

void MatrixProducts::begin_choosing() {
  state_->choices.of_products.clear();
  state_->choosing = true;
}
std::string MatrixProducts::end_choosing() {
  state_->choosing = false;
  return state_->choices.encode();
}
bool MatrixProducts::use_choices(std::string_view record) {
  return state_->choices.take_up(record);
}

void MatrixProducts::multiply(const MatrixProduct& p) { state_->multiply(p); }
bool MatrixProducts::multiply(const MatrixProduct& p, const std::function<void()>& in_parts) {
  // As cuBLASLt, which has these sums where rows lie at multiples of 16 bytes and types are short.
  const bool has_sums = p.b.type != DataType::kF32 && p.b.stride % 8 == 0;
  if (!fits_epilogue(p, state_->tf32) || (p.epilogue == Epilogue::kColumnSums && !has_sums) ||
      state_->way_of(p) == kInParts) {
    in_parts();
    return false;
  }
  state_->multiply(p);
  return true;
}

}  // namespace gpt2::kernels
