// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Single files out of a zip archive.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace gpt2::fetch {

/// Writes each of `members` (its whole name in the archive) to `folder`, under the last part of
/// its name alone: what else the archive holds or says of paths is of no concern. One that is there
/// already with the archive's size and CRC-32 is left as it is; anything else there is replaced.
/// Throws: InputError for no archive, a missing, encrypted or damaged member, or one of more than
/// `most_bytes`; IoError.
void unzip_members(const std::filesystem::path& archive, const std::vector<std::string>& members,
                   const std::filesystem::path& folder, std::uint64_t most_bytes);

}  // namespace gpt2::fetch
