// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <cmath>

#include "libcore/kernels/kernels_cuda.h"
#include "libcore/kernels/launch_cuda.cuh"

namespace gpt2::kernels {
namespace {

constexpr int kThreads = 256;

struct Update {
  float *parameter, *exp_avg, *exp_avg_sq;
  __nv_bfloat16* compute_copy;  // or null
  const float* gradient;
  float learning_rate, beta1, beta2, epsilon, weight_decay, gradient_scale;
  float correction1, correction2;  // 1 / (1 - beta^step)
  std::int64_t count;
};

template <int kWidth>
__global__ void adamw_kernel(Update update) {
  const std::int64_t i = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * kWidth;
  if (i >= update.count) return;
  float parameter[kWidth], gradient[kWidth], m[kWidth], v[kWidth];
  load<kWidth>(update.parameter, i, parameter);
  load<kWidth>(update.gradient, i, gradient);
  load<kWidth>(update.exp_avg, i, m);
  load<kWidth>(update.exp_avg_sq, i, v);
  for (int k = 0; k < kWidth; ++k) {
    const float g = gradient[k] * update.gradient_scale;
    m[k] = update.beta1 * m[k] + (1 - update.beta1) * g;
    v[k] = update.beta2 * v[k] + (1 - update.beta2) * (g * g);
    const float step =
        m[k] * update.correction1 / (sqrtf(v[k] * update.correction2) + update.epsilon);
    parameter[k] -= update.learning_rate * (update.weight_decay * parameter[k] + step);
  }
  store<kWidth>(parameter, update.parameter, i);
  if (update.compute_copy != nullptr) store<kWidth>(parameter, update.compute_copy, i);
  store<kWidth>(m, update.exp_avg, i);
  store<kWidth>(v, update.exp_avg_sq, i);
}

}  // namespace

void CudaKernels::adamw_update(const AdamWUpdate& op) {
  const auto step = static_cast<double>(op.step);
  const Update update{.parameter = cuda_floats(op.parameter),
                      .exp_avg = cuda_floats(op.exp_avg),
                      .exp_avg_sq = cuda_floats(op.exp_avg_sq),
                      .compute_copy = cuda_elements<__nv_bfloat16>(op.compute_copy),
                      .gradient = cuda_floats(op.gradient),
                      .learning_rate = op.learning_rate,
                      .beta1 = op.beta1,
                      .beta2 = op.beta2,
                      .epsilon = op.epsilon,
                      .weight_decay = op.weight_decay,
                      .gradient_scale = op.gradient_scale,
                      .correction1 = static_cast<float>(1 / (1 - std::pow(double{op.beta1}, step))),
                      .correction2 = static_cast<float>(1 / (1 - std::pow(double{op.beta2}, step))),
                      .count = op.parameter.element_count()};
  if (update.count == 0) return;
  with_width<float>(
      update.count,
      {update.parameter, update.exp_avg, update.exp_avg_sq, update.compute_copy, update.gradient},
      [&](auto width) {
        launch(adamw_kernel<width>, blocks_for(update.count, std::int64_t{kThreads} * width),
               kThreads, 0, stream(), update);
      });
}

}  // namespace gpt2::kernels
