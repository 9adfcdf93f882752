// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What only reads shards: info and verify. Both go through all files and fail (65) at the end if
// one was refused.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/cli/tool.h"

namespace gpt2::shard {

class InfoCommand {
 public:
  explicit InfoCommand(cli::Tool& tool);

 private:
  void run() const;
  bool json_ = false;
  std::vector<std::string> files_;
};

class VerifyCommand {
 public:
  explicit VerifyCommand(cli::Tool& tool);

 private:
  void run() const;
  std::uint32_t vocab_size_ = 0;
  bool json_ = false;
  std::vector<std::string> files_;
};

}  // namespace gpt2::shard
