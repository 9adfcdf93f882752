// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// When a launch must ask for shared memory; launch_cuda.cuh and tests/emulator go by it.
#pragma once

#include <cstddef>

namespace gpt2::kernels {

/// What a block has without asking: of what the launch names and the kernel declares together.
/// Source: CUDA C++ Programming Guide, shared memory of compute capability 7.x and later.
inline constexpr std::size_t kSharedWithoutAsking = std::size_t{48} << 10;

/// A launch that names any asks: it does not know what the kernel declares beside it.
constexpr bool asks_for_shared(std::size_t named_bytes) { return named_bytes != 0; }

}  // namespace gpt2::kernels
