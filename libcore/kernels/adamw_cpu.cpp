// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/errors.h"
#include "libcore/kernels/adamw_pieces.h"
#include "libcore/kernels/kernels_cpu.h"
#include "libcore/kernels/parallel_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libcore/kernels/adamw_cpu.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, which includes this file once more for each instruction set.
#include "libcore/kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gpt2::kernels::HWY_NAMESPACE {

void update_block(const AdamWUpdate& op, float weight_decay, std::int64_t begin,
                  std::int64_t count) {
  const UpdateOutcome outcome = *op.outcome;
  float* parameter = op.parameter.f32() + begin;
  float* exp_avg = op.exp_avg.f32() + begin;
  float* exp_avg_sq = op.exp_avg_sq.f32() + begin;
  const float* gradient = op.gradient.f32() + begin;
  for_each_vector(count, [&](auto d, std::int64_t i) {
    const auto g = hn::Mul(hn::LoadU(d, gradient + i), hn::Set(d, outcome.gradient_scale));
    const auto m = hn::MulAdd(hn::Set(d, op.beta1), hn::LoadU(d, exp_avg + i),
                              hn::Mul(hn::Set(d, 1 - op.beta1), g));
    const auto v = hn::MulAdd(hn::Set(d, op.beta2), hn::LoadU(d, exp_avg_sq + i),
                              hn::Mul(hn::Set(d, 1 - op.beta2), hn::Mul(g, g)));
    const auto p = hn::LoadU(d, parameter + i);
    const auto root = hn::Sqrt(hn::Mul(v, hn::Set(d, outcome.correction2)));
    const auto step =
        hn::Div(hn::Mul(m, hn::Set(d, outcome.correction1)), hn::Add(root, hn::Set(d, op.epsilon)));
    const auto change = hn::MulAdd(hn::Set(d, weight_decay), p, step);
    hn::StoreU(m, d, exp_avg + i);
    hn::StoreU(v, d, exp_avg_sq + i);
    hn::StoreU(hn::NegMulAdd(hn::Set(d, op.learning_rate), change, p), d, parameter + i);
  });
}

}  // namespace gpt2::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gpt2::kernels {

HWY_EXPORT(update_block);

void CpuKernels::adamw_update(const AdamWUpdate& op) {
  for (const auto& view : {op.parameter, op.gradient, op.exp_avg, op.exp_avg_sq}) floats_of(view);
  if (op.compute_copy) {
    throw formats::UsageError("a CPU computes with the parameters themselves, not with a copy");
  }
  if (op.outcome->is_done == 0) return;
  constexpr std::int64_t kElementsOfTask = 64 * 1024;
  const auto pieces = pieces_of(op.parts, kElementsOfTask);
  team_.for_each_task(std::ssize(pieces), [&](std::int64_t task, int) {
    const auto& piece = pieces[static_cast<std::size_t>(task)];
    HWY_DYNAMIC_DISPATCH(update_block)
    (op, piece.weight_decay, piece.first, piece.count);
  });
}

void CpuKernels::decide_update(const UpdateDecision& op) {
  decide(doubles_of(op.loss_sums), doubles_of(op.squares), op.terms(), *op.outcome);
}

}  // namespace gpt2::kernels
#endif
