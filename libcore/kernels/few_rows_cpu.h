// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Products of the few rows that decoding has. They are as slow as the weights are read: so each
// weight is read once, in the order in which they lie in memory. What a row becomes does not depend
// on the other rows.
#pragma once

#include <cstdint>

#include "libcore/kernels/kernels_cpu.h"

namespace gpt2::kernels {

/// Floats of the workspace for a product of (N, K) and (K, M).
std::int64_t few_rows_workspace(std::int64_t N, std::int64_t K, std::int64_t M);
/// MatmulForward of at most kFewRows rows.
void multiply_few_rows(ThreadTeam& team, const MatmulForward& op, Workspace& workspace);
/// HeadForward of at most kFewRows rows.
void head_of_few_rows(ThreadTeam& team, const HeadForward& op);

}  // namespace gpt2::kernels
