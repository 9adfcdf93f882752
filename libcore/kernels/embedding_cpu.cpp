// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <fmt/format.h>

#include "formats/errors.h"
#include "libcore/kernels/dropout_cpu.h"
#include "libcore/kernels/kernels_cpu.h"
#include "libcore/kernels/parallel_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libcore/kernels/embedding_cpu.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, which includes this file once more for each instruction set.
#include "libcore/kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gpt2::kernels::HWY_NAMESPACE {

// x = (token + position) x factors; factors null: all 1.
void embed_row(const float* token, const float* position, const float* factors, std::int64_t C,
               float* x) {
  for_each_vector(C, [&](auto d, std::int64_t i) {
    auto sum = hn::Add(hn::LoadU(d, token + i), hn::LoadU(d, position + i));
    if (factors != nullptr) sum = hn::Mul(sum, hn::LoadU(d, factors + i));
    hn::StoreU(sum, d, x + i);
  });
}

// dtoken += dx x factors, dposition += the same.
void add_row_gradient(const float* dx, const float* factors, std::int64_t count, float* dtoken,
                      float* dposition) {
  for_each_vector(count, [&](auto d, std::int64_t i) {
    auto gradient = hn::LoadU(d, dx + i);
    if (factors != nullptr) gradient = hn::Mul(gradient, hn::LoadU(d, factors + i));
    hn::StoreU(hn::Add(hn::LoadU(d, dtoken + i), gradient), d, dtoken + i);
    hn::StoreU(hn::Add(hn::LoadU(d, dposition + i), gradient), d, dposition + i);
  });
}

}  // namespace gpt2::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gpt2::kernels {

HWY_EXPORT(embed_row);
HWY_EXPORT(add_row_gradient);

namespace {

constexpr std::int64_t kRowsOfTask = 16;
constexpr std::int64_t kChannelsOfTask =
    64;  // whole cache lines, and whole quads of random numbers

// Tokens come from files: one outside of the table would read or write memory that is not ours.
void check_tokens(const std::int32_t* tokens, std::int64_t count, std::int64_t table_rows) {
  for (std::int64_t row = 0; row < count; ++row) {
    if (tokens[row] < 0 || tokens[row] >= table_rows) {
      throw formats::UsageError(
          fmt::format("token {} at position {} of the batch is outside of the vocabulary of {}",
                      tokens[row], row, table_rows));
    }
  }
}

}  // namespace

void CpuKernels::embedding_forward(const EmbeddingForward& op) {
  const std::int64_t N = op.B * op.T, C = op.C;
  const std::int32_t* tokens = ints_of(op.tokens);
  const float *wte = floats_of(op.wte), *wpe = floats_of(op.wpe);
  float* x = floats_of(op.x);
  check_tokens(tokens, N, op.wte.sizes[0]);
  const std::int64_t first_position = op.first_position ? *ints_of(op.first_position) : 0;
  const bool dropout = op.dropout.probability != 0;
  float* factors_of_thread =
      dropout ? workspace_.reserve(team_.threads() * round_up(C, 16)) : nullptr;
  team_.for_each_task(divide_up(N, kRowsOfTask), [&](std::int64_t task, int thread) {
    const Range rows = range_of_task(task, kRowsOfTask, N);
    float* factors = dropout ? factors_of_thread + thread * round_up(C, 16) : nullptr;
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      const std::int64_t t = row % op.T;
      if (dropout) fill_dropout_factors(op.dropout, row / op.T, t * C, C, factors);
      HWY_DYNAMIC_DISPATCH(embed_row)
      (wte + tokens[row] * C, wpe + (first_position + t) * C, factors, C, x + row * C);
    }
  });
}

void CpuKernels::embedding_backward(const EmbeddingBackward& op) {
  const std::int64_t N = op.B * op.T, C = op.C;
  const std::int32_t* tokens = ints_of(op.tokens);
  const float* dx = floats_of(op.dx);
  float *dwte = floats_of(op.dwte), *dwpe = floats_of(op.dwpe);
  check_tokens(tokens, N, op.dwte.sizes[0]);
  const bool dropout = op.dropout.probability != 0;
  // A task owns some channels of both tables, so rows that share a token are added in the order of
  // the batch.
  team_.for_each_task(divide_up(C, kChannelsOfTask), [&](std::int64_t task, int) {
    const Range channels = range_of_task(task, kChannelsOfTask, C);
    alignas(64) float factors[kChannelsOfTask];
    for (std::int64_t row = 0; row < N; ++row) {
      const std::int64_t t = row % op.T;
      if (dropout) {
        fill_dropout_factors(op.dropout, row / op.T, t * C + channels.begin, channels.count(),
                             factors);
      }
      HWY_DYNAMIC_DISPATCH(add_row_gradient)
      (dx + row * C + channels.begin, dropout ? factors : nullptr, channels.count(),
       dwte + tokens[row] * C + channels.begin, dwpe + t * C + channels.begin);
    }
  });
}

}  // namespace gpt2::kernels
#endif
