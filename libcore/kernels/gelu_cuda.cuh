// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The GELU, tanh form. Source: Hendrycks and Gimpel 2016, Gaussian Error Linear Units, section 2.
#pragma once

#include "libcore/kernels/launch_cuda.cuh"

namespace gpt2::kernels {

inline constexpr float kGeluRoot = 0.7978845608028654F;  // sqrt(2 / pi)
inline constexpr float kGeluCubic = 0.044715F;

// gate = 0.5 (1 + tanh u) = 1 / (1 + e^(-2u)), and 1 - gate: both from e^(-2|u|), which neither
// overflows nor loses the smaller one.
struct GeluGate {
  float gate, rest;
};
__device__ __forceinline__ GeluGate gelu_gate(float x) {
  const float u = kGeluRoot * (x + kGeluCubic * x * x * x);
  const float e = expf(-2 * fabsf(u));
  const float larger = 1 / (1 + e), smaller = e * larger;
  return u >= 0 ? GeluGate{larger, smaller} : GeluGate{smaller, larger};
}
__device__ __forceinline__ float gelu(float x) { return x * gelu_gate(x).gate; }
__device__ __forceinline__ float gelu_slope(float x) {
  const GeluGate at = gelu_gate(x);
  const float slope_of_u = kGeluRoot * (1 + 3 * kGeluCubic * x * x);
  return at.gate + 2 * x * at.gate * at.rest * slope_of_u;
}

}  // namespace gpt2::kernels
