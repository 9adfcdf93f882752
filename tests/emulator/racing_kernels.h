// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Kernels for the test of the search for races, traced as libcore's kernels are. `barriers`: how
// many of the barriers that they need they have.
#pragma once

namespace gpt2::emulator {

void neighbours(float* out, int barriers);            // needs 2
void neighbours_in_a_warp(float* out, int barriers);  // needs 1
void read_before_written(float* out, int);
void all_to_one(float* out, int);
void each_to_its_own(float* out, int);  // no race

}  // namespace gpt2::emulator
