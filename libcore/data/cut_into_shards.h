// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// From a token stream to the shards of a data set.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

namespace gpt2::data {

struct ShardCut {
  std::string out_dir;  // made if missing
  std::string prefix;   // of the file names
  std::uint64_t tokens_per_shard =
      100'000'000;  // in each shard but the last of val, test and train
  std::uint64_t val_tokens = 0, test_tokens = 0;
  std::uint64_t val_documents = 0, test_documents = 0;  // instead of tokens: whole documents
  bool force = false;                                   // replace the shards of this prefix
};

struct CutShard {
  std::filesystem::path path;
  std::uint64_t token_count = 0;
};
struct ShardCutResult {
  std::vector<CutShard> shards;  // in the order of their numbers
  std::uint64_t token_count = 0, document_count = 0;
};

/// Cuts a token stream into `<prefix>_{val|test|train}_%06d.bin`: the first val_tokens (or
/// val_documents) are val, the next test_tokens (or test_documents) test, the rest train, each cut
/// exactly; one number runs over all files. Shards grow in the folder `.tmp-<prefix>` of out_dir
/// and get their names when the stream has ended well; after an error no name and no temporary file
/// is left, and shards that `force` was to replace are there as before. Killed while it gives the
/// names, it leaves a set that refuse_unfinished_set() refuses; the next cut of this prefix puts
/// back what was there, and then begins. `stream_name` names the stream in errors; `progress` hears
/// of the tokens done. Throws: UsageError (values that do not fit together, too little for val and
/// test); ExistsError (shards of this prefix are there, or another process is writing them);
/// FormatError (a damaged stream); InputError (an empty one); IoError.
ShardCutResult cut_into_shards(std::istream& stream, const std::string& stream_name,
                               const ShardCut& cut,
                               const std::function<void(std::uint64_t)>& progress = {});

}  // namespace gpt2::data
