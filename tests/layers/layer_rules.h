// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The arrows of the tree, read from its includes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace gpt2::layers {

/// What breaks a rule below `root`, as "file:line: sentence", sorted. The rules:
/// - an include in quotes names a file from the root;
/// - formats <- libcore <- tools: a file includes only files of its own layer and those below, and
/// nothing includes tests;
/// - in libcore a folder includes only itself and those before it in kLibcoreFolders; data, of all
/// these, only
///   kernels/philox.h; among the tools only tools/cli is included by others;
/// - headers of CUDA, NCCL and MPI, and ours named *_cuda, *_nccl, *_mpi, are included by files
/// named so alone; open_*.cpp,
///   which picks a twin, may include ours; no other header asks for GPT2_WITH_...;
/// - below formats, libcore and tools a name before the dot stands in one folder only, and a
/// header's pages, sources and
///   tests carry its name; a test's name is unique among the tests. CMakeLists.txt, main.cpp and
///   README.md are free.
std::vector<std::string> broken_rules(const std::filesystem::path& root);

}  // namespace gpt2::layers
