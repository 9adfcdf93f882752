// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Shards to test with, in a folder that goes with the test.
#pragma once

#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "formats/token_shard.h"
#include "tests/support/temporary_folder.h"

namespace gpt2::data {

class ShardFixture {
  support::TemporaryFolder temporary_;

 public:
  std::string at(const std::string& name) const { return (folder / name).string(); }
  /// A shard of ours and one as llm.c writes it; both give the path.
  std::string write_shard(const std::string& name, const std::vector<std::uint16_t>& tokens,
                          const formats::TokenShardHeader& base = {.vocab_size = 100,
                                                                   .end_of_text = 0}) const;
  std::string write_foreign_shard(const std::string& name,
                                  const std::vector<std::uint16_t>& tokens) const;
  std::string write_bytes(const std::string& name, const std::string& bytes) const;
  std::string read_bytes(const std::string& name) const;
  /// Every regular file below the folder, by its name there, with its bytes.
  std::map<std::string, std::string> contents() const;

  const std::filesystem::path folder = temporary_.path();
};

/// first, first + 1 ... below `modulus`, then from 0 again.
std::vector<std::uint16_t> counting_tokens(std::size_t count, std::uint16_t first = 0,
                                           std::uint16_t modulus = 100);

/// For BOOST_CHECK_EXCEPTION: true when the message has all of `parts`.
std::function<bool(const std::exception&)> says(std::vector<std::string> parts);

}  // namespace gpt2::data
