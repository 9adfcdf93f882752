// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// One launch for all parameters: each block reads from a table which elements are its own.
#include <algorithm>

#include "libcore/kernels/adamw_pieces.h"
#include "libcore/kernels/kernels_cuda.h"
#include "libcore/kernels/launch_cuda.cuh"

namespace gpt2::kernels {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kElementsOfPiece = 4096;

struct Update {
  const AdamWPart* pieces;  // one for each block
  float *parameter, *exp_avg, *exp_avg_sq;
  const float* gradient;
  const UpdateOutcome* outcome;
  float learning_rate, beta1, beta2, epsilon;
};

// compute_copy may be null.
template <int kWidth, class Copy>
__global__ void adamw_kernel(Update update, Copy* compute_copy) {
  if (update.outcome->is_done == 0) return;
  const AdamWPart piece = update.pieces[blockIdx.x];
  const float gradient_scale = update.outcome->gradient_scale;
  const float correction1 = update.outcome->correction1, correction2 = update.outcome->correction2;
  for (std::int64_t offset = std::int64_t{threadIdx.x} * kWidth; offset < piece.count;
       offset += kThreads * kWidth) {
    const std::int64_t i = piece.first + offset;
    float parameter[kWidth], gradient[kWidth], m[kWidth], v[kWidth];
    load<kWidth>(update.parameter, i, parameter);
    load<kWidth>(update.gradient, i, gradient);
    load<kWidth>(update.exp_avg, i, m);
    load<kWidth>(update.exp_avg_sq, i, v);
    for (int k = 0; k < kWidth; ++k) {
      const float g = gradient[k] * gradient_scale;
      m[k] = update.beta1 * m[k] + (1 - update.beta1) * g;
      v[k] = update.beta2 * v[k] + (1 - update.beta2) * (g * g);
      const float step = m[k] * correction1 / (sqrtf(v[k] * correction2) + update.epsilon);
      parameter[k] -= update.learning_rate * (piece.weight_decay * parameter[k] + step);
    }
    store<kWidth>(parameter, update.parameter, i);
    if (compute_copy != nullptr) store<kWidth>(parameter, compute_copy, i);
    store<kWidth>(m, update.exp_avg, i);
    store<kWidth>(v, update.exp_avg_sq, i);
  }
}

__global__ void decide_kernel(double* loss_sums, const double* squares, UpdateTerms terms,
                              UpdateOutcome* outcome) {
  decide(loss_sums, squares, terms, *outcome);
}

}  // namespace

void AdamWTable::fill(device::Device& device, std::span<const AdamWPart> parts) {
  if (std::ranges::equal(parts, parts_)) return;
  const auto pieces = pieces_of(parts, kElementsOfPiece);
  const auto bytes = pieces.size() * sizeof(AdamWPart);
  if (bytes > memory_.bytes()) memory_ = device::DeviceBuffer(device, bytes);
  device.copy_to_device(memory_.data(), pieces.data(), bytes);
  parts_.assign(parts.begin(), parts.end());
  piece_count_ = pieces.size();
}

void CudaKernels::adamw_update(const AdamWUpdate& op) {
  adamw_table_.fill(device_, op.parts);
  if (adamw_table_.piece_count() == 0) return;
  const Update update{.pieces = adamw_table_.pieces(),
                      .parameter = cuda_floats(op.parameter),
                      .exp_avg = cuda_floats(op.exp_avg),
                      .exp_avg_sq = cuda_floats(op.exp_avg_sq),
                      .gradient = cuda_floats(op.gradient),
                      .outcome = op.outcome,
                      .learning_rate = op.learning_rate,
                      .beta1 = op.beta1,
                      .beta2 = op.beta2,
                      .epsilon = op.epsilon};
  // The widest access that all parts allow.
  std::int64_t divisor = kWidest<float>;
  for (const auto& part : op.parts) {
    if (part.first % divisor != 0 || part.count % divisor != 0) divisor = 1;
  }
  with_width<float>(
      divisor,
      {update.parameter, update.exp_avg, update.exp_avg_sq, op.compute_copy.data, update.gradient},
      [&](auto width) {
        with_element(op.compute_copy, [&](auto element) {
          using Copy = decltype(element);
          launch(adamw_kernel<width, Copy>, static_cast<unsigned>(adamw_table_.piece_count()),
                 kThreads, 0, stream(), update, cuda_elements<Copy>(op.compute_copy));
        });
      });
}

void CudaKernels::decide_update(const UpdateDecision& op) {
  launch(decide_kernel, 1, 1, 0, stream(), cuda_elements<double>(op.loss_sums),
         cuda_elements<double>(op.squares), op.terms(), op.outcome);
}

}  // namespace gpt2::kernels
