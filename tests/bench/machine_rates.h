// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What this machine can do at most, measured now: the yardstick that timings are stated against.
#pragma once

#include "libcore/device/device.h"

namespace gpt2::bench {

/// Floating-point operations per second of fused multiply-adds on registers, on all of `threads` at
/// once.
double fma_rate(int threads);
/// Bytes per second, read and written, of changing in place much more than the caches hold.
double memory_rate(int threads);
/// The same of copies from one part of a device's memory to another.
double copy_rate(device::Device& device);

}  // namespace gpt2::bench
