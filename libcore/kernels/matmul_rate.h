// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// How fast a twin's matrix products are: the limit that training is measured against.
#pragma once

#include "libcore/device/device.h"
#include "libcore/kernels/kernels.h"

namespace gpt2::kernels {

/// Operations a second of the largest of a few square products, in the twin's compute type; takes
/// about a tenth of a second. Other work on the machine lowers it.
double measure_matmul_rate(device::Device& device, Kernels& kernels);

}  // namespace gpt2::kernels
