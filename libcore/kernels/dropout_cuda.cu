// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <cmath>
#include <string>

#include "formats/errors.h"
#include "libcore/kernels/kernels_cuda.h"
#include "libcore/kernels/launch_cuda.cuh"

namespace gpt2::kernels {
namespace {

constexpr int kThreads = 256;

template <int kWidth, class Element>
__global__ void dropout_backward_kernel(const Element* dy, Element* dx, std::int64_t count,
                                        std::int64_t elements_of_sequence, DropoutMask mask) {
  const std::int64_t i = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * kWidth;
  if (i >= count) return;
  float values[kWidth];
  load<kWidth>(dy, i, values);
  apply_dropout<kWidth>(mask, i / elements_of_sequence, i % elements_of_sequence, values);
  store<kWidth>(values, dx, i);
}

}  // namespace

DropoutMask mask_of(const Dropout& dropout) {
  if (!(dropout.probability >= 0 && dropout.probability < 1)) {
    throw formats::UsageError("dropout: is " + std::to_string(dropout.probability) +
                              ", must be at least 0 and below 1");
  }
  return {.threshold =
              static_cast<std::uint32_t>(std::ceil(double{dropout.probability} * 4294967296.0)),
          .scale = 1 / (1 - dropout.probability),
          .seed = dropout.seed,
          .site = dropout.site,
          .first_sequence = dropout.first_sequence};
}

void CudaKernels::dropout_backward(const DropoutBackward& op) {
  const std::int64_t count = op.B * op.T * op.C;
  if (count == 0) return;
  with_element(op.dy, [&](auto element) {
    using Element = decltype(element);
    with_width<Element>(op.C, {op.dy.data, op.dx.data}, [&](auto width) {
      launch(dropout_backward_kernel<width, Element>,
             blocks_for(count, std::int64_t{kThreads} * width), kThreads, 0, stream(),
             cuda_elements<Element>(op.dy), cuda_elements<Element>(op.dx), count, op.T * op.C,
             mask_of(op.dropout));
    });
  });
}

}  // namespace gpt2::kernels
